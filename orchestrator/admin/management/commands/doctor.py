"""`manage.py doctor`: look at everything the product stands on, and say what to do about what is wrong."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from orchestrator.admin.diagnosis import report, start
from orchestrator.admin.diagnosis.examine import examine
from orchestrator.admin.diagnosis.findings import EVERY, AwayError, Finding
from orchestrator.admin.diagnosis.rights import administrator_sql


class Command(BaseCommand):
    """Examine this installation."""

    help = "Check settings, machine, database, Redis, Celery, broker, processes and warehouses."
    requires_system_checks = ()

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Declare the options."""
        parser.add_argument("--sql", action="store_true", help="print what a database administrator has to run")
        parser.add_argument("--json", action="store_true", help="print one JSON object, for machines")
        parser.add_argument("--start", action="store_true", help="only what processes look at when they start")

    def handle(self, *_: Any, **options: Any) -> None:
        """Print the findings, or the statements.

        Raises:
            CommandError: something is wrong, so that scripts notice; with `--start`, something that refuses.
        """
        if options["sql"]:
            self._print_statements()
            return
        if options["start"]:
            self._print_start()
            return
        findings = list(examine())
        styles = {"ok": self.style.SUCCESS, "warning": self.style.WARNING, "problem": self.style.ERROR}
        shown = (
            report.as_json(findings)
            if options["json"]
            else report.text(findings, paint=lambda level, text: styles[level](text))
        )
        self.stdout.write(shown)
        problems = sum(finding.level == "problem" for finding in findings)
        if problems:
            raise CommandError(f"{problems} problem{'s' if problems > 1 else ''} found")

    def _print_start(self) -> None:
        """Say once what each process of a start would say by itself."""
        # A worker asks for less than the two others together, and beat for nothing of its own.
        found: dict[str, Finding] = {}
        for starter in ("gateway", "dispatcher"):
            found |= {f"{finding.check.id} {finding.text}": finding for finding in start.look(starter)}
        verdict = start.judge(found.values(), EVERY, despite=settings.SWITCHYARD.start_despite)
        for finding in verdict.warnings:
            self.stdout.write(f"{finding.check.id}: {finding.text}; {finding.remedy}")
        for finding in verdict.despite:
            self.stdout.write(f"{finding.check.id}: STARTING DESPITE {finding.text}")
        if verdict.refused:
            self.stderr.write(start.refusal(verdict.refused))
            raise CommandError(f"{len(verdict.refused)} of the start-up checks refuse")

    def _print_statements(self) -> None:
        try:
            statements = administrator_sql()
        except AwayError as exc:
            raise CommandError(f"PostgreSQL does not answer: {exc}") from exc
        if not statements:
            self.stdout.write("-- nothing: the role has all that it needs")
        for statement in statements:
            self.stdout.write(statement)
