"""One thread a process that sends the text of all running messages every few milliseconds.

Tokens come one by one; a frame each would cost a round trip and a wake-up of
every reader. The first token of a quiet message goes out at once, the rest are
gathered (20 ms of gathering makes a fifth of the frames).
"""

from __future__ import annotations

import threading

import structlog

from orchestrator.log.turn_log import LostTurnError, TurnLog

_logger = structlog.get_logger(__name__)


class Flusher:
    """Flushes dirty logs on a beat; started by the first `mark`, ended by `close`."""

    def __init__(self, every_s: float) -> None:
        self._every_s = every_s
        self._lock = threading.Lock()
        self._dirty: set[TurnLog] = set()
        self._wake = threading.Event()
        self._closed = threading.Event()
        self._thread: threading.Thread | None = None

    def mark(self, log: TurnLog) -> None:
        """Have `log` flushed on the next beat."""
        with self._lock:
            self._dirty.add(log)
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="log-flusher", daemon=True)
                self._thread.start()
        self._wake.set()

    def forget(self, log: TurnLog) -> None:
        """Leave `log` alone from now on; its owner flushes the rest."""
        with self._lock:
            self._dirty.discard(log)

    def close(self) -> None:
        """Stop the thread; what is dirty stays for its owners to flush."""
        self._closed.set()
        self._wake.set()
        if self._thread is not None:
            self._thread.join(timeout=5)

    def _run(self) -> None:
        while not self._closed.is_set():
            self._wake.wait()
            self._wake.clear()
            with self._lock:
                batch, self._dirty = self._dirty, set()
            for log in batch:
                self._flush(log)
            self._closed.wait(self._every_s)

    def _flush(self, log: TurnLog) -> None:
        try:
            if not log.flush():
                self.mark(log)
        except LostTurnError:
            # Remembered in the log: the stage hears of it at its next write.
            _logger.info("turn lost while flushing")
        except Exception:  # a background loop must survive; the stage's own flush meets the same error again
            _logger.exception("flush failed")
