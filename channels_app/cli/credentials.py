"""Who is signed in on this machine: one file that only its owner can read."""

from __future__ import annotations

import json
import os
import tempfile
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

#: A token that ends sooner than this is renewed before it is used.
_AHEAD_S = 60


class SignInError(Exception):
    """Nobody is signed in, or no longer; the text says what to do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Credentials:
    """Tokens of one server."""

    server: str
    username: str
    access: str
    refresh: str
    #: Seconds since 1970.
    expires_at: float

    def ends_soon(self, now: float | None = None) -> bool:
        """Return whether the access token should be renewed before its next use."""
        return self.expires_at - _AHEAD_S <= (time.time() if now is None else now)


def path_of(environ: Mapping[str, str]) -> Path:
    """Return where the credentials lie, by the XDG base directories."""
    base = environ.get("XDG_CONFIG_HOME") or str(Path(environ.get("HOME", "~")).expanduser() / ".config")
    return Path(base) / "switchyard" / "credentials.json"


def load(path: Path) -> Credentials | None:
    """Return the stored credentials, or None when there are none that can be read."""
    try:
        stored = json.loads(path.read_text("utf-8"))
        return Credentials(
            server=str(stored["server"]),
            username=str(stored["username"]),
            access=str(stored["access"]),
            refresh=str(stored["refresh"]),
            expires_at=float(stored["expires_at"]),
        )
    except (OSError, ValueError, KeyError, TypeError):
        return None


def save(path: Path, credentials: Credentials) -> None:
    """Store the credentials, readable by their owner alone from the first byte on."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    # mkstemp makes it 0600; the rename replaces an earlier file whole, whatever its mode was.
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=".credentials-")
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        json.dump(asdict(credentials), file)
    Path(name).replace(path)


def forget(path: Path) -> None:
    """Remove the credentials, if there are any."""
    path.unlink(missing_ok=True)
