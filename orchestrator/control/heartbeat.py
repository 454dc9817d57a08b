"""One thread a process: says that it lives, hears of cancels whose signal was lost, gives up what it does not run."""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Sequence

import structlog

from orchestrator.errors import StoreDownError
from orchestrator.resilience.breaker_local import vital
from orchestrator.resilience.stop_registry import StopRegistry
from orchestrator.store import claiming, processes, recovering
from orchestrator.store.engine import direct

#: A claim whose answer takes longer to arrive is taken for lost.
FORGOTTEN_S = 3.0
_logger = structlog.get_logger(__name__)


class Heartbeat:
    """Writes the process' row every 2 s from `start` to `stop`."""

    def __init__(
        self,
        *,
        incarnation: str,
        name: str,
        role: str,
        queues: Sequence[str],
        slots: int = 0,
        stops: StopRegistry | None = None,
    ) -> None:
        self._incarnation = incarnation
        self._name = name
        self._role = role
        self._queues = tuple(queues)
        self._slots = slots
        self._stops = stops
        self._leave = threading.Event()
        self._thread = threading.Thread(target=self._run, name="heartbeat", daemon=True)
        self.draining = False

    def start(self) -> None:
        """Write the first row and begin; a database that is away gets its row when it is back."""
        try:
            self._beat()
            bury_dead(self._incarnation)
        except StoreDownError as exc:
            _logger.warning("heartbeat not written", error=str(exc))
        self._thread.start()

    def stop(self) -> None:
        """End the thread and remove the row: an orderly leave is known at once."""
        self._leave.set()
        if self._thread.is_alive():
            self._thread.join(timeout=processes.BEAT_S * 2)
        try:
            processes.gone(direct(), incarnation=self._incarnation)
        except StoreDownError:
            _logger.info("the row stays; it is dead after a lease")

    def _run(self) -> None:
        while not self._leave.wait(processes.BEAT_S):
            try:
                self._beat()
                if self._stops is not None:
                    self._look_after(self._stops)
            except StoreDownError as exc:
                _logger.warning("heartbeat not written", error=str(exc))
            except Exception:  # a background loop must survive
                _logger.exception("heartbeat failed")

    def _beat(self) -> None:
        # Over a connection that no stage can hold, and whatever the breaker says: this process' silence would have its
        # stages taken over, and its next success tells all the others that the database is back.
        with vital():
            self._write()

    def _write(self) -> None:
        processes.beat(
            direct(),
            incarnation=self._incarnation,
            name=self._name,
            role=self._role,
            host=socket.gethostname(),
            pid=os.getpid(),
            queues=self._queues,
            slots=self._slots,
            draining=self.draining,
        )

    def _look_after(self, stops: StopRegistry) -> None:
        names = stops.names()
        for name in claiming.cancel_requested(direct(), names):
            stops.stop(name)
        forgotten = recovering.hand_back_forgotten(direct(), owner=self._incarnation, known=names, grace_s=FORGOTTEN_S)
        if forgotten:
            _logger.warning("handed back what nobody here works on", names=forgotten)


def bury_dead(mine: str) -> int:
    """Remove the rows of this host's processes that no longer run, and return how many.

    Whoever is started in place of a killed worker so ends its leases before they run out by themselves. A number that
    the system has given to another process since, or a process that is only frozen, keeps its row until the lease ends.

    Raises:
        StoreDownError: PostgreSQL does not answer.
    """
    dead = [
        row["incarnation"]
        for row in processes.of_host(direct(), socket.gethostname())
        # In a container that was started again, the dead one's number may be mine.
        if row["incarnation"] != mine and (row["pid"] == os.getpid() or not _runs(row["pid"]))
    ]
    for incarnation in dead:
        processes.gone(direct(), incarnation=incarnation)
    return len(dead)


def _runs(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
