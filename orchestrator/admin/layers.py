"""A warehouse's semantic layer: in its row, held against a second writer, and as text."""

from __future__ import annotations

import yaml
from django.forms import ValidationError as Refused
from pydantic import ValidationError

from orchestrator.admin import plain_yaml
from orchestrator.errors import OrchestratorError
from orchestrator.pipeline.semantic.model import SemanticLayer
from orchestrator.tenants.models import Warehouse

#: Mistakes named at once.
_TOLD = 8
#: What is said when the database did not answer.
UNCHECKED = "The database does not answer, so the names in it could not be checked."


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
    # Here, as below.
    from orchestrator.pipeline.semantic.fitting import unreadable

    try:
        layer = SemanticLayer.model_validate(plain_yaml.load(text))
    except ValidationError as exc:
        told = [f"{'.'.join(map(str, each['loc'])) or 'the layer'}: {each['msg']}" for each in exc.errors()[:5]]
        raise Refused(told) from exc
    if wrong := unreadable(layer):
        raise Refused(wrong[:_TOLD])
    return layer


def require_fit(row: Warehouse, layer: SemanticLayer) -> bool:
    """Return whether the layer was held to its database; False when that does not answer.

    What did not fit before may stay, so that somebody can mend one entry after the other.

    Raises:
        ValidationError: a form's; it names the entries and what is not there.
    """
    # Here: the pages are loaded by every process, and the SQL compiler is needed by few.
    from orchestrator.admin.warehouse_trial import opened
    from orchestrator.pipeline.semantic.fitting import misfits

    try:
        with opened(row) as port:
            relations = port.catalogue()
    except OrchestratorError:
        return False
    try:
        before = misfits(read(row), relations)
    except UnreadableError:
        before = []
    found = [line for line in misfits(layer, relations) if line not in before]
    if found:
        more = [f"and {len(found) - _TOLD} more"] if len(found) > _TOLD else []
        raise Refused(found[:_TOLD] + more)
    return True


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
