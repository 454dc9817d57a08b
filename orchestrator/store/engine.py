"""This process' pools to the platform's database, made at first use (after any fork)."""

from __future__ import annotations

import re
import select
import threading
import time
from typing import Any

import orjson
from django.conf import settings
from sqlalchemy import Engine, create_engine, event
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import InvalidatePoolError
from sqlalchemy.pool import ConnectionPoolEntry

from orchestrator.store.watching import WatchedConnection

#: An escaped null character, and no escaped backslash before the same letters.
_NULL = re.compile(r"(?<!\\)((?:\\\\)*)\\u0000")
#: After so long a rest a connection is asked whether it lives: a firewall may have dropped it without a word.
REST_S = 60.0
_lock = threading.Lock()
_engines: dict[str, Engine] = {}


def rw() -> Engine:
    """Return the pool that hot paths write through, bounded by `SWITCHYARD_DATABASE_POOL`."""
    return _engine("rw", settings.SWITCHYARD.database_url.get_secret_value(), settings.SWITCHYARD.database_pool)


def ro() -> Engine:
    """Return the pool for reads that may lag: the replica's where one is set, else `rw`'s."""
    url = settings.SWITCHYARD.database_read_url.get_secret_value()
    return _engine("ro", url, settings.SWITCHYARD.database_pool) if url else rw()


def direct() -> Engine:
    """Return a pool of two that never goes through a pooler: for the leader's lock and for LISTEN."""
    environment = settings.SWITCHYARD
    url = environment.database_direct_url.get_secret_value() or environment.database_url.get_secret_value()
    return _engine("direct", url, 2)


def close() -> None:
    """Give every connection back; the next use opens new pools."""
    with _lock:
        for engine in _engines.values():
            engine.dispose()
        _engines.clear()


def psycopg2_url(url: str) -> URL:
    """Return the address with the driver we use, whatever alias of the scheme it came with."""
    return make_url(url.replace("postgres://", "postgresql://", 1)).set(drivername="postgresql+psycopg2")


def _engine(name: str, url: str, size: int) -> Engine:
    # A test may point the settings at another server: the address is part of the key.
    key = f"{name} {url}"
    with _lock:
        if key not in _engines:
            made = _engines[key] = create_engine(
                psycopg2_url(url),
                pool_size=size,
                max_overflow=0,
                pool_timeout=5,
                pool_recycle=300,
                # Most statements are alone in their transaction; those that are not say `begin()`.
                isolation_level="AUTOCOMMIT",
                json_serializer=_dump,
                json_deserializer=orjson.loads,
                connect_args={
                    "connection_factory": WatchedConnection,
                    "connect_timeout": 5,
                    "application_name": f"switchyard-{name}",
                    "options": "-c statement_timeout=15000 -c lock_timeout=5000",
                    # A network that swallows everything is noticed, whatever the kernel's own patience.
                    "tcp_user_timeout": 20_000,
                    "keepalives_idle": 10,
                    "keepalives_interval": 5,
                    "keepalives_count": 3,
                },
            )
            event.listen(made, "checkin", _rest)
            event.listen(made, "checkout", _require_alive)
        return _engines[key]


def _rest(_connection: Any, entry: ConnectionPoolEntry) -> None:
    entry.info["resting_since_s"] = time.monotonic()


def _require_alive(connection: Any, entry: ConnectionPoolEntry, _proxy: object) -> None:
    """Have a connection that died at rest replaced before a statement is lost on it.

    The pool's own `pre_ping` doubles the round trips of every statement. A server that ended, or ended us, has left
    something to read: only then, and after a long rest, it is asked.
    """
    rested_s = time.monotonic() - entry.info.get("resting_since_s", time.monotonic())
    if rested_s <= REST_S and not connection.closed and not _readable(connection):
        return
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
    except connection.Error as exc:
        raise InvalidatePoolError("a connection died at rest") from exc


def _readable(connection: Any) -> bool:
    poll = select.poll()  # `select.select` can't take the numbers above 1,023 that a gateway's sockets reach
    poll.register(connection.fileno(), select.POLLIN)
    return bool(poll.poll(0))


def _dump(value: Any) -> str:  # Any: whatever SQLAlchemy is asked to store as JSON
    return orjson.dumps(value).decode()


def json_text(value: object) -> str:
    """Return `value` as JSON text for a `CAST(:x AS jsonb)`, without null characters, which jsonb can't hold."""
    text = orjson.dumps(value).decode()
    return _NULL.sub(r"\1", text) if r"\u0000" in text else text
