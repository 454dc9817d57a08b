"""A check, what it found, and the order a person reads findings in."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

Level = Literal["ok", "warning", "problem"]
#: The processes that examine themselves as they start.
Starter = Literal["gateway", "dispatcher", "worker", "beat"]
EVERY: frozenset[Starter] = frozenset({"gateway", "dispatcher", "worker", "beat"})
_ORDER: tuple[Level, ...] = ("problem", "warning", "ok")


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One thing that can be wrong: the same id in the report, the logs, the docs and `SWITCHYARD_START_DESPITE`."""

    id: str
    subject: str
    level: Literal["warning", "problem"]
    #: What it would cost, for somebody who reads it at night.
    why: str
    remedy: str
    #: Who doesn't start on it: those that would lose work, or go where nobody finds it.
    refuses: frozenset[Starter] = frozenset()

    def found(self, text: str, remedy: str = "") -> Finding:
        """Return that it is so, with a remedy of its own where it can be more exact than the check's."""
        return Finding(check=self, level=self.level, text=text, remedy=remedy or self.remedy)

    def fine(self, text: str) -> Finding:
        """Return that it is not so, and what was seen instead."""
        return Finding(check=self, level="ok", text=text)


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """What one look gave."""

    check: Check
    level: Level
    text: str
    #: What to do about it; empty when nothing is to be done.
    remedy: str = ""

    def refused_by(self, starter: Starter) -> bool:
        """Return whether such a process must not start with this."""
        return self.level == "problem" and starter in self.check.refuses


class AwayError(Exception):
    """A server doesn't answer; the text is the driver's, which names the address and never the password."""


def by_severity(findings: Iterable[Finding]) -> list[Finding]:
    """Return what is worst first; what is equally bad stays as it was found, subject by subject."""
    return sorted(findings, key=lambda finding: _ORDER.index(finding.level))
