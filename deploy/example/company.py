"""Build the example company's database: schema, rows, views and one read-only role per tenant."""

from collections.abc import Iterable, Mapping, Sequence
from contextlib import closing
from datetime import date, timedelta
from importlib.resources import files
from io import StringIO
from typing import Final, get_args

import psycopg2
import structlog
from psycopg2 import sql
from psycopg2.extensions import connection as Connection

from deploy.example.day import Row, Value
from deploy.example.generate import COLUMNS, WINDOW_DAYS, Size, generate
from deploy.example.readers import ensure_readers, grant_views
from deploy.example.views import TENANTS, view_statements

_log = structlog.get_logger(__name__)

#: Raised whenever the schema, the views, the rights or the generator change, so that an older database is built anew.
BUILD_VERSION: Final = 1

#: Any number that no other advisory lock of the cluster uses.
_BUILD_LOCK: Final = 0x5357_4558


class CompanyBuildError(Exception):
    """The example company can't be built with the rights of this role; the message names the statements to run."""


def build(
    admin_dsn: str,
    *,
    database: str,
    reader_passwords: Mapping[str, str],
    today: date,
    size: str,
    seed: int,
) -> None:
    """Bring the example company in `database` to the state of `today`; do nothing when it is there already.

    Creates the database and the reader roles when they are missing, and loads both tenants anew when the day, the
    size, the seed or the version differs; readers see the old rows until the new ones are committed. Two calls at
    once wait for each other. Roles belong to the whole server: a second database there shares them and their passwords.

    Args:
        admin_dsn: libpq DSN or URI of a role that may create databases; the database it names must exist.
        database: name of the example's own database.
        reader_passwords: tenant -> password of its reader role; every tenant must have one.
        today: the first day without rows.
        size: "small" (20,000 order lines), "medium" (150,000) or "large" (1,000,000).
        seed: the same seed and day give the same rows.

    Raises:
        CompanyBuildError: the role may not create the database or the reader roles.
        ValueError: unknown size, or a tenant without a password.
    """
    chosen: Size | None = next((known for known in get_args(Size) if known == size), None)
    if chosen is None:
        raise ValueError(f"size must be one of {', '.join(get_args(Size))}, not {size!r}")
    if missing := set(TENANTS) - set(reader_passwords):
        raise ValueError(f"no reader password for {', '.join(sorted(missing))}")
    with closing(psycopg2.connect(admin_dsn)) as server:
        server.autocommit = True
        _execute(server, "select pg_advisory_lock(%s)", (_BUILD_LOCK,))
        _ensure_database(server, database)
        with closing(psycopg2.connect(admin_dsn, dbname=database)) as target:
            # Passwords may change while the rows stay, so the roles are looked at in every call.
            ensure_readers(target, database, reader_passwords, error=CompanyBuildError)
            wanted = [
                (today - timedelta(days=WINDOW_DAYS), today - timedelta(days=1), chosen, seed, BUILD_VERSION)
            ] * len(TENANTS)
            if _state(target) == wanted:
                target.commit()
                return
            _log.info("example_company_loading", database=database, size=size, last_day=str(wanted[0][1]))
            if _version(target) != BUILD_VERSION:
                _execute(target, "drop schema if exists app cascade")
                _execute(target, (files(__package__) / "schema.sql").read_text("utf-8"))
                for tenant in TENANTS:
                    for statement in view_statements(tenant):
                        _execute(target, statement)
                grant_views(target, database)
            _load(target, generate(seed, today, chosen))
            for tenant, row in zip(TENANTS, wanted, strict=True):
                _execute(target, "insert into app.company_build values (%s, %s, %s, %s, %s, %s)", (tenant, *row))
            target.commit()
            target.autocommit = True
            _execute(target, "vacuum (analyze)")
            _log.info("example_company_loaded", database=database)


def _ensure_database(server: Connection, database: str) -> None:
    with server.cursor() as cursor:
        cursor.execute("select 1 from pg_database where datname = %s", (database,))
        if cursor.fetchone() is not None:
            return
        statement = sql.SQL("create database {}").format(sql.Identifier(database))
        try:
            cursor.execute(statement)
        except psycopg2.errors.InsufficientPrivilege as exc:
            raise CompanyBuildError(
                f"this role may not create databases; run as one who may: {statement.as_string(server)}"
            ) from exc


def _version(target: Connection) -> int | None:
    """Return the version the schema was made by, or None without one."""
    with target.cursor() as cursor:
        cursor.execute("select to_regclass('app.company_build')")
        if cursor.fetchone() == (None,):
            return None
        cursor.execute("select min(version) from app.company_build")
        found = cursor.fetchone()
        return None if found is None else found[0]


def _state(target: Connection) -> list[tuple[date, date, str, int, int]]:
    if _version(target) is None:
        return []
    with target.cursor() as cursor:
        cursor.execute(
            "select first_day, last_day, size, seed, version from app.company_build order by tenant",
        )
        return cursor.fetchall()


def _load(target: Connection, tables: Mapping[str, Sequence[Row]]) -> None:
    # DELETE, not TRUNCATE: readers keep the old rows till the commit instead of waiting behind a lock.
    for table in ("company_build", *reversed(list(COLUMNS))):
        _execute(target, sql.SQL("delete from app.{}").format(sql.Identifier(table)))
    for table, columns in COLUMNS.items():
        statement = sql.SQL("copy app.{} ({}) from stdin").format(
            sql.Identifier(table), sql.SQL(", ").join(map(sql.Identifier, columns))
        )
        with target.cursor() as cursor:
            cursor.copy_expert(statement, StringIO(_copy_text(tables[table])))


def _copy_text(rows: Iterable[Row]) -> str:
    """Return rows in COPY's text format; no value of the generator holds a tab, a newline or a backslash."""
    return "".join("\t".join(map(_copy_value, row)) + "\n" for row in rows)


def _copy_value(value: Value) -> str:
    return r"\N" if value is None else str(value)


def _execute(target: Connection, statement: str | sql.Composable, values: Sequence[object] | None = None) -> None:
    with target.cursor() as cursor:
        cursor.execute(statement, values)
