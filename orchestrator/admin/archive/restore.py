"""Bring a backup back, whole or not at all, and prove it by the figures it carries."""

from __future__ import annotations

import tarfile
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import psycopg2.extensions
from psycopg2 import sql

from orchestrator.admin.archive import tables, tools
from orchestrator.admin.archive.backup import DUMP, MANIFEST
from orchestrator.admin.archive.manifest import ArchiveError, Figures, Manifest, figures, key_mark, migrations, unlike

_PEOPLE = "SELECT count(*) FROM switchyard_user"
#: Heard of in the last ten seconds, where a lease lasts six.
_ALIVE = "SELECT count(*) FROM switchyard_process WHERE seen_at > now() - interval '10 seconds'"
_LEFT_OUT = ("EXTENSION", "SCHEMA")


@dataclass(frozen=True, slots=True, kw_only=True)
class Restored:
    """What came back."""

    manifest: Manifest
    #: The field key here is another one: sealed addresses can't be opened.
    other_key: bool


def read_manifest(source: Path) -> Manifest:
    """Return what the backup says of itself.

    Raises:
        ArchiveError: there is none, or it is no backup.
    """
    try:
        with tarfile.open(source, "r:") as tar:
            entry = tar.extractfile(MANIFEST)
            if entry is None:
                raise ArchiveError(f"{source} is no Switchyard backup")
            return Manifest.read(entry.read())
    except FileNotFoundError as exc:
        raise ArchiveError(f"there is no file {source}") from exc
    except (tarfile.TarError, KeyError, OSError) as exc:
        raise ArchiveError(f"{source} is no Switchyard backup, or it is cut off") from exc


def restore(
    url: str,
    source: Path,
    *,
    field_key: str,
    known: frozenset[str],
    data: Path | None = None,
    replace: bool = False,
    progress: Callable[[str], None] = lambda step: None,
) -> Restored:
    """Put what `source` holds into the database at `url`, in one transaction, and compare every table.

    The databases made of CSV files follow once that is done: they are looked at before anything is touched.

    Args:
        url: an empty database, or with `replace` one whose contents may go.
        source: what `backup` wrote.
        field_key: this installation's.
        known: this version's migrations; a backup of a later version is refused.
        data: the data folder, which the tables made of CSV files go into; left out, they stay in the backup.
        replace: drop what is there.
        progress: told of each step.

    Raises:
        ArchiveError: it can't be done. Unless the text says otherwise, the database is as it was.
    """
    manifest = read_manifest(source)
    if later := sorted(set(manifest.migrations) - known):
        raise ArchiveError(f"the backup comes from a later version (it has seen {later[-1]}); update Switchyard first")
    wanted = manifest.files if data is not None else {}
    tables.require_names(wanted)
    connection = tools.connect(url)
    try:
        connection.autocommit = True
        _require_quiet(connection, replace=replace)
        major = connection.server_version // 10_000
        pg_restore, psql = (tools.program(name, at_least=major) for name in ("pg_restore", "psql"))
        with tempfile.TemporaryDirectory(prefix="switchyard-restore-") as folder:
            progress("unpacking")
            dump, entries = _unpack(source, Path(folder), wanted), Path(folder) / "entries"
            if data is not None:
                tables.require_free(data, wanted, replace=replace)
            entries.write_text(own_entries(tools.contents(pg_restore, dump)), encoding="utf-8")
            progress("restoring")
            flags = ["--clean", "--if-exists", "--no-owner", "--no-acl", f"--use-list={entries}"]
            script, first = Path(folder) / "script.sql", Path(folder) / "first.sql"
            tools.written(pg_restore, dump, script, flags)
            first.write_text(_drop_unknown(connection, manifest), encoding="utf-8")
            # psql and not pg_restore itself: what has to go first goes, or stays, in the same transaction.
            once = [psql, "--no-psqlrc", "--quiet", "--single-transaction", "--set=ON_ERROR_STOP=1"]
            tools.run([*once, f"--file={first}", f"--file={script}"], url)
            put = tables.put(Path(folder), data, wanted) if data is not None and wanted else {}
        progress("comparing")
        wrong = unlike(manifest.tables, figures(connection)) + unlike(wanted, put)
    finally:
        connection.close()
    if wrong:
        raise ArchiveError("what came back is not what was saved:\n  " + "\n  ".join(wrong))
    return Restored(manifest=manifest, other_key=manifest.key != key_mark(field_key))


def own_entries(listed: str) -> str:
    """Return a dump's table of contents without what only a superuser may make, and the target has already."""
    kept = [line for line in listed.splitlines() if not any(f" {entry} " in f"{line} " for entry in _LEFT_OUT)]
    return "\n".join(kept) + "\n"


def _require_quiet(connection: psycopg2.extensions.connection, *, replace: bool) -> None:
    if not migrations(connection):
        return
    with connection.cursor() as cursor:
        cursor.execute(_ALIVE)
        alive = cursor.fetchone()
        if alive is not None and alive[0]:
            raise ArchiveError(f"{alive[0]} processes of Switchyard work on this database: stop them first")
        cursor.execute(_PEOPLE)
        people = cursor.fetchone()
    if people is not None and people[0] and not replace:
        raise ArchiveError(
            f"this database is in use: it has {people[0]} users."
            " --replace drops all that is there; make a backup of it first"
        )


def _drop_unknown(connection: psycopg2.extensions.connection, manifest: Manifest) -> str:
    """Return what drops the tables of a later version, which hold on to others that are about to be replaced."""
    names = sorted(figures(connection).keys() - manifest.tables.keys())
    drops = (sql.SQL("DROP TABLE {} CASCADE;\n").format(sql.Identifier(name)) for name in names)
    return "".join(drop.as_string(connection) for drop in drops)


def _unpack(source: Path, folder: Path, wanted: dict[str, Figures]) -> Path:
    try:
        with tarfile.open(source, "r:") as tar:
            for name in (DUMP, *wanted):
                tar.extract(name, folder, filter="data")
    except (tarfile.TarError, KeyError, OSError) as exc:
        raise ArchiveError(f"{source} is cut off or damaged") from exc
    if wrong := unlike(wanted, {name: tables.figures(folder / name) for name in wanted}):
        raise ArchiveError(f"{source} is damaged:\n  " + "\n  ".join(wrong))
    return folder / DUMP
