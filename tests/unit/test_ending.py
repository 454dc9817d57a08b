"""An ending as the outbox keeps it, and where its time went."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from orchestrator.chat.ending import Ending, from_outbox, outbox_body, timeline
from orchestrator.events import MessageCompleted, TurnCancelled, TurnFailed

TIMELINE = timeline(
    [{"stage": "llm", "attempt": 1, "queue": "llm", "queue_wait_ms": 5, "duration_ms": 20, "worker": "w"}], total_ms=40
)
ENDINGS: tuple[Ending, ...] = (
    MessageCompleted(
        turn="trn_1",
        attempt=1,
        message="msg_1",
        text="Hola ¿qué? 🙂",
        citations=({"n": 1, "artifact": "art_1", "start": 3}, {"n": 2, "artifact": "art_1", "start": 9}),
        usage={"input_tokens": 3, "output_tokens": 4, "model": "m"},
        timeline=TIMELINE,
    ),
    TurnFailed(turn="trn_1", code="internal", message="m", retryable=True, timeline=TIMELINE),
    TurnCancelled(
        turn="trn_1", code="cancelled", message="m", retryable=False, timeline=TIMELINE, reached=("sql", "llm")
    ),
)


def through_the_database(event: Ending) -> dict[str, Any]:
    body: dict[str, Any] = orjson.loads(orjson.dumps(outbox_body(event, fence=2, conversation="cnv_1", cid="cid_1")))
    return body


@pytest.mark.parametrize("event", ENDINGS, ids=lambda event: event.type)
def test_the_relay_says_what_the_winner_would_have_said(event: Ending) -> None:
    again = from_outbox(through_the_database(event))

    assert type(again) is type(event)
    assert orjson.dumps(again.data()) == orjson.dumps(event.data())
    assert again.rank() == event.rank()


@pytest.mark.parametrize("event", ENDINGS, ids=lambda event: event.type)
def test_the_outbox_says_where_the_ending_belongs(event: Ending) -> None:
    body = through_the_database(event)

    assert (body["conversation"], body["fence"], body["cid"]) == ("cnv_1", 2, "cid_1")


def test_overhead_is_what_no_stage_and_no_queue_accounts_for() -> None:
    assert TIMELINE["total_ms"] == 40
    assert TIMELINE["overhead_ms"] == 15


def test_overhead_is_never_negative() -> None:
    assert timeline([{"queue_wait_ms": 30, "duration_ms": 30}], total_ms=50)["overhead_ms"] == 0
