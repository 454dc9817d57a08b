"""Write everything that PostgreSQL holds, and the tables made of CSV files, into one file, while all goes on."""

from __future__ import annotations

import io
import os
import tarfile
import tempfile
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from orchestrator.admin.archive import tables, tools
from orchestrator.admin.archive.manifest import FORMAT, PASSING, ArchiveError, Manifest, figures, key_mark, migrations

MANIFEST, DUMP = "manifest.json", "database.dump"
_BEGUN = "dumping contents of table"


def backup(
    url: str,
    target: Path,
    *,
    field_key: str,
    data: Path | None = None,
    progress: Callable[[str, int, int], None] = lambda step, done, of: None,
) -> Manifest:
    """Write a backup to `target` and return what it says of itself.

    Counts, hashes and data are of one snapshot; what happens meanwhile is in the next backup. The file is private, and
    appears under its name only once it is whole.

    Args:
        url: the platform's database.
        target: a file that does not exist yet.
        field_key: only its mark is kept.
        data: the data folder, for the tables made of CSV files; without one, there are none.
        progress: told of each step, with tables done and tables in all.

    Raises:
        ArchiveError: it can't be made; nothing is left at `target`.
    """
    if target.exists():
        raise ArchiveError(f"{target} exists already; choose another name")
    if not target.parent.is_dir():
        raise ArchiveError(f"there is no folder {target.parent}")
    connection = tools.connect(url)
    try:
        connection.set_session(isolation_level="REPEATABLE READ", readonly=True)
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_export_snapshot(), current_setting('server_version_num')::int / 10000")
            row = cursor.fetchone()
        if row is None:
            raise ArchiveError("PostgreSQL gives no snapshot")
        snapshot, major = str(row[0]), int(row[1])
        pg_dump = tools.program("pg_dump", at_least=major)
        progress("counting", 0, 0)
        manifest = Manifest(
            format=FORMAT,
            made_at=datetime.now(UTC).isoformat(timespec="seconds"),
            server=f"PostgreSQL {major}",
            migrations=migrations(connection),
            key=key_mark(field_key),
            tables=figures(connection),
        )
        if not manifest.migrations:
            raise ArchiveError("there is no Switchyard in this database")
        with tempfile.TemporaryDirectory(dir=target.parent, prefix=".switchyard-backup-") as folder:
            dump = Path(folder) / DUMP
            done = 0

            def heard(line: str) -> None:
                nonlocal done
                if _BEGUN in line:
                    done += 1
                    progress(line.rpartition(".")[2].strip('"'), done, len(manifest.tables))

            command = [pg_dump, "--format=custom", "--schema=public", "--no-owner", "--no-acl", "--verbose"]
            command += [f"--exclude-table-data={name}" for name in sorted(PASSING)]
            tools.run([*command, f"--snapshot={snapshot}", f"--file={dump}"], url, heard=heard)
            whole = Path(folder) / "whole"
            if data is not None:
                manifest = replace(manifest, files=tables.copy(data, Path(folder)))
            _pack(whole, manifest, dump)
            # `link` refuses an existing name, where a rename would replace somebody's earlier backup.
            try:
                os.link(whole, target)
            except FileExistsError as exc:
                raise ArchiveError(f"{target} exists already; choose another name") from exc
    except OSError as exc:
        raise ArchiveError(f"{target} can't be written: {exc.strerror}") from exc
    finally:
        connection.close()
    return manifest


def _pack(path: Path, manifest: Manifest, dump: Path) -> None:
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "wb") as file, tarfile.open(fileobj=file, mode="w") as tar:
        content = manifest.encoded()
        entry = tarfile.TarInfo(MANIFEST)
        entry.size, entry.mode = len(content), 0o600
        tar.addfile(entry, io.BytesIO(content))
        tar.add(dump, arcname=DUMP)
        for name in manifest.files:
            tar.add(dump.parent / name, arcname=name)
        file.flush()
    with path.open("rb") as written:
        os.fsync(written.fileno())
