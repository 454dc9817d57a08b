"""What the log's calls take and give."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from orchestrator.events import Event

#: OK appended · DUP it was there already · FENCED a newer attempt owns the turn · CLOSED the turn has ended ·
#: LATE a higher rank was appended before · NEED_FENCE the log doesn't know the turn · GAP text is missing.
Verdict = Literal["OK", "DUP", "FENCED", "CLOSED", "LATE", "NEED_FENCE", "GAP"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Append:
    """One event for one log."""

    conversation: str
    event: Event
    fence: int
    cid: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Appended:
    """The log's answer to one append."""

    verdict: Verdict
    epoch: str
    #: The event's number for OK and DUP, else the log's top.
    seq: int
    #: A new epoch began with this very call.
    fresh: bool
    #: For GAP: code points of the message that the log holds.
    have: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Partial:
    """The text of the message that is being written."""

    turn: str
    attempt: int
    message: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Position:
    """Where a reader stands: everything up to `seq` of `epoch` has been seen."""

    epoch: str
    seq: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Head:
    """The log's epoch and top, and the running text at that very moment."""

    epoch: str
    top: int
    partials: tuple[Partial, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Opened:
    """A reader's way in: all that it missed, or the news that this can't be told."""

    epoch: str
    top: int
    #: All or nothing; true when nothing was missed.
    recovered: bool
    #: (seq, ready frame as JSON text) in order; empty unless recovered.
    frames: tuple[tuple[int, str], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveFrame:
    """What the log publishes: a numbered frame, or an ephemeral one without number."""

    conversation: str
    frame: str
    seq: int | None
    epoch: str | None
    #: Event type, so that the gateway needs not parse the frame.
    type: str
