"""Which hops a turn takes: a pure table from route to hops, and from hop to queue."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from orchestrator.events import Route, StageName

Hop = Literal["classify", "embed", "sql", "rag", "llm"]

QUEUE_OF: Mapping[Hop, str] = {"classify": "gpu", "embed": "gpu", "sql": "sql", "rag": "rag", "llm": "llm"}
#: What users see: `embed` counts as part of `rag`.
STAGE_OF: Mapping[Hop, StageName] = {"classify": "classify", "embed": "rag", "sql": "sql", "rag": "rag", "llm": "llm"}

_AFTER_CLASSIFY: Mapping[Route, tuple[Hop, ...]] = {
    "sql": ("sql", "llm"),
    "rag": ("rag", "llm"),
    "chat": ("llm",),
    "job": (),
}
_FORCED: Mapping[Route, tuple[Hop, ...]] = {
    "sql": ("sql", "llm"),
    # Without `classify` nobody has embedded the question yet.
    "rag": ("embed", "rag", "llm"),
    "chat": ("llm",),
    # Jobs are refused by the classifier's stage until the automation side lands; it costs no forward pass.
    "job": ("classify",),
}


def hops(forced: Route | None) -> tuple[Hop, ...]:
    """Return the hops a turn begins with: `classify`, which plans the rest, or the whole forced route."""
    return ("classify",) if forced is None else _FORCED[forced]


def rest_of(route: Route, *, has_embedding: bool) -> tuple[Hop, ...]:
    """Return the hops after `classify`; without the question's embedding, `rag` needs a hop of its own for it."""
    rest = _AFTER_CLASSIFY[route]
    return ("embed", *rest) if route == "rag" and not has_embedding else rest
