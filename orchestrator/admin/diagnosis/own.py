"""Look at what this process needs nobody for: its settings and its machine."""

from __future__ import annotations

from collections.abc import Iterator

from django.conf import settings

from orchestrator.admin.diagnosis import machine
from orchestrator.admin.diagnosis.findings import Finding
from orchestrator.admin.diagnosis.installation import installation
from orchestrator.admin.diagnosis.table import IDS

_SECRETS = ("secret_key", "jwt_key", "field_key", "flower_password")


def own_settings() -> Iterator[Finding]:
    """Yield what the environment says."""
    environment = settings.SWITCHYARD
    marked = "development-only-"
    yield from installation(
        mode=environment.mode,
        weak=[name for name in _SECRETS if getattr(environment, name).get_secret_value().startswith(marked)],
        reachable=environment.host not in ("127.0.0.1", "localhost", "::1"),
        despite=environment.start_despite,
        ids=IDS,
    )


def own_machine(*, gateway: bool = True) -> Iterator[Finding]:
    """Yield what this machine gives; `gateway`: sockets will be opened."""
    if gateway:
        yield from machine.open_files(machine.files_limit())
    folder = settings.SWITCHYARD.data_dir
    yield from machine.disk(machine.free_bytes([folder, folder / "logs"]))
    yield from machine.libraries(machine.installed())
