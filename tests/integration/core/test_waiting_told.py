"""Whoever waits is told, also for a worker that has not taken the message yet."""

from __future__ import annotations

from typing import Any

import pytest
from redis import Redis

from orchestrator.control.waiting import Waiting
from orchestrator.events import StageFinished
from orchestrator.log.keys import Keys
from orchestrator.log.writer import LogWriter
from orchestrator.store import claiming
from orchestrator.store.engine import rw
from tests.integration.core import kit
from tests.integration.core.kit import Person


@pytest.fixture
def waiting(redis: Redis, keys: Keys) -> Waiting:
    """Return what tells who waits."""
    return Waiting(LogWriter(redis, keys))


def queued(redis: Redis, keys: Keys, turn: str) -> list[tuple[Any, Any]]:
    """Return (queue, position) of every `turn.queued` of a turn."""
    frames = kit.frames(redis, keys, str(kit.turn_row(turn)["conversation_id"]))
    return [(f["data"]["queue"], f["data"]["position"]) for f in frames if f["type"] == "turn.queued"]


def test_a_hop_that_lies_in_the_broker_is_told_its_place_there(
    waiting: Waiting, anna: Person, redis: Redis, keys: Keys
) -> None:
    first, second = kit.released(anna), kit.released(anna)
    kit.waited(first, 3)
    kit.waited(second, 2)

    waiting.tell()

    assert queued(redis, keys, first) == [("llm", 1)]
    assert queued(redis, keys, second) == [("llm", 2)]


def test_a_wait_for_the_writer_after_the_search_is_told(
    waiting: Waiting, anna: Person, redis: Redis, keys: Keys
) -> None:
    turn = kit.released(anna, route="sql")
    hop = kit.running(turn, "sql")
    claiming.finish_stage(rw(), stage=hop["stage"], summary="s")
    finished = StageFinished(
        turn=turn, attempt=1, stage="sql", worker="w", queue_wait_ms=0, duration_ms=1, summary="one row"
    )
    LogWriter(redis, keys).append(hop["conversation"], finished, fence=1, cid="cid_test", asserted=True)
    kit.waited(turn, 2)

    waiting.tell()

    assert queued(redis, keys, turn) == [("llm", 1)]


def test_a_hop_whose_earlier_hop_still_runs_does_not_wait(
    waiting: Waiting, anna: Person, redis: Redis, keys: Keys
) -> None:
    turn = kit.released(anna, route="sql")
    kit.running(turn, "sql")
    kit.waited(turn, 2)

    waiting.tell()

    assert queued(redis, keys, turn) == []
