"""A warehouse behind a breaker: while the company's database is down, a stage says so in milliseconds."""

from __future__ import annotations

import threading
import time
from dataclasses import replace

from orchestrator.engines.warehouse import Catalogue, Limits, Structure, Table, Warehouse
from orchestrator.errors import StoppedError
from orchestrator.resilience.breaker import Breaker, settle
from orchestrator.resilience.deadline import Deadline
from orchestrator.resilience.stop import Stop

#: How long the catalogue is kept here, without asking the breaker.
_CATALOGUE_S = 300.0


class GuardedWarehouse:
    """Asks the breaker before each statement, and before the catalogue is read anew."""

    def __init__(self, warehouse: Warehouse, breaker: Breaker) -> None:
        self.dialect = warehouse.dialect
        self._warehouse = warehouse
        self._breaker = breaker
        self._lock = threading.Lock()
        self._catalogue: Catalogue | None = None
        self._read_at_s = 0.0

    def catalogue(self) -> Catalogue:
        """Return what the role may read; see the port.

        Raises:
            BreakerOpenError: the server failed too often lately; it was not asked.
        """
        with self._lock:
            kept, read_at_s = self._catalogue, self._read_at_s
        if kept is not None and time.monotonic() - read_at_s < _CATALOGUE_S:
            return kept
        permit = self._breaker.enter()
        try:
            found = self._warehouse.catalogue()
        except BaseException as exc:
            settle(permit, exc)
            raise
        # An engine may have shown what it remembers: no word about the server.
        permit.dropped()
        with self._lock:
            self._catalogue, self._read_at_s = found, time.monotonic()
        return found

    def structure(self) -> Structure:
        """Return what is declared about the relations; see the port.

        Raises:
            BreakerOpenError: as `catalogue`.
        """
        permit = self._breaker.enter()
        try:
            found = self._warehouse.structure()
        except BaseException as exc:
            settle(permit, exc)
            raise
        permit.ok()
        return found

    def run(self, sql: str, *, limits: Limits, stop: Stop) -> Table:
        """Run guarded SQL; see the port.

        Raises:
            BreakerOpenError: as `catalogue`.
        """
        deadline = Deadline.after_ms(int(limits.timeout_s * 1000))
        with self._breaker.call(deadline, stop, stopped=StoppedError("sql")):
            left = replace(limits, timeout_s=max(0.1, min(limits.timeout_s, deadline.remaining_s())))
            return self._warehouse.run(sql, limits=left, stop=stop)

    def close(self) -> None:
        """Close idle connections; see the port."""
        self._warehouse.close()
