"""One thread a process: says that it lives, and hears of cancels whose signal was lost."""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Sequence

import structlog

from orchestrator.errors import StoreDownError
from orchestrator.resilience.stop_registry import StopRegistry
from orchestrator.store import claiming, processes
from orchestrator.store.engine import rw

_logger = structlog.get_logger(__name__)


class Heartbeat:
    """Writes the process' row every 2 s from `start` to `stop`."""

    def __init__(
        self, *, incarnation: str, name: str, role: str, queues: Sequence[str], stops: StopRegistry | None = None
    ) -> None:
        self._incarnation = incarnation
        self._name = name
        self._role = role
        self._queues = tuple(queues)
        self._stops = stops
        self._leave = threading.Event()
        self._thread = threading.Thread(target=self._run, name="heartbeat", daemon=True)
        self.draining = False

    def start(self) -> None:
        """Write the first row and begin; a database that is away gets its row when it is back."""
        try:
            self._beat()
        except StoreDownError as exc:
            _logger.warning("heartbeat not written", error=str(exc))
        self._thread.start()

    def stop(self) -> None:
        """End the thread and remove the row: an orderly leave is known at once."""
        self._leave.set()
        if self._thread.is_alive():
            self._thread.join(timeout=processes.BEAT_S * 2)
        try:
            processes.gone(rw(), incarnation=self._incarnation)
        except StoreDownError:
            _logger.info("the row stays; it is dead after a lease")

    def _run(self) -> None:
        while not self._leave.wait(processes.BEAT_S):
            try:
                self._beat()
                self._hear_cancels()
            except StoreDownError as exc:
                _logger.warning("heartbeat not written", error=str(exc))
            except Exception:  # a background loop must survive
                _logger.exception("heartbeat failed")

    def _beat(self) -> None:
        processes.beat(
            rw(),
            incarnation=self._incarnation,
            name=self._name,
            role=self._role,
            host=socket.gethostname(),
            pid=os.getpid(),
            queues=self._queues,
            draining=self.draining,
        )

    def _hear_cancels(self) -> None:
        if self._stops is None:
            return
        for name in claiming.cancel_requested(rw(), self._stops.names()):
            self._stops.stop(name)
