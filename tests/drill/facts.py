"""What the drill writes down while it runs; the judge reads nothing else.

All times are seconds since the drill's start, whatever clock they came from: one machine, so the servers' wall clock
and the clients' monotonic one differ by a constant.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

Route = Literal["sql", "rag", "chat"]
#: What a client does to its own turn beside waiting for it.
Told = Literal["", "cancel", "deadline", "walk_away"]


class Clock:
    """Seconds since it was made."""

    def __init__(self) -> None:
        self.started_wall_s = time.time()
        self._started_s = time.monotonic()

    def now(self) -> float:
        """Return the seconds since the start."""
        return time.monotonic() - self._started_s

    def of_wall(self, epoch_s: float) -> float:
        """Return what `now` was at a time of the wall clock."""
        return epoch_s - self.started_wall_s

    def of_monotonic(self, value_s: float) -> float:
        """Return what `now` was at a reading of the monotonic clock."""
        return value_s - self._started_s


@dataclass(slots=True, kw_only=True)
class Question:
    """A question as a client sent it, and what became of the sending."""

    number: int
    client: int
    client_id: str
    conversation: str
    route: Route
    #: The classifier was to find the route.
    classified: bool
    told: Told
    #: Its conversation was opened with `on_disconnect: cancel`, so a lost socket may end it.
    may_leave: bool
    sent_at_s: float
    turn: str | None = None
    acked_at_s: float | None = None
    #: How often it was sent until an answer came.
    sends: int = 0
    #: The code of a refusal that another try can't help.
    refused: str | None = None
    #: The client closed this conversation's sockets for longer than `on_disconnect: cancel` waits.
    left_at_s: float | None = None
    cancel_at_s: float | None = None


class Seen(NamedTuple):
    """A numbered event that a client took."""

    at_s: float
    turn: str
    epoch: str
    seq: int
    type: str


class Ending(NamedTuple):
    """How a client learnt that a turn has ended."""

    at_s: float
    turn: str
    #: The log's epoch that it was read in.
    epoch: str
    #: `completed`, `failed` or `cancelled`.
    state: str
    code: str
    by: Literal["event", "snapshot"]
    text: str


class Breach(NamedTuple):
    """Something a client saw that the contract forbids."""

    at_s: float
    #: One word; the judge gives it a sentence.
    kind: str
    client: int
    turn: str
    detail: str


class Closed(NamedTuple):
    """A socket that ended; code 1006 where no closing handshake was made."""

    at_s: float
    client: int
    server: int
    code: int
    #: The client cut it itself: a walk away, a silence it did not believe.
    own: bool


class Strike(NamedTuple):
    """A fault, from its first effect to the moment everything it touched was put back."""

    kind: str
    #: What it hit, for example a process' name.
    target: str
    started_s: float
    healed_s: float
    #: Why it could not be done, empty when it was.
    failed: str = ""


class Execution(NamedTuple):
    """Work that arrived outside the platform, counted there."""

    at_s: float
    turn: str
    fence: int
    hop: Literal["sql", "llm"]
    #: Which claim of the hop asked for it.
    claim: str
    #: It ran to its end.
    whole: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class TurnRow:
    """A turn as PostgreSQL has it when all is over."""

    turn: str
    client_id: str
    state: str
    code: str
    fence: int
    created_s: float
    ended_s: float | None
    answer: str | None
    #: Endings that left through the outbox, and those of them that are still to be told.
    endings: int
    untold: int
    #: Artifacts by step.
    artifacts: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class StageRow:
    """A hop of one attempt as PostgreSQL has it when all is over."""

    turn: str
    fence: int
    hop: str
    state: str
    worker: str
    started_s: float | None
    ended_s: float | None


@dataclass(slots=True, kw_only=True)
class Facts:
    """One drill."""

    seed: int
    minutes: float
    commit: str
    began: str
    #: Faults that were to strike; empty: every kind there is.
    wanted: tuple[str, ...] = ()
    asking_s: float = 0.0
    questions: list[Question] = field(default_factory=list)
    seen: list[Seen] = field(default_factory=list)
    endings: list[Ending] = field(default_factory=list)
    breaches: list[Breach] = field(default_factory=list)
    closed: list[Closed] = field(default_factory=list)
    strikes: list[Strike] = field(default_factory=list)
    executions: list[Execution] = field(default_factory=list)
    turns: list[TurnRow] = field(default_factory=list)
    stages: list[StageRow] = field(default_factory=list)
    #: Counters of the clients: reconnects, snapshots, sends repeated.
    counts: dict[str, int] = field(default_factory=dict)
    #: Processes of the product that ended although nobody had asked for it.
    deaths: list[str] = field(default_factory=list)
    #: What broke in the drill itself, which makes its figures worthless.
    broken: list[str] = field(default_factory=list)
