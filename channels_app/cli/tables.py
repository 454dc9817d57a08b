"""CSV files as a database: each a table, its columns typed by what stands in them."""

from __future__ import annotations

import csv
import os
import re
import sqlite3
import tempfile
import unicodedata
from collections.abc import Iterator, Sequence
from contextlib import closing
from itertools import islice
from pathlib import Path

#: Rows that a type is judged by, and that are written at once.
_LOOKED_AT, _BATCH = 5_000, 2_000
_SNIFFED = 64_000
_INTEGER = re.compile(r"[+-]?\d{1,18}")
_NUMBER = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?")
_DAY = re.compile(r"\d{4}-\d{2}-\d{2}")
_MOMENT = re.compile(r"\d{4}-\d{2}-\d{2}[T ]\d{2}:\d{2}(:\d{2}(\.\d+)?)?(Z|[+-]\d{2}:?\d{2})?")
_TYPES = (("INTEGER", _INTEGER), ("REAL", _NUMBER), ("DATE", _DAY), ("DATETIME", _MOMENT))


class TableError(Exception):
    """A file is no table; the text says which and where."""


def load(files: Sequence[Path], target: Path) -> dict[str, int]:
    """Write the files' tables into a new database at `target`, and return each table's number of rows.

    An earlier database there is replaced once the new one is whole.

    Raises:
        TableError: a file can't be read as a table; `target` is as it was.
    """
    target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=target.parent, prefix=".tables-")
    os.close(handle)
    fresh = Path(name)
    rows: dict[str, int] = {}
    try:
        with closing(sqlite3.connect(fresh)) as database:
            for file in files:
                table = _unique(_name(file.stem, "table"), rows)
                rows[table] = _write(database, table, file)
            database.commit()
        fresh.replace(target)
    except BaseException:
        fresh.unlink(missing_ok=True)
        raise
    return rows


def _write(database: sqlite3.Connection, table: str, file: Path) -> int:
    sample = list(islice(_lines(file), _LOOKED_AT + 1))
    if len(sample) < 2:
        raise TableError(f"{file}: a heading and at least one row are needed")
    columns: dict[str, str] = {}
    for place, heading in enumerate(sample[0]):
        cells = [row[place].strip() for row in sample[1:] if place < len(row) and row[place].strip()]
        columns[_unique(_name(heading, f"column_{place + 1}"), columns)] = _type(cells)
    described = ", ".join(f'"{name}" {kind}' for name, kind in columns.items())
    database.execute(f'CREATE TABLE "{table}" ({described})')
    kinds, written = list(columns.values()), 0
    insert = f'INSERT INTO "{table}" VALUES ({", ".join("?" * len(kinds))})'  # noqa: S608 - names are letters and digits
    lines = islice(_lines(file), 1, None)
    while batch := list(islice(lines, _BATCH)):
        for number, row in enumerate(batch, start=written + 2):
            if len(row) > len(kinds):
                raise TableError(f"{file}, line {number}: {len(row)} cells where the heading has {len(kinds)}")
        database.executemany(insert, ([_cell(row, at, kind) for at, kind in enumerate(kinds)] for row in batch))
        written += len(batch)
    return written


def _lines(file: Path) -> Iterator[list[str]]:
    try:
        # A byte order mark, which Excel writes, is no part of the first heading.
        with file.open(encoding="utf-8-sig", newline="") as text:
            sample = text.read(_SNIFFED)
            text.seek(0)
            try:
                dialect: type[csv.Dialect] = csv.Sniffer().sniff(sample, delimiters=",;\t|")
            except csv.Error:
                dialect = csv.excel
            yield from (row for row in csv.reader(text, dialect) if any(cell.strip() for cell in row))
    except UnicodeDecodeError as exc:
        raise TableError(f"{file}: not UTF-8; save it as “CSV UTF-8”") from exc
    except FileNotFoundError as exc:
        raise TableError(f"there is no file {file}") from exc
    except OSError as exc:
        raise TableError(f"{file} can't be read: {exc.strerror}") from exc
    except csv.Error as exc:
        raise TableError(f"{file}: {exc}") from exc


def _type(cells: Sequence[str]) -> str:
    for kind, pattern in _TYPES:
        if cells and all(pattern.fullmatch(cell) for cell in cells):
            return kind
    return "TEXT"


def _cell(row: Sequence[str], at: int, kind: str) -> str | int | float | None:
    text = row[at].strip() if at < len(row) else ""
    if not text:
        return None
    # Beyond the rows that were looked at there may be other things: kept as they stand.
    if kind == "INTEGER" and _INTEGER.fullmatch(text):
        return int(text)
    return float(text) if kind == "REAL" and _NUMBER.fullmatch(text) else text


def _name(text: str, otherwise: str) -> str:
    words = re.sub(r"[^a-z0-9]+", "_", _plain(text).lower()).strip("_")[:50]
    return words if words and words[0].isalpha() else f"{otherwise}_{words}".rstrip("_") if words else otherwise


def _plain(text: str) -> str:
    return "".join(c for c in unicodedata.normalize("NFKD", text) if not unicodedata.combining(c))


def _unique(name: str, taken: dict[str, str] | dict[str, int]) -> str:
    found, number = name, 2
    while found in taken:
        found, number = f"{name}_{number}", number + 1
    return found
