"""What runs in this process, so that a cancel signal finds its stop."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from orchestrator.resilience.stop import Stop


class StopRegistry:
    """Stops by the id of the turn or job; thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._stops: dict[str, list[Stop]] = {}

    @contextmanager
    def running(self, name: str) -> Iterator[Stop]:
        """Give a stop that `stop(name)` reaches as long as the block runs."""
        stop = Stop()
        with self._lock:
            self._stops.setdefault(name, []).append(stop)
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

    def names(self) -> list[str]:
        """Return what runs now."""
        with self._lock:
            return list(self._stops)
