"""A log file that never outgrows its bounds, for the raw output of one process."""

from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO


@dataclass(slots=True)
class LogFile:
    """Appends whole lines to `path`; the newest `keep` full files stay beside it, numbered."""

    path: Path
    max_bytes: int = 10_000_000
    keep: int = 3
    #: Lines that a full disk did not take and that no later line has told of yet.
    lost: int = field(default=0, init=False)
    _handle: BinaryIO | None = field(default=None, init=False)

    def write(self, line: bytes) -> None:
        """Append `line`, which carries its line end; what can't be written is lost, and the next line says so."""
        try:
            if self.lost:
                self._append(b"(%d lines could not be written)\n" % self.lost)
                self.lost = 0
            self._append(line)
        except OSError:
            # Raised, it would end the reader of the process' output, and the process would block on a full pipe.
            self.lost += 1
            self.close()

    def _append(self, line: bytes) -> None:
        if self._handle is None:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._handle = self.path.open("ab", buffering=0)
        if self._handle.tell() + len(line) > self.max_bytes and self._handle.tell() > 0:
            self._rotate()
            self._append(line)
            return
        if self._handle.write(line) != len(line):
            raise OSError("the disk took a part of the line")

    def close(self) -> None:
        """Close the file; a later `write` opens it again."""
        if self._handle is not None:
            with suppress(OSError):
                self._handle.close()
            self._handle = None

    def _rotate(self) -> None:
        self.close()
        for number in range(self.keep, 0, -1):
            older = self.path.with_name(f"{self.path.name}.{number}")
            newer = self.path if number == 1 else self.path.with_name(f"{self.path.name}.{number - 1}")
            if newer.exists():
                newer.replace(older)
