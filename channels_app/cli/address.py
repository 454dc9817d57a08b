"""Which server a command talks to: the one that was named, this installation's, or the last one signed in to."""

from __future__ import annotations

import os
from urllib.parse import urlsplit

import typer

from channels_app.cli import credentials, installation

DEFAULT = "http://127.0.0.1:8000"


def chosen(named: str | None) -> str:
    """Return the server's address without a slash at its end.

    An installation that was started here comes before a sign-in elsewhere: in its folder, nobody expects an answer from
    another company's server.

    Raises:
        typer.BadParameter: what was named is no address.
    """
    if named:
        return _read(named)
    if here := installation.address():
        return here
    if signed := credentials.everywhere(credentials.folder_of(os.environ)):
        return signed[0].server
    port = os.environ.get("PORT", "")
    return f"http://127.0.0.1:{port}" if port.isdecimal() else DEFAULT


def _read(named: str) -> str:
    address = (named if "://" in named else f"http://{named}").rstrip("/")
    try:
        parts = urlsplit(address)
        good = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        good = False
    if not good:
        raise typer.BadParameter(f"{named} is no address; write it as {DEFAULT}", param_hint="--server")
    return address
