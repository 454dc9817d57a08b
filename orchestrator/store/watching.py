"""A bound on every wait for PostgreSQL, where the server's own bounds can't help.

`statement_timeout` ends a statement in a server that works. Where the network has
swallowed a connection, or something on the way acknowledges and never answers,
libpq waits for ever, and with it a thread and its place in the pool. So each
process looks once a second for whoever has waited longer than any answer takes,
and shuts the socket below: libpq then reports a lost connection.
"""

from __future__ import annotations

import itertools
import os
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any, ClassVar

import structlog
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.signals import connection_created
from psycopg2.extensions import connection as Connection
from psycopg2.extensions import cursor as Cursor

#: The server ends a statement of the hot paths after 15 s, one of Django's after 30 s.
WAIT_S, ORM_WAIT_S = 17.0, 35.0
_LOOK_S = 1.0

_logger = structlog.get_logger(__name__)


class _Watch:
    """Who waits for an answer, and a thread that looks after them; one in a process."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._numbers = itertools.count()
        self._waiting: dict[int, tuple[float, Connection]] = {}
        self._pid = 0

    def start(self) -> None:
        """Have the thread run in this process; a fork leaves it behind."""
        with self._lock:
            if self._pid == os.getpid():
                return
            self._pid = os.getpid()
            self._waiting.clear()
        threading.Thread(target=self._run, name="store-watch", daemon=True).start()

    @contextmanager
    def over(self, connection: Connection, wait_s: float) -> Iterator[None]:
        """Look after a wait on `connection` until the block ends."""
        number = next(self._numbers)
        with self._lock:
            self._waiting[number] = (time.monotonic() + wait_s, connection)
        try:
            yield
        finally:
            # Not while the watch shuts it: the number of its socket may be another one's the next moment.
            with self._lock:
                self._waiting.pop(number, None)

    def _run(self) -> None:
        while True:
            time.sleep(_LOOK_S)
            with self._lock:
                now = time.monotonic()
                for until, connection in self._waiting.values():
                    if until < now:
                        _shut(connection)


def _shut(connection: Connection) -> None:
    # Closed meanwhile, or shut before: then there is nothing left to do.
    with suppress(OSError, ValueError), socket.socket(fileno=os.dup(connection.fileno())) as below:
        below.shutdown(socket.SHUT_RDWR)
        _logger.warning("connection shut: no answer from the database")


_WATCH = _Watch()


class WatchedCursor(Cursor):
    """A cursor whose statements are waited for only so long."""

    wait_s: ClassVar[float] = WAIT_S

    def execute(self, query: Any, vars: Any = None) -> None:  # Any: as psycopg2 has it
        """Run a statement.

        Raises:
            psycopg2.OperationalError: the server does not answer; or any error of it.
        """
        with _WATCH.over(self.connection, self.wait_s):
            super().execute(query, vars)


class _OrmCursor(WatchedCursor):
    wait_s = ORM_WAIT_S


class WatchedConnection(Connection):
    """A connection whose answers are waited for only so long."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:  # Any: as psycopg2 has it
        super().__init__(*args, **kwargs)
        self.cursor_factory = WatchedCursor
        _WATCH.start()

    def commit(self) -> None:
        """Commit."""
        with _WATCH.over(self, WAIT_S):
            super().commit()

    def rollback(self) -> None:
        """Roll back."""
        with _WATCH.over(self, WAIT_S):
            super().rollback()


def watch_orm() -> None:
    """Have Django's statements of this process watched as well, on every connection that it makes from now on."""
    connection_created.connect(_on_created, dispatch_uid="store-watch")


def _on_created(connection: BaseDatabaseWrapper, **_: object) -> None:
    _WATCH.start()
    connection.connection.cursor_factory = _OrmCursor
