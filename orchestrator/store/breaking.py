"""The breaker of this process before each PostgreSQL it uses: a frozen one costs the others no time.

Only what says that the server is away counts. A statement that ran too long or met a lock was answered; a pool without
a free connection, or a server without a free place, is busy, not away.
"""

from __future__ import annotations

import threading
import weakref
from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import Engine
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from orchestrator.errors import BreakerOpenError, StoreDownError
from orchestrator.resilience.breaker import Permit
from orchestrator.resilience.breaker_local import LocalBreaker, of_store

#: A statement that is out for so long while no other is answered means that the server is frozen or cut off.
SILENT_S = 3.0
_lock = threading.Lock()
_breakers: weakref.WeakKeyDictionary[Engine, LocalBreaker] = weakref.WeakKeyDictionary()


@contextmanager
def guarded(engine: Engine) -> Iterator[None]:
    """Let the block ask the server if its breaker lets it, and take note of how that ended.

    Raises:
        StoreDownError: the server is left alone for a moment; or what the block raised.
    """
    permit = _permit(_breaker(engine))
    try:
        yield
    except BaseException as exc:
        _settle(permit, exc)
        raise
    permit.ok()


def _breaker(engine: Engine) -> LocalBreaker:
    found = _breakers.get(engine)
    if found is None:
        url = engine.url
        name = f"database {url.host or url.query.get('host', 'local')}:{url.port or 5432}/{url.database}"
        with _lock:
            found = _breakers[engine] = of_store(name, dependency="database", silent_s=SILENT_S)
    return found


def _permit(breaker: LocalBreaker) -> Permit:
    try:
        return breaker.enter()
    except BreakerOpenError as exc:
        raise StoreDownError(f"PostgreSQL: {exc}", dependency="database", retry_after_ms=exc.retry_after_ms) from exc


def _settle(permit: Permit, error: BaseException) -> None:
    cause = error.__cause__ if isinstance(error, StoreDownError) else error
    if isinstance(cause, PoolTimeoutError):
        permit.dropped()
    elif isinstance(cause, DBAPIError):
        if is_away(cause):
            permit.failed()
        else:
            permit.ok()
    else:
        permit.dropped()


def is_away(error: DBAPIError) -> bool:
    """Return whether a driver's error says that the server can't be reached or is going away."""
    code = getattr(error.orig, "pgcode", None)
    if code:
        # 08: the connection. 57P: it shuts down, crashed, or starts.
        return str(code).startswith(("08", "57P"))
    return error.connection_invalidated or type(error.orig).__name__ in ("OperationalError", "InterfaceError")
