"""What the dead, the frozen and the forgetful leave behind goes again, once."""

from __future__ import annotations

import pytest
from redis import Redis

from orchestrator.chat import turns
from orchestrator.control.dispatcher import Dispatcher
from orchestrator.log.keys import Keys
from orchestrator.store import claiming, jobs, recovering
from orchestrator.store.engine import rw
from tests.integration.core import kit
from tests.integration.core.kit import Person
from tests.integration.core.rounds import sent, sent_turns

pytestmark = pytest.mark.usefixtures("empty")


def attempts(turn: str) -> list[tuple[int, str, str]]:
    """Return (fence, hop, state) of a turn's stages in order."""
    rows = kit.look(
        "SELECT fence, hop, state FROM switchyard_stage WHERE turn_id = :turn ORDER BY fence, place", turn=turn
    )
    return [(row["fence"], row["hop"], row["state"]) for row in rows]


def lost_by_a_dead_worker(turn: str, hop: str, *, fence: int = 1, dispatch_no: int = 1) -> None:
    """Have a worker claim a hop and die."""
    row = kit.claim(turn, hop, fence=fence, dispatch_no=dispatch_no, owner="inc_gone")
    assert row is not None
    assert row["stage"] is not None


# --- takeover ------


def test_a_dead_workers_stage_goes_again_under_the_next_fence(
    dispatcher: Dispatcher, anna: Person, redis: Redis, keys: Keys
) -> None:
    turn = kit.ask(anna, route="sql").turn
    dispatcher.release()
    lost_by_a_dead_worker(turn, "sql")

    dispatcher.sweeper.sweep()
    dispatcher.release()

    assert kit.turn_row(turn)["fence"] == 2
    assert sent(redis, keys, "sql")[-1] == {"turn": turn, "fence": 2, "dispatch_no": 1}
    assert attempts(turn) == [
        (1, "sql", "lost"),
        (1, "llm", "skipped"),
        (2, "sql", "dispatched"),
        (2, "llm", "dispatched"),
    ]


def test_what_was_done_before_is_not_done_again(dispatcher: Dispatcher, anna: Person) -> None:
    turn = kit.ask(anna, route="rag").turn
    dispatcher.release()
    stage = kit.running(turn, "embed")["stage"]
    claiming.carry_to(rw(), turn=turn, fence=1, hop="rag", carry={"embedding": "e"})
    claiming.finish_stage(rw(), stage=stage, summary="")
    lost_by_a_dead_worker(turn, "rag")

    dispatcher.sweeper.sweep()
    dispatcher.release()

    again = kit.claim(turn, "rag", fence=2)
    assert again is not None
    assert again["carry"] == {"embedding": "e"}
    assert (1, "embed", "done") in attempts(turn)
    assert (2, "embed", "dispatched") not in attempts(turn)


def test_a_living_workers_stage_is_left_alone(dispatcher: Dispatcher, anna: Person) -> None:
    turn = kit.ask(anna, route="chat").turn
    dispatcher.release()
    kit.alive("inc_a")
    kit.running(turn, "llm")

    dispatcher.sweeper.sweep()

    assert attempts(turn) == [(1, "llm", "running")]


def test_nobody_is_taken_over_before_a_lease_of_watching(dispatcher: Dispatcher, anna: Person) -> None:
    turn = kit.ask(anna, route="chat").turn
    dispatcher.release()
    lost_by_a_dead_worker(turn, "llm")
    dispatcher.sweeper.judge.lose_sight()

    dispatcher.sweeper.sweep()

    assert attempts(turn) == [(1, "llm", "running")]


def test_a_worker_that_wakes_up_after_its_lease_can_finish_and_end_nothing(
    dispatcher: Dispatcher, anna: Person
) -> None:
    turn = kit.ask(anna, route="chat").turn
    dispatcher.release()
    stage = kit.running(turn, "llm")["stage"]
    dispatcher.sweeper.sweep()

    assert claiming.finish_stage(rw(), stage=stage, summary="s") is False
    assert kit.end(kit.completed(turn), fence=1) is False
    assert kit.turn_row(turn)["state"] == "running"


def test_takeover_and_ending_at_once_leave_one_truth(anna: Person) -> None:
    turn = kit.released(anna)
    stage = kit.running(turn, "llm")["stage"]

    kit.at_once(
        2,
        lambda n: recovering.take_over(rw(), stage=stage) if n else kit.end(kit.completed(turn)),
    )

    row = kit.turn_row(turn)
    assert (row["state"], row["fence"]) in {("completed", 1), ("running", 2)}


def test_many_that_take_over_begin_one_attempt(anna: Person) -> None:
    turn = kit.released(anna)
    stage = kit.running(turn, "llm")["stage"]

    begun = kit.at_once(6, lambda _: recovering.take_over(rw(), stage=stage))

    assert sum(row is not None for row in begun) == 1
    assert kit.turn_row(turn)["fence"] == 2


def test_a_stage_is_handed_back_only_by_its_owner(anna: Person) -> None:
    turn = kit.released(anna)
    stage = kit.running(turn, "llm", owner="inc_a")["stage"]

    strange = recovering.hand_back(rw(), stage=stage, owner="inc_b")
    own = recovering.hand_back(rw(), stage=stage, owner="inc_a")

    assert strange is None
    assert own is not None
    assert attempts(turn) == [(1, "llm", "handed_back"), (2, "llm", "waiting")]


def test_a_turn_that_kills_its_workers_is_set_aside_with_its_history(
    dispatcher: Dispatcher, anna: Person, redis: Redis, keys: Keys
) -> None:
    where = kit.conversation(anna)
    turn = kit.ask(anna, where, route="chat").turn
    dispatcher.release()
    lost_by_a_dead_worker(turn, "llm")
    dispatcher.sweeper.sweep()
    dispatcher.release()
    lost_by_a_dead_worker(turn, "llm", fence=2)
    dispatcher.sweeper.sweep()
    dispatcher.release()
    lost_by_a_dead_worker(turn, "llm", fence=3)

    dispatcher.sweeper.sweep()

    letters = kit.look("SELECT hop, code, cause, history FROM switchyard_dead_letter WHERE turn_id = :turn", turn=turn)
    assert (kit.turn_row(turn)["state"], kit.turn_row(turn)["error_code"]) == ("failed", "internal")
    assert [(row["hop"], row["code"], len(row["history"])) for row in letters] == [("llm", "internal", 3)]
    assert kit.types_of(kit.frames(redis, keys, where), turn)[-1] == "turn.failed"


def test_a_cancelled_turn_of_a_dead_worker_is_cancelled_and_not_tried_again(
    dispatcher: Dispatcher, anna: Person
) -> None:
    turn = kit.ask(anna, route="chat").turn
    dispatcher.release()
    lost_by_a_dead_worker(turn, "llm")
    turns.request_cancel(tenant=anna.tenant, user=anna.user, turn=turn)

    dispatcher.sweeper.sweep()

    assert (kit.turn_row(turn)["state"], kit.turn_row(turn)["fence"]) == ("cancelled", 1)


# --- claimed and forgotten ------


def test_what_its_owner_does_not_run_is_handed_back(anna: Person) -> None:
    forgotten, known, fresh = (kit.released(anna) for _ in range(3))
    for turn in (forgotten, known, fresh):
        kit.running(turn, "llm", owner="inc_a")
    kit.look(
        "UPDATE switchyard_stage SET started_at = now() - interval '9 seconds' WHERE turn_id = ANY(:turns)",
        turns=[forgotten, known],
    )

    given_up = recovering.hand_back_forgotten(rw(), owner="inc_a", known=[known], grace_s=3)

    assert given_up == [forgotten]
    assert attempts(forgotten) == [(1, "llm", "handed_back"), (2, "llm", "waiting")]
    assert attempts(known) == attempts(fresh) == [(1, "llm", "running")]


# --- unclaimed ------


def long_ago(turn: str, seconds: float = 5) -> None:
    """Make a turn's dispatch older."""
    kit.look(
        "UPDATE switchyard_stage SET ready_at = ready_at - :s * interval '1 second',"
        " dispatched_at = dispatched_at - :s * interval '1 second' WHERE turn_id = :turn",
        s=seconds,
        turn=turn,
    )


def test_what_a_free_worker_did_not_claim_is_sent_again(
    dispatcher: Dispatcher, anna: Person, redis: Redis, keys: Keys
) -> None:
    turn = kit.ask(anna, route="sql").turn
    dispatcher.release()
    kit.alive("inc_free", queues=["sql"], slots=1)
    long_ago(turn)

    dispatcher.sweeper.sweep()
    dispatcher.release()

    assert [message["dispatch_no"] for message in sent(redis, keys, "sql")] == [1, 2]
    old = kit.claim(turn, "sql", dispatch_no=1)
    assert old is not None
    assert old["stage"] is None


def test_a_full_queue_is_no_sign_of_a_loss(dispatcher: Dispatcher, anna: Person, redis: Redis, keys: Keys) -> None:
    kit.alive("inc_busy", queues=["llm"], slots=1)
    first = kit.ask(anna, route="chat").turn
    dispatcher.release()
    kit.running(first, "llm", owner="inc_busy")
    second = kit.ask(anna, route="chat").turn
    dispatcher.release()
    long_ago(first)
    long_ago(second)

    dispatcher.sweeper.sweep()
    dispatcher.release()

    assert sent_turns(redis, keys, "llm") == [first, second]


def test_whoever_was_overtaken_is_sent_again_though_the_queue_is_full(
    dispatcher: Dispatcher, anna: Person, redis: Redis, keys: Keys
) -> None:
    kit.alive("inc_busy", queues=["llm"], slots=1)
    lost = kit.ask(anna, route="chat").turn
    dispatcher.release()
    long_ago(lost, 9)
    later = kit.ask(anna, route="chat").turn
    dispatcher.release()
    kit.running(later, "llm", owner="inc_busy")

    dispatcher.sweeper.sweep()
    dispatcher.release()

    assert sent_turns(redis, keys, "llm") == [lost, later, lost]


def test_without_a_worker_nothing_is_sent_again(dispatcher: Dispatcher, anna: Person, redis: Redis, keys: Keys) -> None:
    turn = kit.ask(anna, route="chat").turn
    dispatcher.release()
    long_ago(turn)

    dispatcher.sweeper.sweep()
    dispatcher.release()

    assert sent_turns(redis, keys, "llm") == [turn]


def test_a_hop_that_was_never_published_after_the_one_before_goes_on(
    dispatcher: Dispatcher, anna: Person, redis: Redis, keys: Keys
) -> None:
    turn = kit.ask(anna, route="sql").turn
    dispatcher.release()
    claiming.finish_stage(rw(), stage=kit.running(turn, "sql")["stage"], summary="s")
    kit.alive("inc_free", queues=["llm"], slots=1)
    long_ago(turn)

    dispatcher.sweeper.sweep()
    dispatcher.release()

    assert sent(redis, keys, "llm") == [{"turn": turn, "fence": 1, "dispatch_no": 2}]


def test_a_job_that_a_free_worker_did_not_claim_is_sent_again(
    dispatcher: Dispatcher, anna: Person, redis: Redis, keys: Keys
) -> None:
    job = jobs.insert(rw(), tenant=anna.tenant, user=None, type="clean_up", queue="batch", payload={}, cid="c")
    dispatcher.release()
    kit.alive("inc_free", queues=["batch"], slots=1)
    kit.look("UPDATE switchyard_job SET dispatched_at = now() - interval '5 seconds' WHERE id = :job", job=job)

    dispatcher.sweeper.sweep()
    dispatcher.release()

    assert sent(redis, keys, "batch")[-1] == {"job": job, "fence": 1, "dispatch_no": 2}
