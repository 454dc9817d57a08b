"""`manage.py backup`: write everything that PostgreSQL holds into one file."""

from __future__ import annotations

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from orchestrator.admin.archive.backup import backup
from orchestrator.admin.archive.manifest import ArchiveError


class Command(BaseCommand):
    """Back up the platform's database while everything runs."""

    help = "Write a backup: users, conversations, documents, jobs, settings in the database; not the secrets file."
    requires_system_checks = ()
    #: A caller in this process may pass what shows how far it is.
    stealth_options = ("progress",)

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Declare the options."""
        parser.add_argument("file", type=Path)

    def handle(self, *_: Any, **options: Any) -> None:
        """Write it, and say what is in it."""
        environment = settings.SWITCHYARD
        url = (environment.database_direct_url.get_secret_value()) or environment.database_url.get_secret_value()
        try:
            made = backup(
                url,
                options["file"],
                field_key=environment.field_key.get_secret_value(),
                data=environment.data_dir,
                **({"progress": options["progress"]} if options.get("progress") else {}),
            )
        except ArchiveError as exc:
            raise CommandError(str(exc)) from exc
        size_mb = options["file"].stat().st_size / 1_000_000
        counted = f"{made.rows} rows of {len(made.tables)} tables"
        if made.files:
            counted += f", {len(made.files)} database{'s' if len(made.files) > 1 else ''} made of CSV files"
        self.stdout.write(f"{options['file']}: {counted}, {size_mb:.1f} MB.")
