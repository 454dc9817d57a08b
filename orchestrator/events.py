"""Every event of a conversation, typed, in one place.

A durable event is appended to the conversation's log and numbered; an ephemeral
one is published and forgotten. Within (turn, fence) each durable event has a
*rank*; the log refuses a lower rank than the last, so that a zombie or a late
retry can't write behind what a reader has already seen.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, ClassVar, Literal

from orchestrator.errors import ErrorCode

Route = Literal["sql", "rag", "chat", "job"]
StageName = Literal["classify", "sql", "rag", "llm", "job"]
ArtifactKind = Literal["table", "chart", "passages", "sql"]
Reached = Literal["queued", "gpu", "sql", "llm", "job"]
ROUTES: tuple[Route, ...] = ("sql", "rag", "chat", "job")

#: Ranks leave gaps so that a later event type finds its place without a migration.
_STAGE_RANK: Mapping[str, int] = {"classify": 100, "sql": 300, "rag": 400, "llm": 500, "job": 600}
ENDING_RANK = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """What every event of a turn carries."""

    turn: str

    type: ClassVar[str] = ""
    durable: ClassVar[bool] = True
    ending: ClassVar[bool] = False

    def rank(self) -> int:
        """Return the event's place within (turn, fence); equal ranks may follow each other."""
        raise TypeError(f"{type(self).__name__} has no rank")

    def data(self) -> dict[str, Any]:  # Any: the wire's own JSON shapes
        """Return the wire's `data` object, without fields that are None."""
        return {name: value for name, value in asdict(self).items() if value is not None}


@dataclass(frozen=True, slots=True, kw_only=True)
class TurnAccepted(Event):
    """The first event of every turn, so that a second tab and a replay see the question."""

    type: ClassVar[str] = "turn.accepted"
    text: str
    user: str
    parent: str | None = None

    def rank(self) -> int:
        """Return 0: nothing of a turn precedes it."""
        return 0


@dataclass(frozen=True, slots=True, kw_only=True)
class TurnQueued(Event):
    """The turn waits; said once a wait, in plain words."""

    type: ClassVar[str] = "turn.queued"
    position: int
    waiting_for: str
    queue: str
    expected_wait_ms: int | None = None

    def rank(self) -> int:
        """Return a place before the first stage, between `classify` and the rest, or right before the writer."""
        return {"gpu": 10, "conversation": 10, "llm": 495}.get(self.queue, 200)


@dataclass(frozen=True, slots=True, kw_only=True)
class StageStarted(Event):
    """A worker claimed the stage."""

    type: ClassVar[str] = "stage.started"
    attempt: int
    stage: StageName
    worker: str
    queue_wait_ms: int

    def rank(self) -> int:
        """Return the opening place of its stage."""
        return _STAGE_RANK[self.stage]


@dataclass(frozen=True, slots=True, kw_only=True)
class StageFinished(StageStarted):
    """The stage is done; `summary` is one line a person can read."""

    type: ClassVar[str] = "stage.finished"
    duration_ms: int
    summary: str

    def rank(self) -> int:
        """Return the closing place of its stage."""
        return _STAGE_RANK[self.stage] + 90


@dataclass(frozen=True, slots=True, kw_only=True)
class TurnRouted(Event):
    """Which way the turn goes, how sure the classifier is, and the next best."""

    type: ClassVar[str] = "turn.routed"
    route: Route
    confidence: float
    alternatives: tuple[Mapping[str, Any], ...] = ()  # {route, confidence}

    def rank(self) -> int:
        """Return a place inside `classify`."""
        return _STAGE_RANK["classify"] + 50


@dataclass(frozen=True, slots=True, kw_only=True)
class ArtifactReady(Event):
    """Rows, passages, SQL or a chart can be fetched; `preview` is at most 20 rows or 3 passages."""

    type: ClassVar[str] = "artifact.ready"
    artifact: str
    kind: ArtifactKind
    url: str
    preview: Mapping[str, Any]
    stage: StageName

    def rank(self) -> int:
        """Return a place inside the stage that made it."""
        return _STAGE_RANK[self.stage] + 50

    def data(self) -> dict[str, Any]:
        """Return the wire's `data`; `stage` only places the event and stays inside."""
        wire = super(ArtifactReady, self).data()
        del wire["stage"]
        return wire


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageStarted(Event):
    """Text begins; a higher `attempt` makes readers drop what they had."""

    type: ClassVar[str] = "message.started"
    attempt: int
    message: str

    def rank(self) -> int:
        """Return a place inside `llm`."""
        return _STAGE_RANK["llm"] + 50


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageDelta(Event):
    """More text; `index` counts the code points of the message before it."""

    type: ClassVar[str] = "message.delta"
    attempt: int
    message: str
    text: str
    index: int

    def rank(self) -> int:
        """Return the place of all deltas."""
        return _STAGE_RANK["llm"] + 60


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageCompleted(Event):
    """The one good ending: the whole text, its citations, usage and timeline."""

    type: ClassVar[str] = "message.completed"
    ending: ClassVar[bool] = True
    attempt: int
    message: str
    text: str
    citations: tuple[Mapping[str, Any], ...]
    usage: Mapping[str, Any]
    timeline: Mapping[str, Any]

    def rank(self) -> int:
        """Return the last place."""
        return ENDING_RANK


@dataclass(frozen=True, slots=True, kw_only=True)
class TurnFailed(Event):
    """The turn ended without an answer; `message` is in the user's language."""

    type: ClassVar[str] = "turn.failed"
    ending: ClassVar[bool] = True
    code: ErrorCode
    message: str
    retryable: bool
    timeline: Mapping[str, Any]

    def rank(self) -> int:
        """Return the last place."""
        return ENDING_RANK


@dataclass(frozen=True, slots=True, kw_only=True)
class TurnCancelled(TurnFailed):
    """The turn was stopped; `reached` says what the stop got to."""

    type: ClassVar[str] = "turn.cancelled"
    reached: tuple[Reached, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class StageProgress(Event):
    """A hint that may be lost: a position, a percentage, a word on what goes on."""

    type: ClassVar[str] = "stage.progress"
    durable: ClassVar[bool] = False
    stage: StageName
    text: str | None = None
    position: int | None = None
    percent: int | None = None


DURABLE_EVENTS: tuple[type[Event], ...] = (
    TurnAccepted,
    TurnQueued,
    StageStarted,
    StageFinished,
    TurnRouted,
    ArtifactReady,
    MessageStarted,
    MessageDelta,
    MessageCompleted,
    TurnFailed,
    TurnCancelled,
)
