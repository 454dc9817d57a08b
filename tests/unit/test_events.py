"""Events: their order along a turn's life and their shapes on the wire."""

from __future__ import annotations

import itertools
from typing import Any

import orjson
import pytest

from orchestrator.events import (
    DURABLE_EVENTS,
    ArtifactReady,
    Event,
    MessageCompleted,
    MessageDelta,
    MessageStarted,
    StageFinished,
    StageName,
    StageProgress,
    StageStarted,
    TurnAccepted,
    TurnCancelled,
    TurnFailed,
    TurnQueued,
    TurnRouted,
)

TURN = "trn_1"
TIMELINE: dict[str, Any] = {"stages": [], "total_ms": 1, "overhead_ms": 0}
ACCEPTED = TurnAccepted(turn=TURN, text="q", user="usr_1")
QUEUED = TurnQueued(turn=TURN, position=1, waiting_for="w", queue="gpu")
QUEUED_AGAIN = TurnQueued(turn=TURN, position=1, waiting_for="w", queue="sql")
ROUTED = TurnRouted(turn=TURN, route="sql", confidence=0.9, alternatives=({"route": "rag", "confidence": 0.1},))
TABLE = ArtifactReady(turn=TURN, artifact="art_1", kind="table", url="/a", preview={"rows": []}, stage="sql")
PASSAGES = ArtifactReady(turn=TURN, artifact="art_2", kind="passages", url="/a", preview={}, stage="rag")
MESSAGE = MessageStarted(turn=TURN, attempt=1, message="msg_1")
DELTA = MessageDelta(turn=TURN, attempt=1, message="msg_1", text="a", index=0)
COMPLETED = MessageCompleted(
    turn=TURN, attempt=1, message="msg_1", text="a", citations=({"n": 1},), usage={"model": "m"}, timeline=TIMELINE
)
FAILED = TurnFailed(turn=TURN, code="internal", message="m", retryable=False, timeline=TIMELINE)
CANCELLED = TurnCancelled(
    turn=TURN, code="cancelled", message="m", retryable=False, timeline=TIMELINE, reached=("llm",)
)


def started(stage: StageName) -> StageStarted:
    return StageStarted(turn=TURN, attempt=1, stage=stage, worker="w", queue_wait_ms=1)


def finished(stage: StageName) -> StageFinished:
    return StageFinished(turn=TURN, attempt=1, stage=stage, worker="w", queue_wait_ms=1, duration_ms=2, summary="s")


CLASSIFIED = [ACCEPTED, QUEUED, started("classify"), ROUTED, finished("classify"), QUEUED_AGAIN]
WRITTEN = [started("llm"), MESSAGE, DELTA, finished("llm"), COMPLETED]
LIVES = {
    "sql": [*CLASSIFIED, started("sql"), TABLE, finished("sql"), *WRITTEN],
    "rag": [*CLASSIFIED, started("rag"), PASSAGES, finished("rag"), *WRITTEN],
    "chat": [*CLASSIFIED, *WRITTEN],
    "job": [ACCEPTED, QUEUED, started("classify"), ROUTED, FAILED],
    "forced sql": [ACCEPTED, QUEUED, started("sql"), TABLE, finished("sql"), *WRITTEN],
}


@pytest.mark.parametrize("life", LIVES.values(), ids=LIVES.keys())
def test_ranks_rise_strictly_along_a_turns_life(life: list[Event]) -> None:
    ranks = [event.rank() for event in life]

    assert all(before < after for before, after in itertools.pairwise(ranks))


@pytest.mark.parametrize("ending", [COMPLETED, FAILED, CANCELLED], ids=lambda event: event.type)
def test_nothing_outranks_an_ending(ending: Event) -> None:
    others = [event.rank() for life in LIVES.values() for event in life if not event.ending]

    assert ending.ending
    assert ending.rank() > max(others)


def test_deltas_may_follow_each_other() -> None:
    assert DELTA.rank() == MessageDelta(turn=TURN, attempt=1, message="msg_1", text="b", index=1).rank()


@pytest.mark.parametrize(
    ("event", "kind", "fields"),
    [
        (ACCEPTED, "turn.accepted", {"turn", "text", "user"}),
        (QUEUED, "turn.queued", {"turn", "position", "waiting_for", "queue"}),
        (started("sql"), "stage.started", {"turn", "attempt", "stage", "worker", "queue_wait_ms"}),
        (
            finished("sql"),
            "stage.finished",
            {"turn", "attempt", "stage", "worker", "queue_wait_ms", "duration_ms", "summary"},
        ),
        (ROUTED, "turn.routed", {"turn", "route", "confidence", "alternatives"}),
        (TABLE, "artifact.ready", {"turn", "artifact", "kind", "url", "preview"}),
        (MESSAGE, "message.started", {"turn", "attempt", "message"}),
        (DELTA, "message.delta", {"turn", "attempt", "message", "text", "index"}),
        (
            COMPLETED,
            "message.completed",
            {"turn", "attempt", "message", "text", "citations", "usage", "timeline"},
        ),
        (FAILED, "turn.failed", {"turn", "code", "message", "retryable", "timeline"}),
        (CANCELLED, "turn.cancelled", {"turn", "code", "message", "retryable", "timeline", "reached"}),
        (StageProgress(turn=TURN, stage="sql", position=2), "stage.progress", {"turn", "stage", "position"}),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_an_event_carries_the_contracts_fields(event: Event, kind: str, fields: set[str]) -> None:
    assert event.type == kind
    assert set(event.data()) == fields


def test_a_parent_is_told_when_there_is_one() -> None:
    assert TurnAccepted(turn=TURN, text="q", user="u", parent="trn_0").data()["parent"] == "trn_0"


def test_every_durable_event_has_a_type_of_its_own_and_goes_on_the_wire() -> None:
    events = [event for life in LIVES.values() for event in life] + [CANCELLED]

    assert {type(event) for event in events} == set(DURABLE_EVENTS)
    assert len({kind.type for kind in DURABLE_EVENTS}) == len(DURABLE_EVENTS)
    assert all(orjson.dumps(event.data()) for event in events)


def test_a_hint_has_no_rank() -> None:
    hint = StageProgress(turn=TURN, stage="llm", percent=3)

    assert hint.durable is False
    with pytest.raises(TypeError):
        hint.rank()
