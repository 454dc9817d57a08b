"""One hop in this process, its work replaced by the test's: whatever happens, the turn ends once or goes on."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

import pytest
from redis import Redis

from deploy.testservers import EmbeddedServers
from orchestrator import ids
from orchestrator.chat import turns
from orchestrator.errors import (
    DeadlineExceededError,
    DependencyDownError,
    EngineError,
    GuardRefusedError,
    NoAnswerError,
    OrchestratorError,
    StoppedError,
    StoreDownError,
)
from orchestrator.events import MessageStarted
from orchestrator.log.keys import Keys
from orchestrator.log.turn_log import LostTurnError
from orchestrator.pipeline.context import Context
from orchestrator.pipeline.retrying import with_retries
from orchestrator.pipeline.run_stage import end, run_stage
from orchestrator.pipeline.runtime import Runtime
from orchestrator.publish import HopMessage
from orchestrator.store.engine import rw
from tests.integration.core import kit
from tests.integration.core.kit import Person

Body = Callable[[Context], Sequence[HopMessage]]


@pytest.fixture
def turn(anna: Person) -> str:
    """Return a turn whose writer is dispatched."""
    return kit.released(anna)


def run(runtime: Runtime, turn: str, body: Body, *, dispatch_no: int = 1) -> Sequence[HopMessage] | None:
    return run_stage("llm", body, runtime=runtime, turn=turn, fence=1, dispatch_no=dispatch_no)


def where(turn: str) -> str:
    return str(kit.turn_row(turn)["conversation_id"])


def raising(error: BaseException) -> Body:
    def body(_: Context) -> Sequence[HopMessage]:
        raise error

    return body


def answering(text: str) -> Body:
    def body(context: Context) -> Sequence[HopMessage]:
        context.log.say(MessageStarted(turn=context.turn, attempt=1, message="msg_1"))
        context.log.write(text)
        end(context, kit.completed(context.turn, text), summary="s")
        return ()

    return body


def test_a_good_hop_starts_and_ends_in_row_and_log(runtime: Runtime, turn: str, redis: Redis, keys: Keys) -> None:
    rest = run(runtime, turn, answering("yes"))

    types = kit.types_of(kit.frames(redis, keys, where(turn)), turn)
    assert rest == ()
    assert types == ["stage.started", "message.started", "message.delta", "message.completed"]
    assert kit.outbox(turn)[0]["done_at"] is not None


def test_a_hop_that_was_claimed_by_another_does_nothing(runtime: Runtime, turn: str) -> None:
    kit.running(turn, "llm", owner="inc_other")

    rest = run(runtime, turn, raising(AssertionError("must not run")))

    assert rest is None
    assert kit.turn_row(turn)["state"] == "running"


def test_an_old_message_does_nothing(runtime: Runtime, turn: str) -> None:
    assert run(runtime, turn, raising(AssertionError("must not run")), dispatch_no=0) is None


def test_a_message_of_no_turn_does_nothing(runtime: Runtime) -> None:
    assert run(runtime, ids.turn_id(), raising(AssertionError("must not run"))) is None


@pytest.mark.parametrize(
    ("error", "code", "retryable"),
    [
        (NoAnswerError("x", detail_key="rag.no_answer"), "no_answer", False),
        (GuardRefusedError("x"), "refused_by_guard", False),
        (DependencyDownError("x", dependency="llm"), "dependency_down", True),
        (DeadlineExceededError("x"), "deadline_exceeded", True),
        (EngineError("x", engine="llm"), "internal", False),
        (EngineError("x", engine="llm", transient=True), "internal", True),
        (ValueError("a secret detail"), "internal", False),
        (KeyError("a secret detail"), "internal", False),
    ],
)
def test_a_failure_ends_the_turn_once_in_words_for_people(
    runtime: Runtime, turn: str, redis: Redis, keys: Keys, error: Exception, code: str, retryable: bool
) -> None:
    rest = run(runtime, turn, raising(error))

    row = kit.turn_row(turn)
    last = kit.frames(redis, keys, where(turn))[-1]
    assert rest is None
    assert (row["state"], row["error_code"], row["error_retryable"]) == ("failed", code, retryable)
    assert (last["type"], last["data"]["message"]) == ("turn.failed", row["error_message"])
    assert "secret" not in row["error_message"]


def test_a_stop_ends_the_turn_as_cancelled(runtime: Runtime, turn: str, redis: Redis, keys: Keys) -> None:
    run(runtime, turn, raising(StoppedError("llm")))

    assert (kit.turn_row(turn)["state"], kit.stages(turn)) == ("cancelled", {"llm": "stopped"})
    assert kit.frames(redis, keys, where(turn))[-1]["data"]["reached"] == ["llm"]


def test_a_cancel_that_came_before_the_claim_starts_no_work(runtime: Runtime, anna: Person, turn: str) -> None:
    turns.request_cancel(tenant=anna.tenant, user=anna.user, turn=turn)

    run(runtime, turn, raising(AssertionError("must not run")))

    assert kit.turn_row(turn)["state"] == "cancelled"


def test_a_hop_without_time_left_says_so_instead_of_starting(runtime: Runtime, turn: str) -> None:
    kit.look("UPDATE switchyard_turn SET deadline_at = now() WHERE id = :turn", turn=turn)

    run(runtime, turn, raising(AssertionError("must not run")))

    assert kit.turn_row(turn)["error_code"] == "deadline_exceeded"


def test_a_lost_turn_is_left_to_who_has_it(runtime: Runtime, turn: str) -> None:
    rest = run(runtime, turn, raising(LostTurnError("x")))

    assert rest is None
    assert kit.turn_row(turn)["state"] == "running"


def test_a_turn_that_was_swept_meanwhile_keeps_its_ending(
    runtime: Runtime, turn: str, redis: Redis, keys: Keys
) -> None:
    def body(context: Context) -> Sequence[HopMessage]:
        kit.end(kit.failed(turn))
        return answering("too late")(context)

    run(runtime, turn, body)

    assert (kit.turn_row(turn)["state"], kit.turn_row(turn)["answer"]) == ("failed", None)
    assert "message.completed" not in kit.types_of(kit.frames(redis, keys, where(turn)), turn)


def test_an_ending_waits_for_a_database_that_is_away_without_spinning(
    runtime: Runtime, own: EmbeddedServers, turn: str
) -> None:
    stopped = threading.Event()

    def body(context: Context) -> Sequence[HopMessage]:
        context.stop.set()
        stopped.wait(20)
        raise StoppedError("llm")

    began_s = time.process_time()
    with ThreadPoolExecutor(1) as pool:
        # The servers end with the thread that started them, so this one stops and starts them.
        running = pool.submit(run, runtime, turn, body)
        time.sleep(0.3)
        own.postgres.stop()
        stopped.set()
        time.sleep(2.5)
        spent_s = time.process_time() - began_s
        own.postgres.start()
        running.result(30)

    assert kit.turn_row(turn)["state"] == "cancelled"
    assert spent_s < 1


def test_an_ending_that_redis_did_not_take_stays_open_for_the_relay(
    runtime: Runtime, own: EmbeddedServers, turn: str
) -> None:
    def body(context: Context) -> Sequence[HopMessage]:
        own.redis.stop()
        return answering("kept in the row")(context)

    try:
        run(runtime, turn, body)
    finally:
        own.redis.start()

    assert kit.turn_row(turn)["answer"] == "kept in the row"
    assert kit.outbox(turn)[0]["done_at"] is None


def test_a_failure_leaves_no_connection_behind(runtime: Runtime, anna: Person) -> None:
    made = [kit.released(anna) for _ in range(12)]

    kit.at_once(12, lambda n: run(runtime, made[n], raising(ValueError("x"))))

    assert {kit.turn_row(turn)["state"] for turn in made} == {"failed"}
    assert rw().pool.checkedout() == 0  # type: ignore[attr-defined]  # a QueuePool
    assert runtime.stops.names() == []


# --- retries ---------------------------------------------------------------------------------------------------------


def attempts(runtime: Runtime, turn: str, *errors: OrchestratorError, deadline_ms: int = 60_000) -> tuple[int, str]:
    """Run work that fails by each error in turn and then succeeds; return (calls, the turn's state)."""
    left, calls = list(errors), list[int]()

    def work() -> str:
        calls.append(1)
        if left:
            raise left.pop(0)
        return "done"

    def body(context: Context) -> Sequence[HopMessage]:
        with_retries(context, work)
        return answering("done")(context)

    kit.look(
        "UPDATE switchyard_turn SET deadline_at = now() + :ms * interval '1 millisecond' WHERE id = :turn",
        ms=deadline_ms,
        turn=turn,
    )
    run(runtime, turn, body)
    return len(calls), str(kit.turn_row(turn)["state"])


def down() -> DependencyDownError:
    return DependencyDownError("x", dependency="warehouse")


def test_a_passing_failure_is_tried_again(runtime: Runtime, turn: str) -> None:
    assert attempts(runtime, turn, down(), EngineError("x", engine="e", transient=True)) == (3, "completed")


def test_three_tries_are_enough(runtime: Runtime, turn: str) -> None:
    assert attempts(runtime, turn, down(), down(), down()) == (3, "failed")


def test_a_store_that_was_away_for_a_moment_is_tried_again(runtime: Runtime, turn: str) -> None:
    assert attempts(runtime, turn, StoreDownError("x", dependency="database")) == (2, "completed")


@pytest.mark.parametrize("error", [GuardRefusedError("x"), EngineError("x", engine="e"), StoppedError("sql")])
def test_a_lasting_failure_is_not_tried_again(runtime: Runtime, turn: str, error: OrchestratorError) -> None:
    assert attempts(runtime, turn, error)[0] == 1


def test_nothing_is_tried_again_when_the_deadline_is_near(runtime: Runtime, turn: str) -> None:
    assert attempts(runtime, turn, down(), deadline_ms=900) == (1, "failed")


def test_a_stop_ends_the_wait_between_two_tries(runtime: Runtime, turn: str) -> None:
    def body(context: Context) -> Sequence[HopMessage]:
        def work() -> None:
            context.stop.set()
            raise down()

        with_retries(context, work)
        return ()

    run(runtime, turn, body)

    assert kit.turn_row(turn)["state"] == "cancelled"
