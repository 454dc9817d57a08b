"""How a statement is run: named SQL in, rows with names out, driver errors as ours."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from sqlalchemy import Connection, Engine, text
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from orchestrator.errors import InvalidInputError, StoreDownError
from orchestrator.store.breaking import guarded

#: A row: column name to value; Any because each statement has its own columns.
Row = Mapping[str, Any]


def all_rows(where: Engine | Connection, statement: str, /, **values: object) -> list[Row]:
    """Run one statement and return its rows in the server's order.

    On an `Engine` the statement is a transaction of its own.

    Raises:
        StoreDownError: PostgreSQL does not answer, did not lately, or no connection came free in 5 s.
        InvalidInputError: a text holds a null character.
    """
    if isinstance(where, Connection):
        with _ours():
            return _run(where, statement, values)
    with guarded(where), _ours(), where.connect() as connection:
        return _run(connection, statement, values)


@contextmanager
def transaction(engine: Engine) -> Iterator[Connection]:
    """Give a connection whose statements are committed together, or not at all.

    Raises:
        StoreDownError: as for `all_rows`.
    """
    # The pool's connections commit each statement; this option lasts until the connection goes back.
    with (
        guarded(engine),
        _ours(),
        engine.connect().execution_options(isolation_level="READ COMMITTED") as connection,
        connection.begin(),
    ):
        yield connection


def one_row(where: Engine | Connection, statement: str, /, **values: object) -> Row | None:
    """Run one statement and return its first row, or None.

    Raises:
        StoreDownError: as for `all_rows`.
    """
    rows = all_rows(where, statement, **values)
    return rows[0] if rows else None


@contextmanager
def _ours() -> Iterator[None]:
    try:
        yield
    except (OperationalError, InterfaceError, PoolTimeoutError) as exc:
        raise StoreDownError(f"PostgreSQL: {type(exc).__name__}", dependency="database") from exc
    except DBAPIError as exc:
        if exc.connection_invalidated:
            raise StoreDownError("PostgreSQL: connection lost", dependency="database") from exc
        raise


def _run(connection: Connection, statement: str, values: Mapping[str, object]) -> list[Row]:
    for name, value in values.items():
        if isinstance(value, str) and "\x00" in value:
            # PostgreSQL can't hold it, and the driver would answer with a bare ValueError.
            raise InvalidInputError("a null character", field=name, detail_key="error.invalid_field")
    result = connection.execute(text(statement), values)
    return [dict(row) for row in result.mappings()] if result.returns_rows else []
