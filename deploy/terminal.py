"""What the person at the terminal sees of the processes: few lines, each with its origin."""

import contextlib
import json
import os
import re
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TextIO

_COLOURS = ("36", "35", "34", "32", "33", "96", "95", "94", "92")
_LEVELS = {
    "debug": 10,
    "info": 20,
    "warning": 30,
    "warn": 30,
    "error": 40,
    "exception": 40,
    "critical": 50,
    "fatal": 50,
}
_SHOWN_FROM = 30
#: Lines of programs that do not log JSON: Celery's and PostgreSQL's words for trouble.
_TROUBLE = re.compile(r"\b(WARNING|ERROR|CRITICAL|FATAL|PANIC)\b")
_FRAME = re.compile(r'\s+File "(.+)", line (\d+)')
_LONGEST = 500
#: What the set-up has said once for all processes.
_TOLD = frozenset({"start check"})


@dataclass(slots=True)
class Terminal:
    """Writes lines for a person, in colour where that is wanted."""

    stream: TextIO = field(default_factory=lambda: sys.stdout)
    colour: bool | None = None
    _painted: dict[str, str] = field(default_factory=dict, init=False)
    #: What a `timed` block has begun to write and not ended yet.
    _open: str = field(default="", init=False)

    def __post_init__(self) -> None:
        if self.colour is None:
            self.colour = self.stream.isatty() and "NO_COLOR" not in os.environ

    def say(self, text: str = "") -> None:
        """Write `text` as it is, on a line of its own."""
        self._write(("\n" if self._open else "") + text + "\n")
        self._open = ""

    @contextlib.contextmanager
    def timed(self, title: str) -> Iterator[None]:
        """Show that `title` is under way, then how long the block took."""
        began = time.monotonic()
        begun = f"  • {title} … "
        self._open = begun
        self._write(begun)
        yield
        # Begun anew when other lines came in between.
        self._write(f"{'' if self._open else begun}{time.monotonic() - began:.1f} s\n")
        self._open = ""

    def _write(self, text: str) -> None:
        # A terminal that is gone, or a file on a full disk, must not end whoever has something to say.
        with contextlib.suppress(OSError):
            self.stream.write(text)
            self.stream.flush()

    def tell(self, origin: str, text: str, *, level: int = 20) -> None:
        """Write `text` with the name of the process it is about."""
        shown = text if len(text) <= _LONGEST else text[:_LONGEST] + " …"
        if level >= 40:
            shown = self.paint("31", shown)
        elif level >= 30:
            shown = self.paint("33", shown)
        self.say(f"{self.paint(self._colour_of(origin), f'{origin:<14}')} {shown}")

    def paint(self, code: str, text: str) -> str:
        """Return `text` in the ANSI colour `code`, unchanged where there is no colour."""
        return f"\x1b[{code}m{text}\x1b[0m" if self.colour else text

    def _colour_of(self, origin: str) -> str:
        return self._painted.setdefault(origin, _COLOURS[len(self._painted) % len(_COLOURS)])


@dataclass(slots=True)
class LineFilter:
    """Decides which lines of one process a person should see; holds what a traceback needs between lines."""

    _in_traceback: bool = field(default=False, init=False)
    _frame: str = field(default="", init=False)

    def shown(self, line: str) -> tuple[str, int] | None:
        """Return the human form of `line` and its level, None for a line that belongs in the log file alone."""
        if line.startswith("{"):
            try:
                entry = json.loads(line)
            except ValueError:
                entry = None
            if isinstance(entry, dict):
                self._in_traceback = False
                return _human(entry)
        if line.startswith("Traceback (most recent call last)"):
            self._in_traceback, self._frame = True, ""
            return None
        if self._in_traceback:
            return self._traceback(line)
        found = _TROUBLE.search(line)
        return (line, 30 if found[1] == "WARNING" else 40) if found else None

    def _traceback(self, line: str) -> tuple[str, int] | None:
        """Return the line that names the exception, with the place it was raised at; the rest is in the log file."""
        if line.startswith((" ", "\t")) or not line:
            frame = _FRAME.match(line)
            self._frame = f" ({frame[1]}:{frame[2]})" if frame else self._frame
            return None
        # The first line without an indent is the last of the traceback.
        self._in_traceback = False
        return line + self._frame, 40


def _human(entry: dict[str, object]) -> tuple[str, int] | None:
    level = _LEVELS.get(str(entry.get("level", "info")).lower(), 20)
    if level < _SHOWN_FROM or entry.get("event") in _TOLD:
        return None
    facts = {
        name: value
        for name, value in entry.items()
        if name not in {"level", "event", "timestamp", "ts", "logger", "process", "exception", "stack"}
    }
    text = " ".join([str(entry.get("event", "")), *(f"{name}={value}" for name, value in facts.items())])
    exception = entry.get("exception")
    if exception:
        text += "\n" + "\n".join("    " + line for line in str(exception).splitlines()[-6:])
    return text, level
