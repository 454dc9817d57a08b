"""What a job says of its work to an operator: short lines, kept in its row over all attempts."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Final, Literal, TypedDict

#: Of a job, the latest; and letters of each.
MOST_LINES: Final = 200
MOST_LETTERS: Final = 300
#: Lines are written with the job's outcome; while it runs, no oftener than this.
EVERY_S: Final = 5.0

Level = Literal["info", "warning", "error"]


class Line(TypedDict):
    """One line, as it stands in the row."""

    #: ISO 8601, UTC.
    at: str
    attempt: int
    level: Level
    text: str


class Notes:
    """The lines of one attempt, behind those of the attempts before it."""

    def __init__(
        self,
        *,
        attempt: int = 1,
        earlier: Sequence[Line] = (),
        keep: Callable[[list[Line]], object] = lambda lines: None,
        every_s: float = EVERY_S,
    ) -> None:
        """Go on after `earlier`; `keep` writes all lines to the row while the job runs, and must not raise."""
        self._attempt = attempt
        self._lines: deque[Line] = deque(earlier, maxlen=MOST_LINES)
        self._keep = keep
        self._every_s = every_s
        self._kept_s = time.monotonic()

    def add(self, text: str, level: Level = "info") -> None:
        """Add a line; after `every_s` without a write, this one writes."""
        self._lines.append(self._line(text, level))
        if time.monotonic() - self._kept_s >= self._every_s:
            self._keep(self.lines())
            self._kept_s = time.monotonic()

    def lines(self) -> list[Line]:
        """Return all lines, the oldest first."""
        return list(self._lines)

    def ended(self, text: str, level: Level) -> list[Line]:
        """Return all lines and one on how the attempt ended, to be written with that."""
        return [*self._lines, self._line(text, level)][-MOST_LINES:]

    def _line(self, text: str, level: Level) -> Line:
        words = " ".join("".join(letter if letter.isprintable() else " " for letter in text).split())
        short = words if len(words) <= MOST_LETTERS else words[: MOST_LETTERS - 1] + "…"
        now = datetime.now(UTC).isoformat(timespec="milliseconds")
        return Line(at=now, attempt=self._attempt, level=level, text=short)
