"""A turn that was swept says where its time went, and counts no second twice."""

from __future__ import annotations

import pytest
from redis import Redis

from orchestrator.control.sweep import end_overdue
from orchestrator.log.keys import Keys
from orchestrator.log.writer import LogWriter
from tests.integration.core import kit
from tests.integration.core.kit import Person


def waits_of(turn: str) -> dict[str, int]:
    """Return queue -> seconds that the turn's timeline says it was waited there."""
    return {s["queue"]: round(s["queue_wait_ms"] / 1000) for s in kit.turn_row(turn)["timeline"]["stages"]}


def accounted_ms(turn: str) -> int:
    """Return what the stages of a turn's timeline sum up to."""
    return sum(s["queue_wait_ms"] + s["duration_ms"] for s in kit.turn_row(turn)["timeline"]["stages"])


@pytest.fixture
def writer(redis: Redis, keys: Keys) -> LogWriter:
    """Return the dispatcher's pen."""
    return LogWriter(redis, keys)


def test_hops_behind_a_hop_that_never_ran_have_not_waited(anna: Person, writer: LogWriter) -> None:
    turn = kit.ask(anna, route="rag", deadline_ms=1_000).turn
    kit.age(turn, 30)

    end_overdue(writer)

    assert waits_of(turn) == {"gpu": 30, "rag": 0, "llm": 0}
    assert accounted_ms(turn) <= kit.turn_row(turn)["timeline"]["total_ms"]


def test_hops_behind_a_hop_whose_worker_died_have_not_waited(anna: Person, writer: LogWriter) -> None:
    turn = kit.released(anna, route="rag", deadline_ms=1_000)
    kit.running(turn, "embed")
    kit.age(turn, 30)

    end_overdue(writer)

    assert waits_of(turn) == {"gpu": 30, "rag": 0, "llm": 0}
