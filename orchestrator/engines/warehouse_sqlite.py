"""A customer's SQLite file, opened read-only and behind an authorizer that denies by default.

A fresh connection for each statement: limits, the authorizer and a half-read cursor are then nobody else's.
"""

from __future__ import annotations

import os
import sqlite3
import threading
import time
from collections.abc import Callable, Collection, Iterator
from contextlib import closing, contextmanager
from typing import Final
from urllib.parse import quote

from orchestrator.engines.warehouse import Catalogue, Column, ColumnType, Limits, Reference, Structure, Table
from orchestrator.engines.warehouse_cells import Rows
from orchestrator.errors import (
    DeadlineExceededError,
    DependencyDownError,
    EngineError,
    GuardRefusedError,
    NoAnswerError,
    OrchestratorError,
    StoppedError,
)
from orchestrator.resilience.stop import Stop

_CATALOGUE_TTL_S: Final = 300.0
_BATCH_ROWS: Final = 100
#: Virtual machine steps between two looks at the clock; a few hundred microseconds.
_STEPS: Final = 2_000
_FUNCTIONS: Final = frozenset(
    {
        *("abs", "avg", "ceil", "ceiling", "coalesce", "count", "date", "datetime", "dense_rank", "first_value"),
        *("floor", "glob", "ifnull", "iif", "instr", "julianday", "lag", "last_value", "lead", "length", "like"),
        *("lower", "ltrim", "max", "min", "nullif", "ntile", "percent_rank", "rank", "round", "row_number", "rtrim"),
        *("sign", "sqrt", "strftime", "substr", "substring", "sum", "time", "total", "trim", "unixepoch", "upper"),
    }
)

#: Foreign keys of one column.
_FOREIGN_SQL: Final = """
    select m.name, f."from", f."table", f."to" from sqlite_schema m join pragma_foreign_key_list(m.name) f
     where m.type = 'table'
       and (select count(*) from pragma_foreign_key_list(m.name) g where g.id = f.id) = 1
     order by m.name, f.id desc"""
#: Columns that are a primary key or a unique index by themselves; the primary key last, to win.
_KEYS_SQL: Final = """
    select m.name, (select c.name from pragma_index_info(i.name) c)
      from sqlite_schema m join pragma_index_list(m.name) i
     where m.type = 'table' and i."unique" and not i.partial and i.origin <> 'pk'
       and (select count(*) from pragma_index_info(i.name)) = 1
       and exists (select 1 from pragma_table_info(m.name) t join pragma_index_info(i.name) x on x.name = t.name
                    where t."notnull")
    union all
    select m.name, t.name from sqlite_schema m join pragma_table_info(m.name) t
     where m.type = 'table' and t.pk = 1 and (select count(*) from pragma_table_info(m.name) u where u.pk > 0) = 1"""


class SqliteWarehouse:
    """A SQLite database file. `hidden` holds what nobody may read: `table` or `table.column`."""

    dialect = "sqlite"

    def __init__(self, path: str | os.PathLike[str], *, hidden: Collection[str] = ()) -> None:
        self._path = os.fspath(path)
        self._uri = f"file:{quote(os.fspath(path))}?mode=ro"
        self._hidden = frozenset(name.lower() for name in hidden)
        self._lock = threading.Lock()
        self._catalogue: Catalogue | None = None
        self._read_at_s = 0.0

    def catalogue(self) -> Catalogue:
        """Return the file's tables and views; see the port."""
        with self._lock:
            if self._catalogue is None or time.monotonic() - self._read_at_s > _CATALOGUE_TTL_S:
                self._catalogue, self._read_at_s = self._read_catalogue(), time.monotonic()
            return self._catalogue

    def structure(self) -> Structure:
        """Return what the file declares; see the port."""
        with self._open() as connection:
            try:
                tables = connection.execute("select name, type from sqlite_schema where type in ('table', 'view')")
                views = frozenset(name for name, kind in tables.fetchall() if kind == "view")
                foreign = connection.execute(_FOREIGN_SQL).fetchall()
                keys = [(table, column) for table, column in connection.execute(_KEYS_SQL).fetchall()]
            except sqlite3.Error as exc:
                raise DependencyDownError("the warehouse's catalogue can't be read", dependency="warehouse") from exc
        alone = dict(keys)
        return Structure(
            references=tuple(
                # Without a column, SQLite means the other table's primary key.
                Reference(relation=table, column=column, target=other, target_column=named or alone.get(other, "id"))
                for table, column, other, named in foreign
            ),
            keys=frozenset(keys),
            views=views,
        )

    def run(self, sql: str, *, limits: Limits, stop: Stop) -> Table:
        """Run one guarded statement; see the port."""
        if stop.is_set():
            raise StoppedError("sql")
        readable = frozenset(
            (relation.lower(), column.name.lower())
            for relation, columns in self.catalogue().items()
            for column in columns
        )
        until_s = time.monotonic() + limits.timeout_s
        with self._open() as connection:
            _harden(connection, readable)
            connection.set_progress_handler(lambda: stop.is_set() or time.monotonic() > until_s, _STEPS)
            try:
                with stop.interrupts(connection.interrupt):
                    return _rows(connection, sql, limits, stop)
            except sqlite3.Error as exc:
                raise _translated(exc, limits, stop) from exc

    def close(self) -> None:
        """Do nothing: no connection outlives its statement."""

    @contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        try:
            # The stop interrupts from another thread.
            connection = sqlite3.connect(
                self._uri, uri=True, isolation_level=None, check_same_thread=False, timeout=1.0
            )
        except sqlite3.Error as exc:
            if not os.path.exists(self._path):
                # No file comes back by itself: this is no moment's weakness, which a breaker and a retry are for.
                raise NoAnswerError("the warehouse's file is not there", detail_key="sql.no_file") from exc
            raise DependencyDownError("the warehouse's file can't be opened", dependency="warehouse") from exc
        with closing(connection):
            yield connection

    def _read_catalogue(self) -> Catalogue:
        relations: dict[str, tuple[Column, ...]] = {}
        with self._open() as connection:
            try:
                rows = connection.execute(
                    "select m.name, c.name, c.type from sqlite_schema m join pragma_table_info(m.name) c "
                    "where m.type in ('table', 'view') and m.name not like 'sqlite@_%' escape '@' "
                    "order by m.name, c.cid"
                ).fetchall()
            except sqlite3.Error as exc:
                raise DependencyDownError("the warehouse's catalogue can't be read", dependency="warehouse") from exc
        for relation, column, declared in rows:
            if relation.lower() in self._hidden or f"{relation}.{column}".lower() in self._hidden:
                continue
            relations[relation] = (*relations.get(relation, ()), Column(name=column, type=_column_type(declared)))
        return relations


def _harden(connection: sqlite3.Connection, readable: frozenset[tuple[str, str]]) -> None:
    connection.execute("pragma query_only = on")
    connection.execute("pragma trusted_schema = off")
    connection.execute("pragma cell_size_check = on")
    for limit, value in (
        (sqlite3.SQLITE_LIMIT_LENGTH, 1_000_000),
        (sqlite3.SQLITE_LIMIT_SQL_LENGTH, 50_000),
        (sqlite3.SQLITE_LIMIT_ATTACHED, 0),
        (sqlite3.SQLITE_LIMIT_EXPR_DEPTH, 100),
        (sqlite3.SQLITE_LIMIT_COMPOUND_SELECT, 20),
        (sqlite3.SQLITE_LIMIT_VDBE_OP, 50_000),
        (sqlite3.SQLITE_LIMIT_LIKE_PATTERN_LENGTH, 100),
        (sqlite3.SQLITE_LIMIT_FUNCTION_ARG, 20),
    ):
        connection.setlimit(limit, value)
    connection.set_authorizer(_authorizer(readable))


def _authorizer(
    readable: frozenset[tuple[str, str]],
) -> Callable[[int, str | None, str | None, str | None, str | None], int]:
    # By table and column alone: the fourth argument, the view that reads, is also the name of a common table
    # expression, which an asker chooses.
    relations = frozenset(relation for relation, _ in readable)

    def decide(action: int, first: str | None, second: str | None, _database: str | None, _source: str | None) -> int:
        if action == sqlite3.SQLITE_SELECT:
            return sqlite3.SQLITE_OK
        if action == sqlite3.SQLITE_READ:
            relation, column = (first or "").lower(), (second or "").lower()
            # `count(*)` reads the column without a name.
            allowed = (relation, column) in readable or (column == "" and relation in relations)
            return sqlite3.SQLITE_OK if allowed else sqlite3.SQLITE_DENY
        if action == sqlite3.SQLITE_FUNCTION and (second or "").lower() in _FUNCTIONS:
            return sqlite3.SQLITE_OK
        return sqlite3.SQLITE_DENY

    return decide


def _rows(connection: sqlite3.Connection, sql: str, limits: Limits, stop: Stop) -> Table:
    cursor = connection.execute(sql)
    rows = Rows(limits)
    while not rows.full:
        if stop.is_set():
            raise StoppedError("sql")
        batch = cursor.fetchmany(_BATCH_ROWS)
        rows.add(batch)
        if len(batch) < _BATCH_ROWS:
            break
    return rows.table(rows.inferred([str(item[0]) for item in cursor.description or ()]))


def _translated(exc: sqlite3.Error, limits: Limits, stop: Stop) -> OrchestratorError:
    if stop.is_set():
        return StoppedError("sql")
    match getattr(exc, "sqlite_errorcode", None):
        case sqlite3.SQLITE_INTERRUPT:
            return DeadlineExceededError(f"the statement ran past {limits.timeout_s:g} s", stage="sql")
        case sqlite3.SQLITE_AUTH:
            return GuardRefusedError("the reading role may not do this")
        case sqlite3.SQLITE_CANTOPEN | sqlite3.SQLITE_NOTADB | sqlite3.SQLITE_CORRUPT | sqlite3.SQLITE_IOERR:
            return DependencyDownError("the warehouse's file can't be read", dependency="warehouse")
        case sqlite3.SQLITE_BUSY | sqlite3.SQLITE_LOCKED:
            return EngineError("the warehouse's file is locked", engine="warehouse", transient=True)
    # `no such column: …` quotes the statement only, but other messages quote values.
    return EngineError(f"the statement failed ({getattr(exc, 'sqlite_errorname', 'SQLITE_ERROR')})", engine="warehouse")


def _column_type(declared: str | None) -> ColumnType:
    name = (declared or "").lower()
    for part, kind in _AFFINITIES:
        if part in name:
            return kind
    return "other"


_AFFINITIES: Final[tuple[tuple[str, ColumnType], ...]] = (
    ("bool", "boolean"),
    ("datetime", "datetime"),
    ("timestamp", "datetime"),
    ("date", "date"),
    ("int", "integer"),
    ("char", "text"),
    ("text", "text"),
    ("clob", "text"),
    ("real", "number"),
    ("floa", "number"),
    ("doub", "number"),
    ("num", "number"),
    ("dec", "number"),
)
