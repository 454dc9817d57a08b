"""`switchyard logs`: what the processes of this installation said, put in order of time, and in words."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from rich.text import Text

from channels_app.cli.render import clean

LEVELS = ("debug", "info", "warning", "error")
_STYLES = {"debug": "dim", "warning": "yellow", "error": "red", "critical": "red"}
#: Fields with a place of their own, or of no use to a reader.
_PLACED = frozenset({"event", "level", "timestamp", "process", "logger", "exception"})
_POLL_S = 0.3
#: From the end of each file: enough for any screen, and not a gigabyte.
_TAIL_BYTES = 4_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """Which lines."""

    #: Beginnings of process names; none: every process.
    processes: tuple[str, ...] = ()
    level: str = "info"
    #: A turn, job, conversation or correlation id that the line names.
    about: str | None = None
    since: datetime | None = None

    def file(self, path: Path) -> bool:
        """Return whether the file is of a wanted process."""
        return not self.processes or any(path.stem.startswith(name) for name in self.processes)

    def line(self, line: Line) -> bool:
        """Return whether the line is wanted."""
        if LEVELS.index(line.level) < LEVELS.index(self.level):
            return False
        if self.since is not None and (line.at is None or line.at < self.since):
            return False
        return self.about is None or self.about in line.raw


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One line of one process."""

    process: str
    at: datetime | None
    level: str
    event: str
    fields: tuple[tuple[str, str], ...]
    exception: str
    raw: str


def read(raw: str, *, process: str) -> Line:
    """Return a line as its process wrote it: JSON, or text of a server or a crash."""
    try:
        entry: Any = json.loads(raw)
    except ValueError:
        entry = None
    if not isinstance(entry, dict):
        return Line(process=process, at=None, level="info", event=raw, fields=(), exception="", raw=raw)
    level = str(entry.get("level", "info"))
    try:
        at = datetime.fromisoformat(str(entry["timestamp"]).replace("Z", "+00:00"))
    except (KeyError, ValueError):
        at = None
    return Line(
        process=str(entry.get("process", process)),
        at=at,
        level={"critical": "error"}.get(level, level if level in LEVELS else "info"),
        event=str(entry.get("event", "")),
        fields=tuple((name, str(value)) for name, value in entry.items() if name not in _PLACED),
        exception=str(entry.get("exception", "")),
        raw=raw,
    )


def latest(folder: Path, wanted: Wanted, *, most: int) -> list[Line]:
    """Return the latest wanted lines of all processes, the oldest first; one without a time follows its neighbour."""
    found: list[tuple[float, int, Line]] = []
    for path in _files(folder, wanted):
        at = 0.0
        for number, raw in enumerate(_tail(path)):
            line = read(raw, process=path.stem)
            at = line.at.timestamp() if line.at is not None else at
            if raw.strip() and wanted.line(line):
                found.append((at, number, line))
    found.sort(key=lambda each: each[:2])
    return [line for _, _, line in found[-most:]]


def follow(folder: Path, wanted: Wanted) -> Iterator[Line]:
    """Yield what is written from now on, for ever; a file that is begun anew is read from its beginning."""
    places = {path: path.stat().st_size for path in _files(folder, wanted)}
    while True:
        for path in _files(folder, wanted):
            size = path.stat().st_size
            begin = places.get(path, 0)
            begin = 0 if size < begin else begin
            if size == begin:
                continue
            with path.open("rb") as file:
                file.seek(begin)
                piece = file.read(size - begin)
            # The rest of a half-written line comes with its end.
            whole = piece.rfind(b"\n") + 1
            places[path] = begin + whole
            for raw in piece[:whole].decode("utf-8", errors="replace").splitlines():
                line = read(raw, process=path.stem)
                if raw.strip() and wanted.line(line):
                    yield line
        time.sleep(_POLL_S)


def span(text: str) -> timedelta:
    """Return `90s`, `10m`, `2h` or `1d` as a span of time.

    Raises:
        ValueError: it is none of these.
    """
    unit = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}.get(text[-1:])
    if unit is None or not text[:-1].isdecimal():
        raise ValueError("write a number and s, m, h or d, as in 10m")
    return timedelta(**{unit: int(text[:-1])})


def written(line: Line, *, width: int) -> Text:
    """Return a line as it is read: time, process, what happened, and with what."""
    time_of_day = line.at.astimezone().strftime("%H:%M:%S") if line.at is not None else " " * 8
    text = Text(f"{time_of_day} ", style="dim")
    text.append(f"{clean(line.process):<{width}} ", style="cyan")
    text.append(clean(line.event), style=_STYLES.get(line.level, ""))
    for name, value in line.fields:
        text.append(f"  {clean(name)}=", style="dim")
        text.append(clean(value))
    if line.exception:
        text.append("\n" + clean(line.exception), style="dim")
    return text


def _files(folder: Path, wanted: Wanted) -> Sequence[Path]:
    return sorted(path for path in folder.glob("*.log") if wanted.file(path))


def _tail(path: Path) -> Iterable[str]:
    with path.open("rb") as file:
        file.seek(0, 2)
        file.seek(max(0, file.tell() - _TAIL_BYTES))
        return file.read().decode("utf-8", errors="replace").splitlines()
