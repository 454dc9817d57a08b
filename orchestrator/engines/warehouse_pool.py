"""What every pooled warehouse does alike: its connections, the catalogue's memory, the order of a run."""

from __future__ import annotations

import threading
import time
from abc import ABC, abstractmethod
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from typing import Any, ClassVar, Final, Protocol

import structlog
from sqlalchemy import create_engine, event
from sqlalchemy.engine import URL, Engine
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.pool import PoolProxiedConnection, QueuePool

from orchestrator.engines.warehouse import Catalogue, Column, ColumnType, Limits, Reference, Structure, Table
from orchestrator.engines.warehouse_cells import Rows
from orchestrator.errors import (
    DeadlineExceededError,
    DependencyDownError,
    OrchestratorError,
    SilentError,
    StoppedError,
)
from orchestrator.resilience.bounded import bounded
from orchestrator.resilience.stop import Stop

log = structlog.get_logger(__name__)

#: How long the catalogue is believed.
CATALOGUE_TTL_S: Final = 300.0
#: How long reading it may take, and how soon it is tried again while an older one is still there.
_CATALOGUE_S: Final = 5.0
_CATALOGUE_AGAIN_S: Final = 30.0
#: Rows of one round trip; small, so that the cap on bytes is met before memory is.
BATCH_ROWS: Final = 100
#: How much later than the server we give up a statement that ran past its limit.
_SERVER_FIRST_S: Final = 0.3
#: How long a statement that nobody waits for any more may still wait for a free connection.
_FREE_S: Final = 60.0


class Cursor(Protocol):
    """What is used of a DB-API cursor."""

    description: Sequence[Sequence[Any]] | None

    def execute(self, operation: str) -> object:
        """Send one text."""

    def fetchmany(self, size: int) -> Sequence[Sequence[Any]]:
        """Return at most `size` rows."""

    def fetchall(self) -> Sequence[Sequence[Any]]:
        """Return all rows."""


class PooledWarehouse(ABC):
    """What PostgreSQL and MySQL share: the pool, the catalogue's memory, the order of a run."""

    dialect: str
    _connect_args: ClassVar[Mapping[str, object]]
    _drivername: ClassVar[str]
    _catalogue_sql: ClassVar[str]
    #: Rows (relation, column, target, its column) of foreign keys of one column.
    _references_sql: ClassVar[str]
    #: Rows (relation, column) of what is unique by itself.
    _keys_sql: ClassVar[str]
    #: Rows (relation) of views.
    _views_sql: ClassVar[str]

    def __init__(self, url: URL, *, pool_size: int) -> None:
        self._engine: Engine = create_engine(
            url.set(drivername=self._drivername),
            poolclass=QueuePool,
            pool_size=pool_size,
            max_overflow=0,
            # Whoever waits has a limit of their own.
            pool_timeout=_FREE_S,
            pool_pre_ping=True,
            pool_recycle=600,
            connect_args=dict(self._connect_args),
            hide_parameters=True,
        )
        event.listen(self._engine, "connect", self._on_connect)
        self._lock = threading.Lock()
        self._catalogue: Catalogue | None = None
        self._read_at_s = 0.0
        #: When the server last said anything, if only that a statement was wrong or ran too long.
        self._answered_at_s = 0.0

    def catalogue(self) -> Catalogue:
        """Return what the role may read; see the port."""
        with self._lock:
            if self._catalogue is None or time.monotonic() - self._read_at_s > CATALOGUE_TTL_S:
                self._renew()
            return self._catalogue or {}

    def structure(self) -> Structure:
        """Return what is declared about the relations; see the port."""
        try:
            return bounded(
                lambda _: self._read_structure(), stop=Stop(), limit_s=_CATALOGUE_S, name="warehouse-structure"
            )
        except TimeoutError as exc:
            raise DependencyDownError("the warehouse's catalogue can't be read", dependency="warehouse") from exc

    def _read_structure(self) -> Structure:
        with self._connection() as connection:
            try:
                cursor = connection.driver_connection.cursor()  # type: ignore[union-attr]  # None only when detached
                found = []
                for sql in (self._references_sql, self._keys_sql, self._views_sql):
                    cursor.execute(sql)
                    found.append([[str(cell) for cell in row] for row in cursor.fetchall()])
                cursor.close()
            except Exception as exc:
                raise DependencyDownError("the warehouse's catalogue can't be read", dependency="warehouse") from exc
        references, keys, views = found
        return Structure(
            references=tuple(
                Reference(relation=relation, column=column, target=target, target_column=other)
                for relation, column, target, other in references
            ),
            keys=frozenset((relation, column) for relation, column in keys),
            views=frozenset(name for (name,) in views),
        )

    def _renew(self) -> None:
        try:
            self._catalogue = bounded(
                lambda _: self._read_catalogue(), stop=Stop(), limit_s=_CATALOGUE_S, name="warehouse-catalogue"
            )
            self._read_at_s = time.monotonic()
        except (TimeoutError, DependencyDownError) as exc:
            if self._catalogue is None:
                raise DependencyDownError("the warehouse's catalogue can't be read", dependency="warehouse") from exc
            # Every connection may be busy with long statements; the role itself still refuses what it may not read.
            log.warning("warehouse.catalogue_kept", reason=str(exc))
            self._read_at_s = time.monotonic() - CATALOGUE_TTL_S + _CATALOGUE_AGAIN_S

    def run(self, sql: str, *, limits: Limits, stop: Stop) -> Table:
        """Run one guarded statement; see the port.

        On a thread of its own: a pool without a free connection, a connect, and a server that went silent can't be
        interrupted, and neither a stop nor the limit may wait for them.
        """
        if stop.is_set():
            raise StoppedError("sql")
        began_s, connected = time.monotonic(), threading.Event()
        until_s = began_s + limits.timeout_s
        try:
            return bounded(
                lambda inner: self._whole(sql, limits, until_s, connected, inner),
                stop=stop,
                worth_waiting=connected.is_set,
                # The server's own timeout comes first, and says better what happened.
                limit_s=limits.timeout_s + _SERVER_FIRST_S,
                name="warehouse",
            )
        except (TimeoutError, StoppedError) as exc:
            if stop.is_set():
                raise StoppedError("sql") from None
            if self._answered_at_s < began_s:
                # Neither its own timeout nor a cancel came back, to nobody: it is frozen or cut off, not busy.
                message = f"the warehouse said nothing for {limits.timeout_s:g} s"
                raise SilentError(message, dependency="warehouse", stage="sql") from None
            raise DeadlineExceededError(
                f"the warehouse gave no answer within {limits.timeout_s:g} s", stage="sql"
            ) from exc

    def _whole(self, sql: str, limits: Limits, until_s: float, connected: threading.Event, stop: Stop) -> Table:
        with self._connection() as connection:
            connected.set()
            if stop.is_set():
                raise StoppedError("sql")
            left = replace(limits, timeout_s=max(0.001, until_s - time.monotonic()))
            raw = connection.driver_connection
            try:
                with self._ended_by(stop, raw):
                    table = self._run(raw, sql, left, stop)
            except OrchestratorError:
                self._answered_at_s = time.monotonic()
                raise
            except Exception as exc:
                # Every driver has its own tree of errors; what is not understood must still come out without data.
                error = self._translated(exc, limits, stop)
                # After a stop our own end may have hung up; any other error is the server's word.
                if not isinstance(error, DependencyDownError | StoppedError) or getattr(exc, "pgcode", None):
                    self._answered_at_s = time.monotonic()
                raise error from exc
            else:
                self._answered_at_s = time.monotonic()
                return table
            finally:
                self._give_back(connection, stop)

    def close(self) -> None:
        """Close the pool's idle connections."""
        self._engine.dispose()

    @contextmanager
    def _connection(self) -> Iterator[PoolProxiedConnection]:
        try:
            connection = self._engine.raw_connection()
        except PoolTimeoutError as exc:
            raise DependencyDownError("every connection to the warehouse is in use", dependency="warehouse") from exc
        except Exception as exc:
            # The driver's message holds the address.
            raise DependencyDownError("the warehouse does not take a connection", dependency="warehouse") from exc
        try:
            yield connection
        finally:
            connection.close()

    def _give_back(self, connection: PoolProxiedConnection, stop: Stop) -> None:
        if stop.is_set():
            # A cancel may still be on its way; it must not hit the next statement of this connection.
            connection.invalidate()
            return
        try:
            cursor = connection.driver_connection.cursor()  # type: ignore[union-attr]  # None only when detached
            for statement in self._cleanup:
                cursor.execute(statement)
            cursor.close()
        except Exception as exc:
            log.info("warehouse.connection_dropped", error=type(exc).__name__)
            connection.invalidate()

    def _read_catalogue(self) -> Catalogue:
        relations: defaultdict[str, list[Column]] = defaultdict(list)
        with self._connection() as connection:
            try:
                cursor = connection.driver_connection.cursor()  # type: ignore[union-attr]  # None only when detached
                cursor.execute(self._catalogue_sql)
                for relation, column, type_name in cursor.fetchall():
                    relations[str(relation)].append(Column(name=str(column), type=self._column_type(str(type_name))))
                cursor.close()
            except Exception as exc:
                raise DependencyDownError("the warehouse's catalogue can't be read", dependency="warehouse") from exc
        return {relation: tuple(columns) for relation, columns in relations.items()}

    _cleanup: ClassVar[tuple[str, ...]]

    @abstractmethod
    def _on_connect(self, raw: Any, record: object) -> None: ...

    @abstractmethod
    def _ended_by(self, stop: Stop, raw: Any) -> AbstractContextManager[None]: ...

    @abstractmethod
    def _run(self, raw: Any, sql: str, limits: Limits, stop: Stop) -> Table: ...

    @abstractmethod
    def _translated(self, exc: Exception, limits: Limits, stop: Stop) -> OrchestratorError: ...

    @abstractmethod
    def _column_type(self, type_name: str) -> ColumnType: ...


def collect(
    cursor: Cursor,
    rows: Rows,
    fetch: Callable[[], Sequence[Sequence[Any]]],
    limits: Limits,
    stop: Stop,
    started_s: float,
) -> None:
    """Fetch until the end or a cap; `fetch` gives at most `BATCH_ROWS` rows.

    Raises:
        StoppedError: the stop came.
        DeadlineExceededError: the limit passed.
    """
    while not rows.full:
        if stop.is_set():
            raise StoppedError("sql")
        if time.monotonic() - started_s > limits.timeout_s:
            raise DeadlineExceededError(f"the statement ran past {limits.timeout_s:g} s", stage="sql")
        batch = fetch()
        rows.add(batch)
        if len(batch) < BATCH_ROWS:
            return
