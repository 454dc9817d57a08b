"""A log file that never outgrows its bounds, for the raw output of one process."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO


@dataclass(slots=True)
class LogFile:
    """Appends whole lines to `path`; the newest `keep` full files stay beside it, numbered."""

    path: Path
    max_bytes: int = 10_000_000
    keep: int = 3
    _handle: BinaryIO | None = field(default=None, init=False)

    def write(self, line: bytes) -> None:
        """Append `line`, which carries its line end."""
        if self._handle is None:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._handle = self.path.open("ab", buffering=0)
        if self._handle.tell() + len(line) > self.max_bytes and self._handle.tell() > 0:
            self._rotate()
            self.write(line)
            return
        self._handle.write(line)

    def close(self) -> None:
        """Close the file; a later `write` opens it again."""
        if self._handle is not None:
            self._handle.close()
            self._handle = None

    def _rotate(self) -> None:
        self.close()
        for number in range(self.keep, 0, -1):
            older = self.path.with_name(f"{self.path.name}.{number}")
            newer = self.path if number == 1 else self.path.with_name(f"{self.path.name}.{number - 1}")
            if newer.exists():
                newer.replace(older)
