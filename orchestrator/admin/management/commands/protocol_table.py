"""`manage.py protocol_table`: every event of the wire in one table, written from their own types."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from orchestrator.admin.reference import events_page

PAGE = "docs/protocol-events.md"


class Command(BaseCommand):
    """Write docs/protocol-events.md, or check that it is current."""

    help = "Write docs/protocol-events.md from the event types."
    requires_system_checks = ()

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Declare the options."""
        parser.add_argument("--check", action="store_true", help="only say whether the page is current")

    def handle(self, *_: Any, **options: Any) -> None:
        """Write or check.

        Raises:
            CommandError: with `--check`, the page is not what the events say.
        """
        path, text = settings.BASE_DIR / PAGE, events_page()
        if options["check"]:
            if not path.is_file() or path.read_text("utf-8") != text:
                raise CommandError(f"{PAGE} is not current: run `manage.py protocol_table`")
            return
        path.write_text(text, "utf-8")
        self.stdout.write(f"wrote {PAGE}")
