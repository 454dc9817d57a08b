"""Whether a question names a figure of its company: what the router, trained on another one's words, can't know."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from orchestrator.pipeline.remembered import FRESH_S, Remembered
from orchestrator.pipeline.semantic.words import EMPTY, plain, stem
from orchestrator.store.engine import ro
from orchestrator.store.rows import one_row

_FIND = "SELECT layer -> 'measures' AS measures FROM switchyard_warehouse WHERE tenant_id = :tenant"

Names = frozenset[tuple[str, ...]]


class FigureNames:
    """Knows what people call the measures of each company's layer, in both languages."""

    def __init__(self, *, fresh_s: float = FRESH_S) -> None:
        self._names: Remembered[Names] = Remembered(_names, nothing=frozenset(), fresh_s=fresh_s)

    def named_in(self, tenant: str, text: str) -> bool:
        """Return whether some measure's name stands in the question, in any number."""
        names = self._names.of(tenant)
        if not names:
            return False
        stems = _stems(text)
        longest = max(map(len, names))
        spans = (
            stems[start : start + length]
            for start in range(len(stems))
            for length in range(1, min(longest, len(stems) - start) + 1)
        )
        return any(span in names for span in spans)


def _names(tenant: str) -> Names:
    row = one_row(ro(), _FIND, tenant=tenant)
    measures: dict[str, Any] = (row["measures"] if row is not None else None) or {}
    return frozenset(_said(measures.values()))


def _said(measures: Iterable[dict[str, Any]]) -> Iterable[tuple[str, ...]]:
    for measure in measures:
        if measure.get("hidden"):
            continue
        labels = measure.get("labels") or {}
        for phrase in (*labels.get("en", ()), *labels.get("es", ())):
            stems = _stems(phrase)
            if stems and not all(word in EMPTY for word in stems):
                yield stems


def _stems(text: str) -> tuple[str, ...]:
    return tuple(stem(word) for word in plain(text).split())
