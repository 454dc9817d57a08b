"""What a backup says of itself: when and of what it was made, and count and hash of every table."""

from __future__ import annotations

import hashlib
from dataclasses import asdict, dataclass, field
from typing import Any

import orjson
import psycopg2.extensions
from psycopg2 import sql

#: 2: with the databases that were made of CSV files.
FORMAT = 2
#: What is true of the moment alone: processes that live are not the restored data's.
PASSING = frozenset({"switchyard_process"})
#: Of every row's text: the order of rows does not matter, and the server reads each once without sorting.
_FIGURES = "SELECT count(*), coalesce(sum(hashtextextended(t::text, 0)), 0)::text FROM {} t"
_TABLES = """
SELECT c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE n.nspname = 'public' AND c.relkind IN ('r', 'p') AND NOT c.relispartition ORDER BY c.relname
"""


class ArchiveError(Exception):
    """A backup or a restore can't go on; the text is the sentence that a person reads."""


@dataclass(frozen=True, slots=True)
class Figures:
    """One table's rows: how many, and the sum of their hashes."""

    rows: int
    hash: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """The first file in a backup."""

    format: int
    made_at: str
    server: str
    #: Names of the migrations that the data has seen.
    migrations: tuple[str, ...]
    #: Tells the field key without showing it: sealed addresses open with that key alone.
    key: str
    tables: dict[str, Figures]
    #: The same of each database made of CSV files, by its name below the data folder; none before format 2.
    files: dict[str, Figures] = field(default_factory=dict)

    def encoded(self) -> bytes:
        """Return it as JSON."""
        return orjson.dumps(asdict(self), option=orjson.OPT_INDENT_2)

    @classmethod
    def read(cls, content: bytes) -> Manifest:
        """Return what `encoded` gave.

        Raises:
            ArchiveError: it is none, or of a later format.
        """
        try:
            raw: dict[str, Any] = orjson.loads(content)
            if raw["format"] > FORMAT:
                raise ArchiveError(f"the backup has format {raw['format']}, this Switchyard reads up to {FORMAT}")
            told = {"tables": _figures(raw["tables"]), "files": _figures(raw.get("files", {}))}
            return cls(**(raw | told | {"migrations": tuple(raw["migrations"])}))
        except (orjson.JSONDecodeError, AttributeError, KeyError, TypeError, ValueError) as exc:
            raise ArchiveError("this is no Switchyard backup") from exc

    @property
    def rows(self) -> int:
        """All rows of all tables."""
        return sum(each.rows for each in self.tables.values())


def _figures(raw: dict[str, Any]) -> dict[str, Figures]:  # Any: JSON that is read piece by piece
    return {name: Figures(rows=int(each["rows"]), hash=str(each["hash"])) for name, each in raw.items()}


def key_mark(field_key: str) -> str:
    """Return what tells one field key from another and helps nobody to guess it."""
    return hashlib.sha256(b"switchyard backup:" + field_key.encode()).hexdigest()[:16]


def figures(connection: psycopg2.extensions.connection) -> dict[str, Figures]:
    """Return count and hash of every table that the connection's snapshot shows, those of the moment left out."""
    with connection.cursor() as cursor:
        cursor.execute(_TABLES)
        names = [row[0] for row in cursor.fetchall() if row[0] not in PASSING]
        found: dict[str, Figures] = {}
        for name in names:
            cursor.execute(sql.SQL(_FIGURES).format(sql.Identifier(name)))
            row = cursor.fetchone()
            if row is not None:
                found[name] = Figures(rows=int(row[0]), hash=str(row[1]))
    return found


def migrations(connection: psycopg2.extensions.connection) -> tuple[str, ...]:
    """Return the names of the migrations that have run; empty in a database without a schema."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT to_regclass('public.django_migrations')")
        found = cursor.fetchone()
        if found is None or found[0] is None:
            return ()
        cursor.execute("SELECT app || '.' || name FROM django_migrations ORDER BY 1")
        return tuple(row[0] for row in cursor.fetchall())


def unlike(wanted: dict[str, Figures], found: dict[str, Figures]) -> list[str]:
    """Return, for each table that is not as it was, how it differs."""
    told: list[str] = []
    for name in sorted(wanted.keys() | found.keys()):
        before, after = wanted.get(name), found.get(name)
        if before is None or after is None:
            told.append(f"{name}: {'too much' if before is None else 'missing'}")
        elif before.rows != after.rows:
            told.append(f"{name}: {after.rows} rows instead of {before.rows}")
        elif before.hash != after.hash:
            told.append(f"{name}: other contents")
    return told
