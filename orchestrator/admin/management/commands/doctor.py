"""`manage.py doctor`: look at everything the product stands on, and say what to do about what is wrong."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from orchestrator.admin.diagnosis import administrator_sql, examine
from orchestrator.errors import StoreDownError

_SIGNS = {"ok": "ok ", "warning": "?  ", "problem": "!! "}


class Command(BaseCommand):
    """Examine this installation."""

    help = "Check settings, database, Redis, broker, queues and warehouses."
    requires_system_checks = ()

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Declare the options."""
        parser.add_argument("--sql", action="store_true", help="print what a database administrator has to run")

    def handle(self, *_: Any, **options: Any) -> None:
        """Print the findings, or the statements.

        Raises:
            CommandError: something is wrong, so that scripts notice.
        """
        if options["sql"]:
            self._print_statements()
            return
        problems = 0
        styles = {"ok": self.style.SUCCESS, "warning": self.style.WARNING, "problem": self.style.ERROR}
        for finding in examine():
            problems += finding.level == "problem"
            remedy = f"  -> {finding.remedy}" if finding.remedy else ""
            sign = styles[finding.level](_SIGNS[finding.level])
            self.stdout.write(f"{sign}{finding.subject:<22} {finding.text}{remedy}")
        if problems:
            raise CommandError(f"{problems} problem{'s' if problems > 1 else ''} found")

    def _print_statements(self) -> None:
        try:
            statements = administrator_sql()
        except StoreDownError as exc:
            raise CommandError(f"PostgreSQL does not answer: {exc}") from exc
        if not statements:
            self.stdout.write("-- nothing: the role has all that it needs")
        for statement in statements:
            self.stdout.write(statement)
