"""End what runs in a PostgreSQL server when a stop comes, without making anybody wait for that server."""

from __future__ import annotations

import ctypes
import os
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any, Final

import structlog
from psycopg2 import _psycopg

from orchestrator.resilience.stop import Stop

#: How long the server may take to end a statement that it was told to cancel; then our side hangs up.
PATIENCE_S: Final = 1.0
_logger = structlog.get_logger(__name__)


@contextmanager
def ended_by(stop: Stop, raw: Any) -> Iterator[None]:  # Any: psycopg2's connection, which SQLAlchemy leaves untyped
    """Have the server cancel what `raw` runs if the stop comes inside the block; then throw the connection away.

    The cancel goes out on a thread of its own, so whoever stops the work never waits for the network. When the
    statement has not ended after `PATIENCE_S`, because the server or the way to it is stuck, the connection is cut
    on our side: the caller gets the driver's error for a lost connection.
    """
    statement = _Statement(raw)
    with stop.interrupts(statement.cancel):
        try:
            yield
        finally:
            statement.over()


class _Statement:
    """What runs on one connection; a cancel that comes too late touches nothing."""

    def __init__(self, raw: Any) -> None:
        self._raw = raw
        self._lock = threading.Lock()
        self._over = threading.Event()

    def over(self) -> None:
        with self._lock:
            self._over.set()

    def cancel(self) -> None:
        # Runs under the stop's lock, so the block has not been left and the connection is open.
        key = _Key(self._raw)
        threading.Thread(target=self._end, args=(key,), name="pg-cancel", daemon=True).start()
        threading.Thread(target=self._hang_up, name="pg-hang-up", daemon=True).start()

    def _end(self, key: _Key) -> None:
        if failure := key.send():
            _logger.warning("statement not cancelled", reason=failure)

    def _hang_up(self) -> None:
        if self._over.wait(PATIENCE_S):
            return
        with self._lock:
            # Only while the block runs: after it the number may belong to another socket.
            if self._over.is_set() or self._raw.closed:
                return
            _logger.warning("statement outlives its cancel; hanging up", patience_s=PATIENCE_S)
            with socket.socket(fileno=os.dup(self._raw.fileno())) as ours:
                ours.shutdown(socket.SHUT_RDWR)


class _Key:
    """The right to cancel what one connection runs; good for this connection alone, however late it is used.

    Through libpq itself: psycopg2's own `cancel()` keeps the interpreter's lock while it waits for the server, so one
    server that swallows everything would stop every thread of the process, its heartbeat included (measured: 7.5 s).
    """

    def __init__(self, raw: Any) -> None:
        self._handle = _libpq().PQgetCancel(raw.pgconn_ptr)

    def send(self) -> str:
        """Ask the server to cancel; return why it could not be asked, or nothing."""
        if not self._handle:
            return "the connection is closed"
        said = ctypes.create_string_buffer(256)
        try:
            done = _libpq().PQcancel(self._handle, said, len(said))
        finally:
            _libpq().PQfreeCancel(self._handle)
        return "" if done else said.value.decode(errors="replace").strip()


@cache
def _libpq() -> ctypes.CDLL:
    # The driver's own file: looking a name up in it finds the libpq it was linked with, bundled or the system's.
    library = ctypes.CDLL(_psycopg.__file__)
    library.PQgetCancel.argtypes, library.PQgetCancel.restype = [ctypes.c_void_p], ctypes.c_void_p
    library.PQcancel.argtypes = [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_int]
    library.PQcancel.restype = ctypes.c_int
    library.PQfreeCancel.argtypes, library.PQfreeCancel.restype = [ctypes.c_void_p], None
    return library
