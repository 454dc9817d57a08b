"""The routes that people have given to questions, kept by each worker for a minute; they overrule the router."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import structlog

from orchestrator.errors import StoreDownError
from orchestrator.pipeline.labels import Label
from orchestrator.store.engine import ro
from orchestrator.store.rows import all_rows

#: A changed label is seen after this long, as a changed layer is.
FRESH_S: Final = 60.0
#: Of one tenant, the latest changed first; of so many tenants.
_MOST: Final = 5_000
_TENANTS: Final = 500
_FIND = """
SELECT text, route FROM switchyard_labelled_question
WHERE tenant_id = :tenant ORDER BY updated_at DESC, id DESC LIMIT :most
"""
_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class _Kept:
    routes: Mapping[str, Label]
    read_at_s: float


class LabelledRoutes:
    """Finds a question's label without asking the database each time; thread-safe."""

    def __init__(self, *, fresh_s: float = FRESH_S) -> None:
        self._fresh_s = fresh_s
        self._lock = threading.Lock()
        self._kept: dict[str, _Kept] = {}

    def of(self, tenant: str, text: str) -> Label | None:
        """Return the label of a question, whatever its case, spacing and marks at its ends; None without one.

        A database that is away is no reason to fail: what was read before counts on.
        """
        with self._lock:
            kept = self._kept.get(tenant)
        if kept is None or time.monotonic() - kept.read_at_s >= self._fresh_s:
            kept = self._read(tenant, kept)
        return kept.routes.get(_key(text)) if kept.routes else None

    def _read(self, tenant: str, before: _Kept | None) -> _Kept:
        try:
            rows = all_rows(ro(), _FIND, tenant=tenant, most=_MOST)
            # Backwards, so that of two wordings that are alike here the later one counts.
            routes: Mapping[str, Label] = {_key(row["text"]): row["route"] for row in reversed(rows)}
        except StoreDownError as exc:
            _log.warning("labels unread, the earlier ones count", tenant=tenant, error=str(exc))
            routes = before.routes if before is not None else {}
        kept = _Kept(routes, time.monotonic())
        with self._lock:
            while len(self._kept) >= _TENANTS and tenant not in self._kept:
                del self._kept[next(iter(self._kept))]
            self._kept[tenant] = kept
        return kept


def _key(text: str) -> str:
    return " ".join(text.casefold().split()).strip("¿?¡!. ")
