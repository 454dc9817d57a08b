"""Each tenant's own database, found by its row and kept open for a minute."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from orchestrator.engines.warehouse import Warehouse
from orchestrator.engines.warehouse_sql import open_warehouse
from orchestrator.pipeline.semantic.model import SemanticLayer
from orchestrator.store.engine import rw
from orchestrator.store.rows import one_row
from orchestrator.tenants.sealing import unseal

#: A changed connection or layer is seen after this long.
FRESH_S = 60.0
_FIND = "SELECT url_encrypted, layer, updated_at FROM switchyard_warehouse WHERE tenant_id = :tenant"


@dataclass(frozen=True, slots=True, kw_only=True)
class Connected:
    """A tenant's warehouse and what its columns mean."""

    warehouse: Warehouse
    layer: SemanticLayer


@dataclass(slots=True)
class _Kept:
    connected: Connected
    version: object
    checked_at_s: float


class Warehouses:
    """Opens warehouses at first use and again when their row changes; thread-safe."""

    def __init__(
        self, *, fresh_s: float = FRESH_S, guard: Callable[[str, Warehouse], Warehouse] = lambda _, opened: opened
    ) -> None:
        """Keep warehouses; `guard` puts something before each, by its tenant."""
        self._fresh_s = fresh_s
        self._guard = guard
        self._lock = threading.Lock()
        self._kept: dict[str, _Kept] = {}

    def of(self, tenant: str) -> Connected | None:
        """Return the tenant's warehouse, or None when none is connected.

        Raises:
            StoreDownError: the row can't be read.
        """
        with self._lock:
            kept = self._kept.get(tenant)
            if kept is not None and time.monotonic() - kept.checked_at_s < self._fresh_s:
                return kept.connected
        row = one_row(rw(), _FIND, tenant=tenant)
        with self._lock:
            if row is None:
                left = self._kept.pop(tenant, None)
                if left is not None:
                    left.connected.warehouse.close()
                return None
            kept = self._kept.get(tenant)
            if kept is None or kept.version != row["updated_at"]:
                if kept is not None:
                    kept.connected.warehouse.close()
                url = unseal(bytes(row["url_encrypted"]))
                connected = Connected(
                    warehouse=self._guard(tenant, open_warehouse(url)),
                    layer=SemanticLayer.model_validate(row["layer"]),
                )
                kept = _Kept(connected, row["updated_at"], 0.0)
                self._kept[tenant] = kept
            kept.checked_at_s = time.monotonic()
            return kept.connected
