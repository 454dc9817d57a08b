"""Whatever dies in the middle of a turn: it ends once, with the right ending, and the log says what the row says."""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from redis import Redis

from deploy.testservers import EmbeddedServers
from orchestrator import publish
from orchestrator.log.keys import Keys
from orchestrator.publish import HopMessage
from tests.integration.core import kit
from tests.integration.core.workers import ANSWER, Desk, about, lines, restarted, running_workers, until
from tests.stack import Stack

pytestmark = [pytest.mark.slow, pytest.mark.drill]


@pytest.fixture(scope="module")
def stack(own: EmbeddedServers, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    logs: Path = tmp_path_factory.mktemp("logs")
    with running_workers(logs, "worker-gpu", "worker-llm") as running:
        yield running


@pytest.fixture
def desk(stack: Stack, own: EmbeddedServers, redis: Redis, keys: Keys) -> Desk:
    return Desk(kit.person(), redis, keys)


def assert_answered_once(desk: Desk, turn: str) -> None:
    row = kit.turn_row(turn)
    assert (row["state"], row["answer"]) == ("completed", ANSWER)
    assert desk.text(turn) == ANSWER
    assert desk.ending(turn)["data"]["text"] == ANSWER
    assert len(kit.outbox(turn)) == 1


def test_a_worker_that_is_asked_to_leave_finishes_its_answer(stack: Stack, desk: Desk) -> None:
    turn = desk.ask(route="chat")
    desk.until_streaming(turn)

    code = stack.stop("worker-llm-0")
    desk.until_ended(turn)
    restarted(stack, "worker-llm")

    assert_answered_once(desk, turn)
    assert code == 0
    assert "worker left" in [line["event"] for line in lines(stack, "worker-llm-0")]


def test_what_waits_in_the_broker_while_a_worker_leaves_is_answered_by_the_next(stack: Stack, desk: Desk) -> None:
    first = desk.ask(route="chat")
    desk.until_streaming(first)
    stack.running["worker-llm-0"].send_signal(signal.SIGTERM)
    others = [Desk(desk.who, desk.redis, desk.keys) for _ in range(3)]
    turns = [other.ask(route="chat") for other in others]
    stack.stop("worker-llm-0")
    restarted(stack, "worker-llm")

    for other, turn in zip(others, turns, strict=True):
        other.until_ended(turn)

    assert [kit.turn_row(turn)["answer"] == ANSWER for turn in turns] == [True] * 3
    assert_answered_once(desk, first)


def test_a_turn_whose_worker_is_killed_ends_once_at_its_deadline(stack: Stack, desk: Desk) -> None:
    turn = desk.ask(route="chat", deadline_ms=4_000)
    desk.until_streaming(turn)

    stack.stop("worker-llm-0", number=signal.SIGKILL)
    row = desk.until_ended(turn)
    restarted(stack, "worker-llm")
    time.sleep(2)

    assert (row["state"], row["error_code"]) == ("failed", "deadline_exceeded")
    assert desk.ending(turn)["type"] == "turn.failed"
    assert kit.stages(turn) == {"llm": "failed"}


def test_a_turn_whose_worker_is_killed_can_be_cancelled(stack: Stack, desk: Desk) -> None:
    turn = desk.ask(route="chat")
    desk.until_streaming(turn)
    stack.stop("worker-llm-0", number=signal.SIGKILL)

    began_s = time.monotonic()
    desk.cancel(turn)
    row = desk.until_ended(turn)
    took_s = time.monotonic() - began_s
    restarted(stack, "worker-llm")

    assert row["state"] == "cancelled"
    assert took_s < 12
    assert desk.ending(turn)["type"] == "turn.cancelled"


def test_an_answer_outlives_a_database_that_is_away_for_three_seconds(
    stack: Stack, own: EmbeddedServers, desk: Desk
) -> None:
    turn = desk.ask(route="chat")
    desk.until_streaming(turn)

    own.postgres.stop()
    time.sleep(3)
    own.postgres.start()
    desk.until_ended(turn)

    assert_answered_once(desk, turn)


def test_a_question_asked_right_before_the_database_went_away_is_answered(
    stack: Stack, own: EmbeddedServers, desk: Desk
) -> None:
    turn = desk.ask("hello there")

    own.postgres.stop()
    time.sleep(2)
    own.postgres.start()
    desk.until_ended(turn, limit_s=40)

    assert_answered_once(desk, turn)


def test_a_message_that_comes_while_the_database_is_away_is_not_lost(
    stack: Stack, own: EmbeddedServers, desk: Desk
) -> None:
    turn = kit.released(desk.who, desk.conversation)

    own.postgres.stop()
    publish.send_hops([HopMessage(turn=turn, fence=1, hop="llm", queue="llm", dispatch_no=1)], cid="cid_test")
    time.sleep(3)
    own.postgres.start()
    desk.until_ended(turn, limit_s=40)

    assert kit.turn_row(turn)["answer"] == ANSWER


def test_an_answer_outlives_a_redis_that_is_killed_and_comes_back(
    stack: Stack, own: EmbeddedServers, desk: Desk
) -> None:
    turn = desk.ask(route="chat")
    desk.until_streaming(turn)

    own.redis.kill()
    time.sleep(1)
    own.redis.start()
    desk.until_ended(turn)

    assert_answered_once(desk, turn)


def test_an_answer_outlives_a_redis_that_comes_back_empty(stack: Stack, own: EmbeddedServers, desk: Desk) -> None:
    turn = desk.ask(route="chat")
    desk.until_streaming(turn)

    own.redis.restart_with(None)
    desk.until_ended(turn)

    assert_answered_once(desk, turn)


def test_an_answer_outlives_a_redis_that_comes_back_with_older_data(
    stack: Stack, own: EmbeddedServers, desk: Desk
) -> None:
    desk.until_ended(desk.ask(route="chat"))
    kept = own.redis.keep()
    turn = desk.ask(route="chat")
    desk.until_streaming(turn)

    own.redis.restart_with(kept)
    desk.until_ended(turn)

    assert_answered_once(desk, turn)


def test_an_answer_outlives_a_redis_that_is_away_at_its_end(stack: Stack, own: EmbeddedServers, desk: Desk) -> None:
    turn = desk.ask(route="chat")
    desk.until_streaming(turn)

    own.redis.kill()
    until(lambda: kit.turn_row(turn)["state"] == "completed", 20)
    own.redis.start()
    desk.until_ended(turn)

    assert kit.turn_row(turn)["answer"] == ANSWER
    assert desk.ending(turn)["data"]["text"] == ANSWER


@pytest.mark.parametrize("pause_s", [0.0, 0.02, 0.05, 0.1])
def test_a_question_asked_right_before_redis_died_is_answered(
    stack: Stack, own: EmbeddedServers, desk: Desk, pause_s: float
) -> None:
    turn = desk.ask("hello there")
    time.sleep(pause_s)

    own.redis.kill()
    time.sleep(1.5)
    own.redis.start()
    desk.until_ended(turn, limit_s=40)

    assert_answered_once(desk, turn)


def test_a_flush_in_the_middle_of_a_load_loses_nothing(stack: Stack, own: EmbeddedServers, desk: Desk) -> None:
    desks = [Desk(desk.who, desk.redis, desk.keys) for _ in range(30)]
    turns = [each.ask("hello there") for each in desks]
    desks[0].until_streaming(turns[0])

    desk.redis.flushall()
    for each, turn in zip(desks, turns, strict=True):
        each.until_ended(turn, limit_s=60)

    assert [kit.turn_row(turn)["state"] for turn in turns] == ["completed"] * 30
    assert [each.ending(turn)["data"]["text"] == ANSWER for each, turn in zip(desks, turns, strict=True)] == [True] * 30


def test_every_broker_connection_cut_at_once_doubles_no_answer(stack: Stack, desk: Desk) -> None:
    turn = desk.ask(route="chat")
    desk.until_streaming(turn)

    desk.redis.client_kill_filter(_type="normal", skipme=True)
    desk.until_ended(turn)
    time.sleep(1)

    assert_answered_once(desk, turn)
    assert desk.types(turn).count("message.started") == 1


def test_a_dispatcher_that_is_killed_is_followed_by_the_next(stack: Stack, desk: Desk) -> None:
    stack.stop("dispatcher-0", number=signal.SIGKILL)
    turn = desk.ask("hello there")
    stack.start("dispatcher")

    desk.until_ended(turn, limit_s=40)

    assert_answered_once(desk, turn)


def test_a_dispatcher_leaves_at_once(stack: Stack, desk: Desk) -> None:
    began_s = time.monotonic()
    code = stack.stop("dispatcher-0")
    took_s = time.monotonic() - began_s
    restarted(stack, "dispatcher")

    assert code == 0
    assert took_s < 5


def test_a_worker_that_starts_without_a_database_takes_work_once_it_is_there(
    stack: Stack, own: EmbeddedServers, desk: Desk
) -> None:
    stack.stop("worker-llm-0")
    own.postgres.stop()
    stack.start("worker-llm")
    until(lambda: any(line["event"] == "worker ready" for line in lines(stack, "worker-llm-0")[-5:]), 30)
    own.postgres.start()
    turn = desk.ask("hello there")

    desk.until_ended(turn, limit_s=40)

    assert_answered_once(desk, turn)
    assert [row["name"] for row in kit.look("SELECT name FROM switchyard_process WHERE name = 'worker-llm-0'")]


def test_no_process_died_of_all_this(stack: Stack, desk: Desk) -> None:
    turn = desk.ask("hello there")
    desk.until_ended(turn)

    assert {key: process.poll() for key, process in stack.running.items()} == dict.fromkeys(stack.running)
    assert about(stack, "worker-llm-0", turn)
    assert kit.look("SELECT 1 FROM switchyard_stage WHERE state IN ('waiting', 'dispatched', 'running')") == []
