"""A warehouse's semantic layer: in its row, held against a second writer, and as text."""

from __future__ import annotations

import yaml
from django.forms import ValidationError as Refused
from pydantic import ValidationError

from orchestrator.pipeline.semantic.model import SemanticLayer
from orchestrator.tenants.models import Warehouse


class UnreadableError(Exception):
    """The layer is of another version, or damaged."""


def read(warehouse: Warehouse) -> SemanticLayer:
    """Return the layer.

    Raises:
        UnreadableError: the row holds none that this version knows.
    """
    try:
        return SemanticLayer.model_validate(warehouse.layer)
    except ValidationError as exc:
        raise UnreadableError from exc


def locked(warehouse: Warehouse) -> tuple[Warehouse, SemanticLayer]:
    """Return the row and its layer as they are now, held until the transaction ends.

    Raises:
        UnreadableError: as `read`.
    """
    row = Warehouse.objects.select_for_update().get(pk=warehouse.pk)
    return row, read(row)


def write(row: Warehouse, layer: SemanticLayer) -> None:
    """Keep a layer; workers see it within a minute."""
    row.layer = layer.model_dump(mode="json")
    row.save(update_fields=["layer", "updated_at"])


def as_text(row: Warehouse) -> str:
    """Return the layer as YAML, without what it leaves to the defaults; one of another version as it is."""
    try:
        shown = read(row).model_dump(mode="json", exclude_defaults=True)
    except UnreadableError:
        shown = row.layer
    return yaml.safe_dump(shown, allow_unicode=True, sort_keys=False, width=120)


def of_text(text: str) -> SemanticLayer:
    """Return the layer that a text holds.

    Raises:
        ValidationError: a form's; it says which line or which entries are wrong.
    """
    try:
        return SemanticLayer.model_validate(yaml.safe_load(text))
    except yaml.YAMLError as exc:
        mark = getattr(exc, "problem_mark", None)
        where = f"line {mark.line + 1}: " if mark is not None else ""
        raise Refused(f"{where}this is not YAML: {getattr(exc, 'problem', None) or exc}") from exc
    except ValidationError as exc:
        told = [f"{'.'.join(map(str, each['loc'])) or 'the layer'}: {each['msg']}" for each in exc.errors()[:5]]
        raise Refused(told) from exc


def require_unchanged(row: Warehouse, seen: str) -> None:
    """Hold the row until the transaction ends, if it is as it was seen.

    Raises:
        ValidationError: a form's; somebody else has changed it.
    """
    if version(Warehouse.objects.select_for_update().get(pk=row.pk)) != seen:
        raise Refused(
            "Somebody else has changed this layer since you opened it. Nothing was saved: keep your text, open the page"
            " again and put your change into theirs."
        )


def version(row: Warehouse) -> str:
    """Return what `require_unchanged` compares."""
    return row.updated_at.isoformat()
