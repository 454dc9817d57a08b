"""A stop that reaches the bottom: one object from the cancel signal down to the statement or stream it ends."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager


class Stop:
    """A one-way switch that runs what was registered with it, from any thread.

    An engine registers how to interrupt itself (cancel the statement, close the
    stream) for as long as it may block; it also polls `is_set` between steps.
    """

    def __init__(self) -> None:
        self._event = threading.Event()
        self._lock = threading.Lock()
        self._callbacks: dict[int, Callable[[], None]] = {}
        self._next = 0
        self._leaving = False

    @property
    def leaving(self) -> bool:
        """Whether the process leaves and somebody else should go on; False when a user's stop came first."""
        return self._leaving

    def is_set(self) -> bool:
        """Return whether the work should end."""
        return self._event.is_set()

    def set(self, *, leaving: bool = False) -> None:
        """Switch on and run the registered interrupts once; a second call does nothing, whoever makes it."""
        with self._lock:
            if self._event.is_set():
                return
            self._leaving = leaving
            self._event.set()
            callbacks = list(self._callbacks.values())
            # Under the lock: an engine that leaves `interrupts` meanwhile waits here, so that its connection
            # can't go back to a pool while a cancel for it is still under way.
            for callback in callbacks:
                callback()

    def wait(self, timeout_s: float) -> bool:
        """Block until the stop is set or `timeout_s` passed; return whether it is set."""
        return self._event.wait(timeout_s)

    @contextmanager
    def interrupts(self, callback: Callable[[], None]) -> Iterator[None]:
        """Run `callback` if the stop comes inside the block, or at once if it came before.

        `callback` must not raise and must not block for long.
        """
        with self._lock:
            key, self._next = self._next, self._next + 1
            self._callbacks[key] = callback
            already = self._event.is_set()
        if already:
            callback()
        try:
            yield
        finally:
            with self._lock:
                del self._callbacks[key]
