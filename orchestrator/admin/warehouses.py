"""Connected company databases, by their harmless label; the address stays sealed."""

from __future__ import annotations

from django.contrib import admin
from unfold.decorators import display

from orchestrator.admin.access import ReadOnlyAdmin
from orchestrator.tenants.models import Warehouse


@admin.register(Warehouse)
class WarehousePage(ReadOnlyAdmin):
    """What the `sql` stage asks. Connected on the command line, where an address can be typed unseen."""

    hidden = frozenset({"url_encrypted", "layer"})
    list_display = ("tenant", "label", "known", "updated_at")
    list_select_related = ("tenant",)
    fields = ("tenant", "label", "known", "updated_at")
    readonly_fields = ("known",)

    @display(description="semantic layer")
    def known(self, warehouse: Warehouse) -> str:
        """Return how much is known about its figures."""
        layer = warehouse.layer or {}
        counted = [
            f"{len(layer[name])} {label}"
            for name, label in (
                ("measures", "measures"),
                ("dimensions", "dimensions"),
                ("verified", "verified queries"),
            )
            if layer.get(name)
        ]
        return ", ".join(counted) or "none"
