"""`manage.py settings_table`: every variable in one table, written from the settings themselves."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from orchestrator.admin.reference import settings_page

PAGE = "docs/settings.md"


class Command(BaseCommand):
    """Write docs/settings.md, or check that it is current."""

    help = "Write docs/settings.md from the settings' own fields."
    requires_system_checks = ()

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Declare the options."""
        parser.add_argument("--check", action="store_true", help="only say whether the page is current")

    def handle(self, *_: Any, **options: Any) -> None:
        """Write or check.

        Raises:
            CommandError: with `--check`, the page is not what the settings say.
        """
        path, text = settings.BASE_DIR / PAGE, settings_page(type(settings.SWITCHYARD))
        if options["check"]:
            if not path.is_file() or path.read_text("utf-8") != text:
                raise CommandError(f"{PAGE} is not current: run `manage.py settings_table`")
            return
        path.write_text(text, "utf-8")
        self.stdout.write(f"wrote {PAGE}")
