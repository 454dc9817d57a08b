"""Who is signed in on this machine: one file a server, which only its owner can read."""

from __future__ import annotations

import hashlib
import json
import os
import re
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
    #: The same, of the sign-in itself: a renewed token keeps it.
    signed_in_at: float

    def ends_soon(self, now: float | None = None) -> bool:
        """Return whether the access token should be renewed before its next use."""
        return self.expires_at - _AHEAD_S <= (time.time() if now is None else now)


def folder_of(environ: Mapping[str, str]) -> Path:
    """Return where the credentials lie, by the XDG base directories."""
    base = environ.get("XDG_CONFIG_HOME") or str(Path(environ.get("HOME", "~")).expanduser() / ".config")
    return Path(base) / "switchyard" / "servers"


def load(folder: Path, server: str) -> Credentials | None:
    """Return the credentials for `server`, or None when there are none that can be read."""
    found = _read(_file(folder, server))
    # Tokens of one server are no business of another.
    return found if found is not None and found.server == server else None


def everywhere(folder: Path) -> list[Credentials]:
    """Return the credentials for all servers, the latest sign-in first."""
    found = [credentials for path in folder.glob("*.json") if (credentials := _read(path)) is not None]
    return sorted(found, key=lambda credentials: credentials.signed_in_at, reverse=True)


def save(folder: Path, credentials: Credentials) -> None:
    """Store the credentials, readable by their owner alone from the first byte on."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    # mkstemp makes it 0600; the rename replaces an earlier file whole, whatever its mode was.
    handle, name = tempfile.mkstemp(dir=folder, prefix=".credentials-")
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        json.dump(asdict(credentials), file)
    Path(name).replace(_file(folder, credentials.server))
    # Of the time when there was one file for all servers: nobody would renew or end its tokens any more.
    (folder.parent / "credentials.json").unlink(missing_ok=True)


def forget(folder: Path, server: str) -> None:
    """Remove the credentials for `server`, if there are any."""
    _file(folder, server).unlink(missing_ok=True)


def _file(folder: Path, server: str) -> Path:
    # The words are for whoever looks into the folder; the digest tells http from https.
    words = re.sub(r"[^A-Za-z0-9.-]+", "-", server.partition("://")[2])[:60]
    return folder / f"{words}-{hashlib.sha256(server.encode()).hexdigest()[:8]}.json"


def _read(path: Path) -> Credentials | None:
    try:
        stored = json.loads(path.read_text("utf-8"))
        return Credentials(
            server=str(stored["server"]),
            username=str(stored["username"]),
            access=str(stored["access"]),
            refresh=str(stored["refresh"]),
            expires_at=float(stored["expires_at"]),
            signed_in_at=float(stored["signed_in_at"]),
        )
    except (OSError, ValueError, KeyError, TypeError):
        return None
