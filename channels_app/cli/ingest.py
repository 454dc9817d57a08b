"""`switchyard ingest`: give documents and watch them being read."""

from __future__ import annotations

import mimetypes
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.text import Text

from channels_app.cli.api import Api, ProblemError
from channels_app.cli.render import clean

#: What a folder is searched for.
KNOWN = frozenset({".md", ".markdown", ".txt", ".pdf", ".docx", ".html", ".htm", ".csv"})
_UNDER_WAY = frozenset({"waiting", "sending", "queued", "parsing"})
_STYLES = {"indexed": ("✓", "green"), "failed": ("✗", "red"), "refused": ("✗", "red"), "deleted": ("–", "dim")}
_POLL_S = 1.0
_SILENT_S = 60.0


@dataclass(slots=True, kw_only=True)
class Given:
    """One file on its way."""

    path: Path
    state: str = "waiting"
    document: str = ""
    chunks: int = 0
    error: str = ""


def found(paths: Iterable[Path]) -> Iterator[Path]:
    """Yield the files, and for folders the documents below them, by name."""
    for path in paths:
        if path.is_dir():
            yield from sorted(
                entry
                for entry in path.rglob("*")
                if entry.is_file() and entry.suffix.lower() in KNOWN and not entry.name.startswith(".")
            )
        else:
            yield path


def ingest(api: Api, paths: list[Path], *, err: Console, wait: bool) -> list[Given]:
    """Give every file and, with `wait`, return once each has been read or has failed.

    Raises:
        SignInError: the credentials are no longer good.
        ProblemError: the server can't be reached.
    """
    given = [Given(path=path) for path in paths]
    with Live(console=err, refresh_per_second=4, transient=False, get_renderable=lambda: lines(given)) as live:
        for file in given:
            _give(api, file)
        changed_at, before = time.monotonic(), _states(given)
        while wait and any(file.state in _UNDER_WAY for file in given):
            time.sleep(_POLL_S)
            for file in given:
                if file.state in _UNDER_WAY:
                    _look(api, file)
            now = _states(given)
            if now != before:
                changed_at, before = time.monotonic(), now
            elif time.monotonic() - changed_at > _SILENT_S:
                live.console.print(
                    "Nothing has moved for a minute: is a worker for the queue `jobs` running? (`switchyard doctor`)",
                    style="yellow",
                )
                changed_at = time.monotonic()
    if not err.is_terminal:
        err.print()  # there, the live lines end without one
    return given


def lines(given: list[Given]) -> RenderableType:
    """Return one line a file."""
    shown = []
    for file in given:
        sign, style = _STYLES.get(file.state, ("…", "cyan"))
        read = f"{file.chunks} passage{'' if file.chunks == 1 else 's'}"
        detail = read if file.state == "indexed" else clean(file.error)
        shown.append(Text.assemble((sign, style), f" {clean(file.path.name)}  ", (file.state, "dim"), f"  {detail}"))
    return Group(*shown)


def _give(api: Api, file: Given) -> None:
    file.state = "sending"
    mime = mimetypes.guess_type(file.path.name)[0] or "application/octet-stream"
    try:
        content = file.path.read_bytes()
    except OSError as exc:
        file.state, file.error = "refused", exc.strerror or type(exc).__name__
        return
    try:
        _take(file, api.call("POST", "/api/documents", files={"file": (file.path.name, content, mime)}))
    except ProblemError as problem:
        if problem.code == "unreachable":
            raise
        file.state, file.error = "refused", str(problem)


def _look(api: Api, file: Given) -> None:
    try:
        _take(file, api.call("GET", f"/api/documents/{file.document}"))
    except ProblemError as problem:
        if problem.status == 404:
            file.state, file.error = "deleted", "somebody removed it meanwhile"
        elif problem.code != "rate_limited":
            raise


def _take(file: Given, document: dict[str, Any]) -> None:
    file.document, file.state = document["id"], document["state"]
    file.chunks, file.error = document.get("chunks", 0), document.get("error") or ""


def _states(given: list[Given]) -> list[str]:
    return [file.state for file in given]
