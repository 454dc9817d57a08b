"""Whether the database's tables are those that this version of the product was written for."""

from __future__ import annotations

from collections.abc import Iterator, Set
from pathlib import Path

from django.apps import apps

from orchestrator.admin.diagnosis.findings import EVERY, Check, Finding
from orchestrator.admin.diagnosis.postgres_facts import Name

MISSING = Check(
    id="migrations-missing",
    subject="schema",
    level="problem",
    why="statements name columns and constraints that are not there; a constraint that is missing guards nothing",
    remedy="`python manage.py migrate`, before any process of the new version starts",
    refuses=EVERY,
)
NEWER = Check(
    id="migrations-newer",
    subject="schema",
    level="problem",
    why="a newer version has changed the tables; this one may not fit them any more",
    remedy="go on with the update: start the newer version; or restore the backup that was made before it",
)
CHECKS = (MISSING, NEWER)


def schema(applied: Set[Name], known: Set[Name]) -> Iterator[Finding]:
    """Yield how what the database has got compares with what this version brings."""
    missing = sorted(known - applied)
    ours = {label for label, _ in known}
    newer = sorted(name for name in applied - known if name[0] in ours)
    if missing:
        yield MISSING.found(f"{len(missing)} migrations missing: {_list(missing)}")
    if newer:
        yield NEWER.found(f"{len(newer)} migrations of a newer version: {_list(newer)}")
    if not missing and not newer:
        yield MISSING.fine("every migration is applied")


def known() -> set[Name]:
    """Return what this version brings, by the names of its files: loading them would take longer than the rest."""
    return {
        (config.label, file.stem)
        for config in apps.get_app_configs()
        for file in Path(config.path, "migrations").glob("[0-9]*.py")
    }


def _list(names: list[Name]) -> str:
    shown = ", ".join(f"{label}.{name}" for label, name in names[:4])
    return shown if len(names) <= 4 else f"{shown} and {len(names) - 4} more"
