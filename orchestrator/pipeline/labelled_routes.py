"""The routes that people have given to questions; they overrule the router."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from orchestrator.pipeline.labels import Label
from orchestrator.pipeline.remembered import FRESH_S, Remembered
from orchestrator.store.engine import ro
from orchestrator.store.rows import all_rows

#: Of one tenant, the latest changed first.
_MOST: Final = 5_000
_FIND = """
SELECT text, route FROM switchyard_labelled_question
WHERE tenant_id = :tenant ORDER BY updated_at DESC, id DESC LIMIT :most
"""


class LabelledRoutes:
    """Finds a question's label; a changed one is seen within a minute."""

    def __init__(self, *, fresh_s: float = FRESH_S) -> None:
        self._routes: Remembered[Mapping[str, Label]] = Remembered(_labels, nothing={}, fresh_s=fresh_s)

    def of(self, tenant: str, text: str) -> Label | None:
        """Return the label of a question, whatever its case, spacing and marks at its ends; None without one."""
        routes = self._routes.of(tenant)
        return routes.get(_key(text)) if routes else None


def _labels(tenant: str) -> Mapping[str, Label]:
    rows = all_rows(ro(), _FIND, tenant=tenant, most=_MOST)
    # Backwards, so that of two wordings that are alike here the later one counts.
    return {_key(row["text"]): row["route"] for row in reversed(rows)}


def _key(text: str) -> str:
    return " ".join(text.casefold().split()).strip("¿?¡!. ")
