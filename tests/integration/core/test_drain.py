"""Real workers that are told to stop: what they run, what waits for them, what they leave behind."""

from __future__ import annotations

import signal
from pathlib import Path
from typing import Any

import pytest
from redis import Redis

from deploy.testservers import EmbeddedServers
from orchestrator.log.keys import Keys
from tests.integration.core import kit
from tests.integration.core.kit import Person
from tests.integration.core.workers import ANSWER, Desk, running_workers, until

pytestmark = pytest.mark.drill
NAMES = ("worker-gpu", "worker-llm")
LLM = "worker-llm-0"


@pytest.fixture
def desk(anna: Person, redis: Redis, keys: Keys) -> Desk:
    return Desk(anna, redis, keys)


def in_broker(redis: Redis, keys: Keys) -> dict[str, int]:
    """Return how many messages wait for the llm worker, and how many somebody has taken and not acknowledged."""
    prefix = f"{keys.prefix}:broker:"
    # redis-py types replies as possibly awaitable.
    waiting: Any = redis.llen(prefix + "llm")
    taken: Any = redis.hlen(prefix + "unacked")
    return {"llm": waiting, "unacked": taken}


def streaming(desk: Desk) -> str:
    """Return a turn whose answer is being written."""
    turn = desk.ask(route="chat")
    desk.until_streaming(turn)
    return turn


def end_of(desk: Desk, turn: str) -> dict[str, object]:
    """Return how a turn ended, by its row and by its log; the log holds one ending, or this fails."""
    row = desk.until_ended(turn)
    return {"state": row["state"], "attempt": row["fence"], "told": desk.ending(turn)["type"]}


def processes() -> list[str]:
    return [str(row["name"]) for row in kit.look("SELECT name FROM switchyard_process ORDER BY name")]


def test_a_stage_that_ends_in_time_is_finished_by_the_worker_that_leaves(
    desk: Desk, redis: Redis, keys: Keys, tmp_path: Path
) -> None:
    with running_workers(tmp_path, *NAMES) as stack:
        turn = streaming(desk)

        code = stack.stop(LLM)

        assert code == 0
        assert end_of(desk, turn) == {"state": "completed", "attempt": 1, "told": "message.completed"}
        assert in_broker(redis, keys) == {"llm": 0, "unacked": 0}


def test_a_stage_that_does_not_is_handed_back_and_finished_by_the_next_worker(
    desk: Desk, redis: Redis, keys: Keys, tmp_path: Path
) -> None:
    with running_workers(tmp_path, *NAMES, SWITCHYARD_DRAIN_S="0.3") as stack:
        turn = streaming(desk)

        code = stack.stop(LLM)
        left = (kit.stages(turn), in_broker(redis, keys)["unacked"], desk.types(turn).count("message.completed"))
        stack.start("worker-llm")

        assert code == 0
        assert left[1:] == (0, 0)
        assert end_of(desk, turn) == {"state": "completed", "attempt": 2, "told": "message.completed"}
        assert desk.text(turn) == ANSWER
        outcomes = kit.look("SELECT fence, state FROM switchyard_stage WHERE turn_id = :turn ORDER BY fence", turn=turn)
        assert [(row["fence"], row["state"]) for row in outcomes] == [(1, "handed_back"), (2, "done")]
        stack.stop(LLM)
        assert in_broker(redis, keys) == {"llm": 0, "unacked": 0}


def test_a_second_signal_hands_back_at_once(desk: Desk, tmp_path: Path) -> None:
    with running_workers(tmp_path, *NAMES, SWITCHYARD_DRAIN_S="60") as stack:
        turn = streaming(desk)
        stack.running[LLM].send_signal(signal.SIGTERM)
        until(lambda: "worker drains" in stack.log(LLM), 5)

        # Within its 20 s, although the limit is 60.
        code = stack.stop(LLM)
        stack.start("worker-llm")

        assert code == 0
        assert end_of(desk, turn)["attempt"] == 2


def test_a_users_stop_is_a_stop_also_while_its_worker_leaves(desk: Desk, tmp_path: Path) -> None:
    with running_workers(tmp_path, *NAMES) as stack:
        turn = streaming(desk)
        stack.running[LLM].send_signal(signal.SIGTERM)
        until(lambda: "worker drains" in stack.log(LLM), 5)

        desk.cancel(turn)

        assert end_of(desk, turn) == {"state": "cancelled", "attempt": 1, "told": "turn.cancelled"}


def test_what_waits_for_the_only_worker_is_answered_by_the_next_one(
    anna: Person, redis: Redis, keys: Keys, tmp_path: Path
) -> None:
    desks = [Desk(anna, redis, keys) for _ in range(24)]  # the worker takes 16 of them
    with running_workers(tmp_path, *NAMES, SWITCHYARD_DRAIN_S="0.3") as stack:
        turns = [desk.ask(route="chat") for desk in desks]
        until(lambda: in_broker(redis, keys)["unacked"] >= 8, 20)

        stack.stop(LLM)
        left = in_broker(redis, keys)["unacked"]
        stack.start("worker-llm")
        ends = [end_of(desk, turn) for desk, turn in zip(desks, turns, strict=True)]

        assert left == 0
        assert {(end["state"], end["told"]) for end in ends} == {("completed", "message.completed")}
        assert {end["attempt"] for end in ends} <= {1, 2}


def test_a_message_that_comes_while_the_worker_leaves_is_left_to_the_next_one(
    desk: Desk, redis: Redis, keys: Keys, tmp_path: Path
) -> None:
    with running_workers(tmp_path, *NAMES) as stack:
        stack.running[LLM].send_signal(signal.SIGTERM)
        until(lambda: "worker drains" in stack.log(LLM), 5)
        # Its last BRPOP may still be open, and then takes the message out of the queue.
        turn = desk.ask(route="chat")
        until(lambda: kit.stages(turn)["llm"] == "dispatched", 5)

        stack.stop(LLM)
        left = (in_broker(redis, keys), kit.stages(turn)["llm"])
        stack.start("worker-llm")

        assert left == ({"llm": 1, "unacked": 0}, "dispatched")
        assert end_of(desk, turn) == {"state": "completed", "attempt": 1, "told": "message.completed"}


@pytest.mark.parametrize("key", [LLM, "worker-gpu-0", "dispatcher-0"])
def test_whoever_has_nothing_to_do_leaves_in_order(
    key: str, anna: Person, redis: Redis, keys: Keys, tmp_path: Path
) -> None:
    with running_workers(tmp_path, *NAMES) as stack:
        code = stack.stop(key)

        assert code == 0
        assert key.removesuffix("-0") not in " ".join(processes())


def test_a_dispatcher_that_leaves_is_followed_by_the_one_that_waited(desk: Desk, tmp_path: Path) -> None:
    with running_workers(tmp_path, *NAMES) as stack:
        stack.start("dispatcher", index=1)
        until(lambda: len([name for name in processes() if name.startswith("dispatcher")]) == 2, 30)

        code = stack.stop("dispatcher-0")
        until(lambda: "leading" in stack.log("dispatcher-1"), 20)
        turn = desk.ask(route="chat")

        assert code == 0
        assert end_of(desk, turn) == {"state": "completed", "attempt": 1, "told": "message.completed"}


def test_a_worker_leaves_also_while_the_broker_is_away(
    desk: Desk, own: EmbeddedServers, redis: Redis, tmp_path: Path
) -> None:
    with running_workers(tmp_path, *NAMES, SWITCHYARD_DRAIN_S="1") as stack:
        turn = streaming(desk)
        own.redis.stop()
        try:
            code = stack.stop(LLM)
        finally:
            own.redis.start()
        stack.start("worker-llm")

        assert code == 0
        assert end_of(desk, turn)["state"] == "completed"


def test_a_worker_leaves_also_while_the_database_is_away(desk: Desk, own: EmbeddedServers, tmp_path: Path) -> None:
    with running_workers(tmp_path, *NAMES, SWITCHYARD_DRAIN_S="0.3") as stack:
        turn = streaming(desk)
        own.postgres.stop()
        try:
            stack.stop(LLM)
        finally:
            own.postgres.start()
        stack.start("worker-llm")

        assert end_of(desk, turn)["state"] == "completed"
