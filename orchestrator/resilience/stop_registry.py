"""What runs in this process, so that a cancel signal finds its stop."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import structlog

from orchestrator.resilience.stop import Stop

_logger = structlog.get_logger(__name__)


class StopRegistry:
    """Stops by the id of the turn or job; thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._stops: dict[str, list[Stop]] = {}
        self._left = False

    @contextmanager
    def running(self, name: str) -> Iterator[Stop]:
        """Give a stop that `stop(name)` and `leave` reach as long as the block runs; set already once they left."""
        stop = Stop()
        with self._lock:
            self._stops.setdefault(name, []).append(stop)
            left = self._left
        if left:
            stop.set(leaving=True)
        try:
            yield stop
        finally:
            with self._lock:
                self._stops[name].remove(stop)
                if not self._stops[name]:
                    del self._stops[name]

    def stop(self, name: str) -> bool:
        """Stop what runs under `name`; return whether anything did."""
        with self._lock:
            stops = list(self._stops.get(name, ()))
        for stop in stops:
            stop.set()
        return bool(stops)

    def leave(self) -> int:
        """Stop everything so that another process goes on with it, also what begins later; return how much ran."""
        with self._lock:
            self._left = True
            stops = [stop for running in self._stops.values() for stop in running]
        for stop in stops:
            try:
                stop.set(leaving=True)
            except Exception:  # one interrupt that fails must not keep the others' work here
                _logger.exception("interrupt failed")
        return len(stops)

    def names(self) -> list[str]:
        """Return what runs now."""
        with self._lock:
            return list(self._stops)
