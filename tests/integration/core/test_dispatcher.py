"""The dispatcher, round by round, with no workers: what is sent is read from the broker."""

from __future__ import annotations

import base64
import time
from typing import Any

import orjson
import pytest
from redis import Redis

from orchestrator.chat import turns
from orchestrator.control.dispatcher import Dispatcher
from orchestrator.events import MessageStarted
from orchestrator.log.keys import Keys
from orchestrator.log.turn_log import TurnLog
from orchestrator.log.writer import LogWriter
from orchestrator.queues import QUEUES
from orchestrator.store import jobs
from orchestrator.store.engine import rw
from tests.integration.core import kit
from tests.integration.core.kit import Person
from tests.integration.core.rounds import sent, sent_turns, waiting_rest

pytestmark = pytest.mark.usefixtures("empty")


# --- release ------


def test_turns_are_released_oldest_first(dispatcher: Dispatcher, anna: Person, redis: Redis, keys: Keys) -> None:
    made = [kit.ask(anna, route="chat").turn for _ in range(5)]

    dispatcher.release()

    assert sent_turns(redis, keys, "llm") == made
    assert {kit.turn_row(turn)["state"] for turn in made} == {"running"}


def test_a_conversation_works_on_one_turn_at_a_time(
    dispatcher: Dispatcher, anna: Person, redis: Redis, keys: Keys
) -> None:
    where = kit.conversation(anna)
    first, second = (kit.ask(anna, where, route="chat").turn for _ in range(2))
    dispatcher.release()
    before = sent_turns(redis, keys, "llm")
    kit.end(kit.failed(first))

    dispatcher.release()

    assert before == [first]
    assert sent_turns(redis, keys, "llm") == [first, second]


def test_a_turn_committed_late_does_not_run_beside_a_younger_one(
    dispatcher: Dispatcher, anna: Person, redis: Redis, keys: Keys
) -> None:
    where = kit.conversation(anna)
    running = kit.ask(anna, where, route="chat").turn
    dispatcher.release()
    late = kit.ask(anna, where, route="chat").turn
    kit.age(late, 5)

    dispatcher.release()

    assert sent_turns(redis, keys, "llm") == [running]


def test_no_more_of_a_tenant_are_in_the_broker_than_its_share(
    dispatcher: Dispatcher, anna: Person, redis: Redis, keys: Keys
) -> None:
    made = [kit.ask(anna, route="sql").turn for _ in range(QUEUES["sql"].share + 3)]

    dispatcher.release()
    dispatcher.release()

    assert sent_turns(redis, keys, "sql") == made[: QUEUES["sql"].share]


def test_a_place_that_comes_free_is_given_to_the_next(
    dispatcher: Dispatcher, anna: Person, redis: Redis, keys: Keys
) -> None:
    made = [kit.ask(anna, route="sql").turn for _ in range(QUEUES["sql"].share + 1)]
    dispatcher.release()
    kit.end(kit.failed(made[0]))

    dispatcher.release()

    assert sent_turns(redis, keys, "sql") == made


def test_a_forced_route_is_sent_as_one_chain(dispatcher: Dispatcher, anna: Person, redis: Redis, keys: Keys) -> None:
    turn = kit.ask(anna, route="rag").turn

    dispatcher.release()

    raw: Any = redis.lindex(f"{keys.prefix}:broker:gpu", 0)
    message = orjson.loads(raw)
    chain = orjson.loads(base64.b64decode(message["body"]))[2]["chain"]
    assert message["headers"]["id"] == f"{turn}:1:embed"
    assert message["headers"]["cid"] == "cid_test"
    assert [step["options"]["task_id"] for step in reversed(chain)] == [f"{turn}:1:rag", f"{turn}:1:llm"]
    assert {step["options"]["headers"]["cid"] for step in chain} == {"cid_test"}


def test_the_question_is_in_the_log_before_anything_else_of_its_turn(
    dispatcher: Dispatcher, anna: Person, redis: Redis, keys: Keys
) -> None:
    where = kit.conversation(anna)
    turn = kit.ask(anna, where, route="chat").turn

    dispatcher.release()

    frames = kit.frames(redis, keys, where)
    assert [(frame["type"], frame["data"]["text"]) for frame in frames] == [("turn.accepted", "How much?")]
    assert frames[0]["data"]["turn"] == turn


def test_a_rest_that_waited_is_sent_as_one_chain(
    dispatcher: Dispatcher, anna: Person, redis: Redis, keys: Keys
) -> None:
    turn = waiting_rest(anna, "sql", "llm")

    dispatcher.release()

    assert sent(redis, keys, "sql") == [{"turn": turn, "fence": 1, "dispatch_no": 1}]
    assert kit.stages(turn) == {"classify": "done", "sql": "dispatched", "llm": "dispatched"}


def test_a_slow_warehouse_does_not_hold_up_who_needs_none(
    dispatcher: Dispatcher, anna: Person, redis: Redis, keys: Keys
) -> None:
    for _ in range(QUEUES["sql"].share):
        kit.ask(anna, route="sql")
    dispatcher.release()
    blocked = waiting_rest(anna, "sql", "llm")
    free = waiting_rest(anna, "llm")

    dispatcher.release()

    assert sent_turns(redis, keys, "llm") == [free]
    assert kit.stages(blocked)["sql"] == "waiting"


def test_a_job_is_assigned_and_sent(dispatcher: Dispatcher, anna: Person, redis: Redis, keys: Keys) -> None:
    job = jobs.insert(rw(), tenant=anna.tenant, user=None, type="clean_up", queue="batch", payload={}, cid="cid_j")

    dispatcher.release()

    assert sent(redis, keys, "batch") == [{"job": job, "fence": 1, "dispatch_no": 1}]


def test_rows_for_a_queue_of_another_version_hold_up_nobody(
    dispatcher: Dispatcher, anna: Person, redis: Redis, keys: Keys
) -> None:
    strange: dict[str, Any] = {"tenant": anna.tenant, "user": None, "type": "clean_up", "payload": {}, "cid": "cid_j"}
    jobs.insert(rw(), queue="of-tomorrow", **strange)
    kit.look("UPDATE switchyard_stage SET queue = 'of-tomorrow' WHERE turn_id = :turn", turn=kit.ask(anna).turn)
    mine = kit.ask(anna, route="chat").turn
    job = jobs.insert(rw(), queue="batch", **strange)

    dispatcher.release()

    assert sent_turns(redis, keys, "llm") == [mine]
    assert [message["job"] for message in sent(redis, keys, "batch")] == [job]


# --- waiting ------


def queued_frames(redis: Redis, keys: Keys, where: str) -> list[dict[str, Any]]:
    return [frame["data"] for frame in kit.frames(redis, keys, where) if frame["type"] == "turn.queued"]


def test_a_wait_is_told_once_and_in_plain_words(dispatcher: Dispatcher, anna: Person, redis: Redis, keys: Keys) -> None:
    where = kit.conversation(anna)
    kit.ask(anna, where, route="chat")
    dispatcher.release()
    second = kit.ask(anna, where, route="chat").turn
    kit.waited(second, 0.5)

    dispatcher.sweeper.sweep()
    dispatcher.sweeper.sweep()

    told = [data for data in queued_frames(redis, keys, where) if data["turn"] == second]
    assert [(data["position"], data["queue"]) for data in told] == [(2, "conversation")]
    assert "earlier question" in told[0]["waiting_for"]


def test_whoever_waits_has_a_question_in_the_log_first_even_if_the_gateway_died(
    dispatcher: Dispatcher, anna: Person, redis: Redis, keys: Keys
) -> None:
    where = kit.conversation(anna)
    kit.ask(anna, where, route="chat")
    dispatcher.release()
    second = kit.ask(anna, where, route="chat").turn
    kit.waited(second, 0.5)

    dispatcher.sweeper.sweep()

    assert kit.types_of(kit.frames(redis, keys, where), second) == ["turn.accepted", "turn.queued"]


def test_a_new_position_is_a_hint_and_no_second_event(
    dispatcher: Dispatcher, anna: Person, redis: Redis, keys: Keys
) -> None:
    where = kit.conversation(anna)
    ahead = [waiting_rest(anna, "llm") for _ in range(2)]
    last = kit.released(anna, where, route=None)
    kit.plan_rest(last, kit.running(last, "classify")["stage"], "llm", admitted=0)
    time.sleep(0.2)
    dispatcher.sweeper.sweep()
    listener = redis.pubsub(ignore_subscribe_messages=True)  # type: ignore[no-untyped-call]  # redis-py's gap
    listener.subscribe(keys.channel(where))
    listener.get_message(timeout=1)
    kit.end(kit.failed(ahead[0]))

    dispatcher.sweeper.sweep()

    hint = listener.get_message(timeout=2)
    listener.close()
    assert b"stage.progress" in hint["data"]
    assert [data["position"] for data in queued_frames(redis, keys, where)] == [3]


# --- what nobody else ends ------


def test_a_turn_past_its_deadline_fails_once(dispatcher: Dispatcher, anna: Person, redis: Redis, keys: Keys) -> None:
    where = kit.conversation(anna)
    turn = kit.ask(anna, where, route="chat", deadline_ms=1_000).turn
    dispatcher.release()
    kit.age(turn, 3.5)

    dispatcher.sweeper.sweep()
    dispatcher.sweeper.sweep()

    assert (kit.turn_row(turn)["state"], kit.turn_row(turn)["error_code"]) == ("failed", "deadline_exceeded")
    assert kit.types_of(kit.frames(redis, keys, where), turn) == ["turn.accepted", "turn.failed"]
    assert kit.stages(turn) == {"llm": "skipped"}


def test_a_swept_turn_that_never_started_shows_its_question(
    dispatcher: Dispatcher, anna: Person, redis: Redis, keys: Keys
) -> None:
    where = kit.conversation(anna)
    turn = kit.ask(anna, where, deadline_ms=1_000).turn
    kit.age(turn, 3.5)

    dispatcher.sweeper.sweep()

    assert kit.types_of(kit.frames(redis, keys, where), turn) == ["turn.accepted", "turn.failed"]


def test_a_turn_cancelled_between_dispatch_and_claim_is_cancelled(
    dispatcher: Dispatcher, anna: Person, redis: Redis, keys: Keys
) -> None:
    where = kit.conversation(anna)
    turn = kit.ask(anna, where, route="chat").turn
    dispatcher.release()
    turns.request_cancel(tenant=anna.tenant, user=anna.user, turn=turn)
    time.sleep(1.1)

    dispatcher.sweeper.sweep()

    row = kit.turn_row(turn)
    assert (row["state"], row["reached"]) == ("cancelled", ["queued"])
    assert kit.types_of(kit.frames(redis, keys, where), turn)[-1] == "turn.cancelled"


def test_a_cancelled_turn_is_left_to_the_living_worker_that_runs_it(dispatcher: Dispatcher, anna: Person) -> None:
    turn = kit.released(anna)
    kit.alive("inc_live")
    kit.running(turn, "llm", owner="inc_live")
    turns.request_cancel(tenant=anna.tenant, user=anna.user, turn=turn)
    time.sleep(1.1)

    dispatcher.sweeper.sweep()

    assert kit.turn_row(turn)["state"] == "running"


def test_a_cancelled_turn_of_a_dead_worker_is_ended(dispatcher: Dispatcher, anna: Person) -> None:
    turn = kit.released(anna)
    kit.running(turn, "llm", owner="inc_dead")
    kit.alive("inc_dead", silent_s=7)
    turns.request_cancel(tenant=anna.tenant, user=anna.user, turn=turn)
    time.sleep(1.1)

    dispatcher.sweeper.sweep()

    assert kit.turn_row(turn)["state"] == "cancelled"


def test_nobody_is_judged_dead_right_after_a_trouble(dispatcher: Dispatcher, anna: Person) -> None:
    turn = kit.released(anna)
    kit.running(turn, "llm", owner="inc_dead")
    kit.alive("inc_dead", silent_s=7)
    turns.request_cancel(tenant=anna.tenant, user=anna.user, turn=turn)
    time.sleep(1.1)
    dispatcher.sweeper.judge.lose_sight()

    dispatcher.sweeper.sweep()

    assert kit.turn_row(turn)["state"] == "running"


def test_the_relay_appends_an_ending_whose_winner_died(
    dispatcher: Dispatcher, anna: Person, redis: Redis, keys: Keys
) -> None:
    where = kit.conversation(anna)
    turn = kit.released(anna, where)
    kit.running(turn, "llm")
    kit.end(kit.completed(turn, "the answer"))
    time.sleep(1.1)

    dispatcher.sweeper.sweep()
    dispatcher.sweeper.sweep()

    endings = [frame for frame in kit.frames(redis, keys, where) if frame["type"] == "message.completed"]
    assert [frame["data"]["text"] for frame in endings] == ["the answer"]
    assert kit.outbox(turn)[0]["done_at"] is not None


def test_the_relay_says_what_is_missing_of_the_text_before_its_ending(
    dispatcher: Dispatcher, anna: Person, redis: Redis, keys: Keys
) -> None:
    where = kit.conversation(anna)
    turn = kit.released(anna, where)
    kit.running(turn, "llm")
    pen = TurnLog(LogWriter(redis, keys), conversation=where, turn=turn, fence=1, cid="c", current_fence=lambda: 1)
    pen.say(MessageStarted(turn=turn, attempt=1, message="msg_1"))
    pen.write("the an")
    pen.flush()
    kit.end(kit.completed(turn, "the answer"))
    time.sleep(1.1)

    dispatcher.sweeper.sweep()

    found = [(frame["type"], frame["data"].get("text")) for frame in kit.frames(redis, keys, where)]
    assert found == [
        ("message.started", None),
        ("message.delta", "the an"),
        ("message.delta", "swer"),
        ("message.completed", "the answer"),
    ]


def test_an_outbox_row_that_nobody_understands_does_not_hold_up_the_others(
    dispatcher: Dispatcher, anna: Person, redis: Redis, keys: Keys
) -> None:
    kit.look("INSERT INTO switchyard_outbox (kind, key, body) VALUES ('ending', 'a', '{\"type\": \"new.kind\"}')")
    kit.look(
        "INSERT INTO switchyard_outbox (kind, key, body) VALUES ('ending', 'b', CAST(:body AS jsonb))",
        body='{"type": "turn.failed", "data": {"turn": "t", "code": "internal", "message": "m",'
        ' "retryable": false, "timeline": {}}}',
    )
    where = kit.conversation(anna)
    turn = kit.released(anna, where)
    kit.end(kit.failed(turn))
    time.sleep(1.1)

    dispatcher.sweeper.sweep()

    assert kit.types_of(kit.frames(redis, keys, where), turn) == ["turn.failed"]
    put_off = kit.look("SELECT attempts FROM switchyard_outbox WHERE done_at IS NULL")
    assert [row["attempts"] for row in put_off] == [1, 1]


def test_a_document_that_no_job_will_read_any_more_says_so(dispatcher: Dispatcher, anna: Person) -> None:
    kit.look(
        "INSERT INTO switchyard_document (id, tenant_id, title, filename, mime, size_bytes, digest, language, state,"
        " error, chunks, created_at, updated_at) VALUES ('doc_1', :tenant, 't', 'f', 'm', 1, 'x', '', 'parsing', '',"
        " 0, now(), now() - interval '11 seconds')",
        tenant=anna.tenant,
    )

    dispatcher.sweeper.sweep()

    assert kit.look("SELECT state FROM switchyard_document WHERE id = 'doc_1'")[0]["state"] == "failed"
