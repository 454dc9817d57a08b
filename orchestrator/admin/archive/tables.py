"""The databases that `switchyard connect --csv` made: files below the data folder, which a backup holds as well."""

from __future__ import annotations

import hashlib
import re
import sqlite3
from collections.abc import Iterable
from contextlib import closing
from pathlib import Path
from urllib.parse import quote

from orchestrator.admin.archive.manifest import ArchiveError, Figures

#: Below the data folder; the names in a backup, and the addresses of the warehouses, begin with it.
FOLDER = "tables"
_NAME = re.compile(rf"{FOLDER}/[A-Za-z0-9][A-Za-z0-9_.-]*\.db")


def copy(data: Path, target: Path) -> dict[str, Figures]:
    """Copy each database of the data folder `data` below `target`, of one moment each, and return what it holds.

    Raises:
        ArchiveError: a file is no database any more.
    """
    found: dict[str, Figures] = {}
    (target / FOLDER).mkdir()
    for file in sorted((data / FOLDER).glob("*.db")):
        name = f"{FOLDER}/{file.name}"
        try:
            # SQLite's own copy: what is being written meanwhile is in it whole or not at all.
            with closing(_opened(file)) as source, closing(sqlite3.connect(target / name)) as made:
                source.backup(made)
        except sqlite3.Error as exc:
            raise ArchiveError(f"{file} can't be copied: {exc}") from exc
        found[name] = figures(target / name)
    return found


def figures(file: Path) -> Figures:
    """Return how many rows a database's tables have together, and the hash of its bytes.

    Raises:
        ArchiveError: it is no database.
    """
    try:
        with closing(_opened(file)) as database:
            names = [row[0] for row in database.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")]
            counts = (f'SELECT count(*) FROM "{name.replace(chr(34), chr(34) * 2)}"' for name in names)  # noqa: S608 - quoted
            rows = sum(database.execute(count).fetchone()[0] for count in counts)
        with file.open("rb") as content:
            return Figures(rows=rows, hash=hashlib.file_digest(content, "sha256").hexdigest())
    except (sqlite3.Error, OSError) as exc:
        raise ArchiveError(f"{file.name} is no database: {exc}") from exc


def require_names(names: Iterable[str]) -> None:
    """Refuse names that would lead out of the folder; a file from elsewhere may say anything.

    Raises:
        ArchiveError: a name is not one that `copy` makes.
    """
    if bad := [name for name in names if not _NAME.fullmatch(name)]:
        raise ArchiveError(f"the backup names a file that is none of ours: {bad[0]}")


def require_free(data: Path, wanted: dict[str, Figures], *, replace: bool) -> None:
    """Refuse to overwrite tables, unless they are the same or may go.

    Raises:
        ArchiveError: there are others of that name.
    """
    for name, there in wanted.items():
        if not replace and (data / name).exists() and figures(data / name) != there:
            raise ArchiveError(f"{data / name} exists and is another one: --replace replaces it; keep a copy first")


def put(source: Path, data: Path, wanted: dict[str, Figures]) -> dict[str, Figures]:
    """Move the databases below `source` into the data folder, each whole, and return what lies there then.

    Raises:
        ArchiveError: the folder can't be written.
    """
    try:
        (data / FOLDER).mkdir(mode=0o700, parents=True, exist_ok=True)
        for name in wanted:
            fresh = (data / name).with_suffix(".fresh")
            fresh.write_bytes((source / name).read_bytes())
            fresh.chmod(0o600)
            fresh.replace(data / name)
    except OSError as exc:
        raise ArchiveError(
            f"the database is back, but {data / FOLDER} can't be written: {exc.strerror}. Mend that, and restore again"
            " with --replace"
        ) from exc
    return {name: figures(data / name) for name in wanted}


def _opened(file: Path) -> sqlite3.Connection:
    return sqlite3.connect(f"file:{quote(str(file))}?mode=ro", uri=True)
