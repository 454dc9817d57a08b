"""`manage.py checks_table`: the operators' page' tables of checks, written from the checks themselves."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand

from orchestrator.admin.diagnosis.table import with_tables

PAGE = "docs/operations.md"


class Command(BaseCommand):
    """Write the tables into docs/operations.md; a test holds the page to them."""

    help = "Write the tables of checks in docs/operations.md."
    requires_system_checks = ()

    def handle(self, *_: Any, **__: Any) -> None:  # Any: Django's own signature
        """Write."""
        path = settings.BASE_DIR / PAGE
        path.write_text(with_tables(path.read_text("utf-8")), "utf-8")
        self.stdout.write(f"wrote {PAGE}")
