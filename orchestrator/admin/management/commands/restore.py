"""`manage.py restore`: bring a backup back; `make restore` and `switchyard restore` start what it needs around it."""

from __future__ import annotations

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.db.migrations.loader import MigrationLoader
from redis.exceptions import RedisError

from orchestrator.admin.archive.manifest import ArchiveError
from orchestrator.admin.archive.restore import restore
from orchestrator.log.clients import sync_client
from orchestrator.tenants import sealing

_BATCH = 1_000


class Command(BaseCommand):
    """Restore the platform's database from a file."""

    help = "Restore everything from a backup into an empty database; nothing of Switchyard may run on it."
    requires_system_checks = ()

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Declare the options."""
        parser.add_argument("file", type=Path)
        parser.add_argument("--replace", action="store_true", help="drop what is in the database")

    def handle(self, *_: Any, **options: Any) -> None:
        """Restore, and say what came back."""
        environment = settings.SWITCHYARD
        url = environment.database_direct_url.get_secret_value() or environment.database_url.get_secret_value()
        known = frozenset(
            f"{app}.{name}" for app, name in MigrationLoader(None, ignore_no_migrations=True).disk_migrations
        )
        try:
            done = restore(
                url,
                options["file"],
                field_key=environment.field_key.get_secret_value(),
                known=known,
                data=environment.data_dir,
                replace=options["replace"],
            )
        except ArchiveError as exc:
            raise CommandError(str(exc)) from exc
        forgotten = self._forget()
        made = done.manifest
        self.stdout.write(
            f"{made.rows} rows in {len(made.tables)} tables are back as of {made.made_at}; counts and hashes are equal."
        )
        if made.files:
            self.stdout.write(f"Also back: {', '.join(made.files)}, the databases made of CSV files.")
        if forgotten is None:
            self.stdout.write("Redis does not answer: empty it before you start, its events belong to other data.")
        if done.other_key:
            self.stdout.write(
                "The field key here is not the backup's, so the addresses of the databases can't be opened yet:"
                f" {sealing.WAY_BACK}. Only if the old key is lost: `switchyard connect` each database again."
            )

    def _forget(self) -> int | None:
        """Drop the events and messages in Redis: they belong to the data that was there before."""
        environment = settings.SWITCHYARD
        try:
            redis = sync_client(environment.redis_url.get_secret_value())
            keys = list(redis.scan_iter(match=f"{environment.key_prefix}:*", count=_BATCH))
            for at in range(0, len(keys), _BATCH):
                redis.unlink(*keys[at : at + _BATCH])
        except RedisError:
            return None
        return len(keys)
