"""Change one verified query of a layer, and notice when somebody else did so meanwhile. Pure."""

from __future__ import annotations

import hashlib

from pydantic import ValidationError

from orchestrator.errors import ConflictError, InvalidInputError
from orchestrator.pipeline.semantic.model import SemanticLayer, Verified


def mark(verified: Verified | None) -> str:
    """Return what tells one version of a query from another; of none, nothing."""
    return "" if verified is None else hashlib.sha256(verified.model_dump_json().encode()).hexdigest()


def find(layer: SemanticLayer, name: str) -> Verified | None:
    """Return the verified query of a name."""
    return next((verified for verified in layer.verified if verified.name == name), None)


def with_verified(layer: SemanticLayer, verified: Verified, *, before: str, seen: str) -> SemanticLayer:
    """Return the layer with `verified` in place of the query named `before`, or as a further one when that is empty.

    `seen` is the mark of what the person began with.

    Raises:
        ConflictError: the query is no longer what was seen.
        InvalidInputError: the layer would not hold together; `field` names what is at fault.
    """
    _require_unchanged(layer, before, seen)
    if verified.name != before and find(layer, verified.name) is not None:
        raise InvalidInputError(f"There is a verified query named {verified.name} already.", field="name")
    for hole, slot in verified.slots.items():
        if slot.kind == "value" and slot.dimension not in layer.dimensions:
            raise InvalidInputError(f"Hole {hole}: {slot.dimension or 'nothing'} is no dimension.", field="slots")
    kept = [verified if other.name == before else other for other in layer.verified]
    return _checked(layer, kept if before else [*kept, verified])


def without_verified(layer: SemanticLayer, name: str, *, seen: str) -> SemanticLayer:
    """Return the layer without one verified query.

    Raises:
        ConflictError: it is no longer what was seen.
    """
    _require_unchanged(layer, name, seen)
    return _checked(layer, [other for other in layer.verified if other.name != name])


def _require_unchanged(layer: SemanticLayer, name: str, seen: str) -> None:
    if mark(find(layer, name) if name else None) != seen:
        raise ConflictError("Somebody else has changed this query meanwhile.")


def _checked(layer: SemanticLayer, verified: list[Verified]) -> SemanticLayer:
    try:
        return SemanticLayer.model_validate(layer.model_dump() | {"verified": [each.model_dump() for each in verified]})
    except ValidationError as exc:
        raise InvalidInputError(exc.errors()[0]["msg"]) from exc
