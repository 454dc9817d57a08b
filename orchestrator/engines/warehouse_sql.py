"""Customers' databases over a bounded SQLAlchemy pool: PostgreSQL, and MySQL (accepted, never tried against a server).

`open_warehouse` chooses by the address. The pool's connections are autocommitting for the driver: the transaction is
written out here, because what is sent must be exactly a read-only block, one statement, and its rollback.
"""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import Any, Final

import structlog
from django.conf import settings
from sqlalchemy.engine import make_url
from sqlalchemy.exc import SQLAlchemyError

from orchestrator.engines import warehouse_declared as declared
from orchestrator.engines.pg_stop import ended_by
from orchestrator.engines.warehouse import Column, ColumnType, Limits, Table, Warehouse
from orchestrator.engines.warehouse_cells import Rows
from orchestrator.engines.warehouse_codes import POSTGRES_NAMES, POSTGRES_REASONS, POSTGRES_TYPES
from orchestrator.engines.warehouse_pool import BATCH_ROWS, PooledWarehouse, collect
from orchestrator.engines.warehouse_sqlite import SqliteWarehouse
from orchestrator.errors import (
    DeadlineExceededError,
    DependencyDownError,
    EngineError,
    GuardRefusedError,
    InvalidInputError,
    OrchestratorError,
    StoppedError,
)
from orchestrator.resilience.stop import Stop

log = structlog.get_logger(__name__)

#: What an `application_name` may hold; PostgreSQL cuts longer ones.
_PLAIN: Final = re.compile(r"[A-Za-z0-9_:.-]{1,63}")


def open_warehouse(url: str, *, pool_size: int = 2) -> Warehouse:
    """Return the warehouse behind `postgresql://`, `sqlite:///` or `mysql://`; nothing is contacted yet.

    A relative path of SQLite's begins at the data folder, so that tables which lie there move with it.

    Raises:
        InvalidInputError: the address can't be read, or names another kind of database.
    """
    try:
        address = make_url(url)
    except SQLAlchemyError as exc:
        raise InvalidInputError("the database address can't be read", field="url") from exc
    match address.get_backend_name():
        case "postgresql" | "postgres":
            return PostgresWarehouse(address, pool_size=pool_size)
        case "mysql" | "mariadb":
            return MysqlWarehouse(address, pool_size=pool_size)
        case "sqlite" if address.database and address.database != ":memory:":
            return SqliteWarehouse(settings.SWITCHYARD.data_dir / address.database)
    raise InvalidInputError("this kind of database is not supported", field="url")


class PostgresWarehouse(PooledWarehouse):
    """A customer's PostgreSQL, read by a role that may only select."""

    dialect = "postgres"
    #: The server looks for its client while a statement runs: what a killed worker leaves there ends within a second.
    _notices_hang_up = False
    _drivername = "postgresql+psycopg2"
    _connect_args = {
        "connect_timeout": 5,
        "application_name": "switchyard-warehouse",
        "keepalives_idle": 10,
        "keepalives_interval": 5,
        "keepalives_count": 3,
        "tcp_user_timeout": 15_000,
    }
    # DISCARD ALL also undoes a setting, a prepared statement or a LISTEN that came through some hole in the guard.
    _cleanup = ("ROLLBACK", "DISCARD ALL")
    _catalogue_sql = """
        select c.relname, a.attname,
               case when coalesce(b.typtype, t.typtype) = 'e' then 'text' else coalesce(b.typname, t.typname) end
          from pg_class c
          join pg_namespace n on n.oid = c.relnamespace
          join pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
          join pg_type t on t.oid = a.atttypid
          left join pg_type b on b.oid = t.typbasetype
         where c.relkind in ('r', 'v', 'm', 'p') and not c.relispartition
           and n.nspname <> 'information_schema' and n.nspname !~ '^pg_'
           and pg_table_is_visible(c.oid)
           and has_schema_privilege(n.oid, 'usage') and has_column_privilege(c.oid, a.attnum, 'select')
         order by c.relname, a.attnum"""
    _references_sql = declared.POSTGRES_REFERENCES
    _keys_sql = declared.POSTGRES_KEYS
    _views_sql = declared.POSTGRES_VIEWS

    def _on_connect(self, raw: Any, record: object) -> None:
        raw.autocommit = True
        try:
            with raw.cursor() as cursor:
                cursor.execute("SET client_connection_check_interval = 1000")
        except raw.Error:
            # Before PostgreSQL 14, and where its system can't tell: the statement's timeout has to do.
            self._notices_hang_up = False
        else:
            self._notices_hang_up = True

    def _ended_by(self, stop: Stop, raw: Any) -> AbstractContextManager[None]:
        return ended_by(stop, raw)

    def _run(self, raw: Any, sql: str, limits: Limits, stop: Stop) -> Table:
        started_s = time.monotonic()
        timeout_ms = max(1, int(limits.timeout_s * 1000))
        # Whole texts and no parameters: psycopg2 leaves `%` alone only then.
        with raw.cursor() as cursor:
            cursor.execute(
                f"BEGIN READ ONLY; SET LOCAL statement_timeout = {timeout_ms}; SET LOCAL lock_timeout = 1000; "
                f"SET LOCAL idle_in_transaction_session_timeout = {timeout_ms + 5_000}; "
                "SET LOCAL work_mem = '32MB'; SET LOCAL cursor_tuple_fraction = 1; "
                f"SET LOCAL standard_conforming_strings = on{_named(limits.run_as)}"
                + ("; SET LOCAL client_connection_check_interval = 1000" if self._notices_hang_up else "")
            )
            cursor.execute(f"EXPLAIN (FORMAT JSON) {sql}")
            if float(cursor.fetchall()[0][0][0]["Plan"]["Total Cost"]) > limits.cost:
                raise GuardRefusedError("the statement would cost too much")
            if stop.is_set():
                raise StoppedError("sql")
            cursor.execute(f"DECLARE answer NO SCROLL CURSOR FOR {sql}")
            rows = Rows(limits)

            def fetch() -> Sequence[Sequence[Any]]:
                cursor.execute(f"FETCH FORWARD {BATCH_ROWS} FROM answer")
                return list(cursor.fetchall())

            collect(cursor, rows, fetch, limits, stop, started_s)
            description = cursor.description or ()
        columns = tuple(
            Column(name=str(item[0]), type=POSTGRES_TYPES.get(int(item[1]), "other")) for item in description
        )
        return rows.table(columns)

    def _translated(self, exc: Exception, limits: Limits, stop: Stop) -> OrchestratorError:
        if stop.is_set():
            return StoppedError("sql")
        state = str(getattr(exc, "pgcode", None) or "")
        if state in ("57014", "55P03"):
            return DeadlineExceededError(f"the statement ran past {limits.timeout_s:g} s", stage="sql")
        if state in ("42501", "25006"):
            return GuardRefusedError("the reading role may not do this")
        if state[:2] in ("08", "53", "57", "58") or (
            not state and type(exc).__name__ in ("OperationalError", "InterfaceError")
        ):
            return DependencyDownError("the warehouse went away", dependency="warehouse")
        reason = POSTGRES_REASONS.get(state, "the statement failed")
        return EngineError(f"{reason} ({state or type(exc).__name__})", engine="warehouse", transient=state[:2] == "40")

    def _column_type(self, type_name: str) -> ColumnType:
        return POSTGRES_NAMES.get(type_name, "other")


def _named(run_as: str) -> str:
    # Put into the text, so nothing but what our own ids are made of may pass.
    if not _PLAIN.fullmatch(run_as):
        return ""
    return f"; SET LOCAL application_name = '{run_as}'"


class MysqlWarehouse(PooledWarehouse):
    """A customer's MySQL or MariaDB: written from the manual, never run; its driver is not among our dependencies."""

    dialect = "mysql"
    _drivername = "mysql+pymysql"
    _connect_args = {"connect_timeout": 5, "read_timeout": 60, "autocommit": True}
    _cleanup = ("ROLLBACK",)
    _catalogue_sql = (
        "select table_name, column_name, data_type from information_schema.columns "
        "where table_schema = database() order by table_name, ordinal_position"
    )
    _references_sql = declared.MYSQL_REFERENCES
    _keys_sql = declared.MYSQL_KEYS
    _views_sql = declared.MYSQL_VIEWS

    def _on_connect(self, raw: Any, record: object) -> None:
        cursor = raw.cursor()
        cursor.execute("SET SESSION sql_mode = CONCAT(@@sql_mode, ',ANSI_QUOTES,NO_BACKSLASH_ESCAPES')")
        cursor.close()

    def _ended_by(self, stop: Stop, raw: Any) -> AbstractContextManager[None]:
        number = int(raw.thread_id())
        # On a thread: who stops the work must not wait for a connection.
        return stop.interrupts(lambda: threading.Thread(target=self._kill, args=(number,), daemon=True).start())

    def _kill(self, number: int) -> None:
        try:
            with self._connection() as connection:
                cursor = connection.driver_connection.cursor()  # type: ignore[union-attr]  # None only when detached
                cursor.execute(f"KILL QUERY {number}")
                cursor.close()
        except Exception as exc:
            # The server may be gone already; the run notices by itself and is bounded by its timeout.
            log.warning("warehouse.cancel_failed", error=type(exc).__name__)

    def _run(self, raw: Any, sql: str, limits: Limits, stop: Stop) -> Table:
        started_s = time.monotonic()
        cursor = raw.cursor()
        cursor.execute(f"SET SESSION max_execution_time = {max(1, int(limits.timeout_s * 1000))}")
        cursor.execute("START TRANSACTION READ ONLY")
        cursor.execute(sql)
        rows = Rows(limits)
        collect(cursor, rows, lambda: list(cursor.fetchmany(BATCH_ROWS)), limits, stop, started_s)
        columns = rows.inferred(tuple(str(item[0]) for item in cursor.description or ()))
        cursor.close()
        return rows.table(columns)

    def _translated(self, exc: Exception, limits: Limits, stop: Stop) -> OrchestratorError:
        if stop.is_set():
            return StoppedError("sql")
        number = exc.args[0] if exc.args and isinstance(exc.args[0], int) else 0
        match number:
            case 3024 | 1317 | 1205:
                return DeadlineExceededError(f"the statement ran past {limits.timeout_s:g} s", stage="sql")
            case 1142 | 1143 | 1044 | 1792:
                return GuardRefusedError("the reading role may not do this")
            case 2002 | 2003 | 2006 | 2013 | 1040:
                return DependencyDownError("the warehouse went away", dependency="warehouse")
        return EngineError(
            f"the statement failed ({number or type(exc).__name__})", engine="warehouse", transient=number == 1213
        )

    def _column_type(self, type_name: str) -> ColumnType:
        match type_name.lower():
            case "tinyint" | "smallint" | "mediumint" | "int" | "bigint":
                return "integer"
            case "decimal" | "float" | "double":
                return "number"
            case "date":
                return "date"
            case "datetime" | "timestamp":
                return "datetime"
            case "char" | "varchar" | "text" | "enum" | "mediumtext" | "longtext" | "tinytext":
                return "text"
        return "other"
