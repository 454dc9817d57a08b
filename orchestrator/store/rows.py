"""How a statement is run: named SQL in, rows with names out, driver errors as ours."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection, Engine, text
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from orchestrator.errors import StoreDownError

#: A row: column name to value; Any because each statement has its own columns.
Row = Mapping[str, Any]


def all_rows(where: Engine | Connection, statement: str, /, **values: object) -> list[Row]:
    """Run one statement and return its rows in the server's order.

    On an `Engine` the statement is a transaction of its own.

    Raises:
        StoreDownError: PostgreSQL does not answer, or no connection came free in 5 s.
    """
    try:
        if isinstance(where, Connection):
            return _run(where, statement, values)
        with where.connect() as connection:
            return _run(connection, statement, values)
    except (OperationalError, InterfaceError, PoolTimeoutError) as exc:
        raise StoreDownError(f"PostgreSQL: {type(exc).__name__}", dependency="database") from exc
    except DBAPIError as exc:
        if exc.connection_invalidated:
            raise StoreDownError("PostgreSQL: connection lost", dependency="database") from exc
        raise


def one_row(where: Engine | Connection, statement: str, /, **values: object) -> Row | None:
    """Run one statement and return its first row, or None.

    Raises:
        StoreDownError: as for `all_rows`.
    """
    rows = all_rows(where, statement, **values)
    return rows[0] if rows else None


def _run(connection: Connection, statement: str, values: Mapping[str, object]) -> list[Row]:
    result = connection.execute(text(statement), values)
    return [dict(row) for row in result.mappings()] if result.returns_rows else []
