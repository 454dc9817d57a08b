"""Addresses of CSV tables begin at the data folder from here on: a backup brings both to another place."""

from pathlib import Path
from typing import Any

from django.conf import settings
from django.db import migrations

_ABSOLUTE = "sqlite:////"


def shorten(apps: Any, schema_editor: Any) -> None:  # Any: the registry and the editor of Django's own making
    """Reseal the absolute addresses that `switchyard connect --csv` made."""
    from orchestrator.errors import ConflictError
    from orchestrator.tenants.sealing import seal, unseal

    folder = Path(settings.SWITCHYARD.data_dir).resolve()
    warehouses = apps.get_model("tenants", "Warehouse").objects.using(schema_editor.connection.alias)
    for row in warehouses.all():
        try:
            url = unseal(bytes(row.url_encrypted))
        except ConflictError:
            # Nobody here can read it, so nobody can shorten it: it stays good where it was made.
            continue
        file = Path(url.removeprefix("sqlite:///"))
        if url.startswith(_ABSOLUTE) and file.parent == folder / "tables":
            short = f"tables/{file.name}"
            # Not by `save`: workers open a warehouse anew when `updated_at` changes, and need not for this.
            warehouses.filter(pk=row.pk).update(url_encrypted=seal(f"sqlite:///{short}"), label=short)


class Migration(migrations.Migration):
    """Shorten them; a short address is good for the older code's `connect`, so that nothing is undone."""

    dependencies = [("tenants", "0002_limits")]

    operations = [migrations.RunPython(shorten, migrations.RunPython.noop)]
