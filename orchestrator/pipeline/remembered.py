"""What a worker knows of each tenant without asking the database for every question."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Final, Generic, TypeVar

import structlog

from orchestrator.errors import StoreDownError

#: A change is seen after this long.
FRESH_S: Final = 60.0
#: Of so many tenants.
_TENANTS: Final = 500
_log = structlog.get_logger(__name__)
T = TypeVar("T")


class Remembered(Generic[T]):
    """One value a tenant, read anew after a minute; thread-safe."""

    def __init__(self, read: Callable[[str], T], *, nothing: T, fresh_s: float = FRESH_S) -> None:
        self._read = read
        self._nothing = nothing
        self._fresh_s = fresh_s
        self._lock = threading.Lock()
        self._kept: dict[str, tuple[T, float]] = {}

    def of(self, tenant: str) -> T:
        """Return a tenant's value.

        A database that is away is no reason to fail: what was read before counts on.
        """
        with self._lock:
            kept = self._kept.get(tenant)
        if kept is not None and time.monotonic() - kept[1] < self._fresh_s:
            return kept[0]
        try:
            value = self._read(tenant)
        except StoreDownError as exc:
            _log.warning("not read, the earlier counts", what=self._read.__name__, tenant=tenant, error=str(exc))
            value = kept[0] if kept is not None else self._nothing
        with self._lock:
            while len(self._kept) >= _TENANTS and tenant not in self._kept:
                del self._kept[next(iter(self._kept))]
            self._kept[tenant] = (value, time.monotonic())
        return value
