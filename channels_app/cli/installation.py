"""Commands that work inside an installation: they need its settings and its database, not its server."""

from __future__ import annotations

import os
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[2]


class InstallationError(Exception):
    """The installation can't be used; the text says why."""


def folder() -> Path:
    """Return the data folder of this installation: logs, private servers, secrets."""
    return (CHECKOUT / Path(os.environ.get("SWITCHYARD_DATA_DIR") or ".switchyard").expanduser()).resolve()


def address() -> str | None:
    """Return where this installation's last start listens, or listened; None where there was none."""
    try:
        return (folder() / "address").read_text(encoding="utf-8").strip() or None
    except OSError:
        return None


def enter() -> None:
    """Load Django with the settings of the installation around this checkout.

    Raises:
        InstallationError: a setting is wrong.
    """
    # The settings take a relative one from wherever the command is typed.
    os.environ["SWITCHYARD_DATA_DIR"] = str(folder())
    secrets = folder() / "secrets.json"
    if secrets.is_file():
        # What `make run` gives its processes; without it the private servers can't be found.
        os.environ.setdefault("SWITCHYARD_SECRETS_FILE", str(secrets))
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "settings." + os.environ.get("SWITCHYARD_MODE", "dev"))
    import django
    from django.core.exceptions import ImproperlyConfigured

    try:
        django.setup()
    except ImproperlyConfigured as exc:
        raise InstallationError(str(exc)) from exc
    except Exception as exc:
        # The settings' own error lies in a package that only Django may import.
        if type(exc).__name__ == "SettingsError":
            raise InstallationError(str(exc)) from exc
        raise
