"""A warehouse's semantic layer in its row: read, held against a second writer, written."""

from __future__ import annotations

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
