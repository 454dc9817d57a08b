"""Commands that work inside an installation: they need its settings and its database, not its server."""

from __future__ import annotations

import json
import os
from contextlib import suppress
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


def asleep() -> bool:
    """Return whether this installation's own servers are down because nothing was started, or it has been stopped.

    With servers that were named to it, it can't be told from here.
    """
    root = folder()
    if os.environ.get("DATABASE_URL") or not (root / "servers.json").is_file():
        return False
    with suppress(OSError, ValueError, TypeError):
        if "database_url" not in json.loads((root / "secrets.json").read_text(encoding="utf-8")):
            return False
    try:
        # Not by the lock itself: to try it could refuse a start of this very moment.
        os.kill(int((root / "lock").read_text(encoding="utf-8")), 0)
    except PermissionError:
        return False
    except (OSError, ValueError):
        return True
    return False


def enter() -> None:
    """Load Django with the settings of the installation around this checkout.

    Raises:
        InstallationError: a setting is wrong, or there is no database, because nothing was started yet.
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
    from django.conf import settings

    if not settings.SWITCHYARD.database_url.get_secret_value():
        raise InstallationError(
            f"No database: DATABASE_URL is not set, and nothing was started with {folder()}."
            " Start it by `make run`, or set SWITCHYARD_DATA_DIR to where it runs."
        )
