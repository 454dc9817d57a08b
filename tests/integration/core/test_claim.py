"""Claims, plans, artifacts, endings and cancels, each guarded by the old state and the fence."""

from __future__ import annotations

import threading
import time

import pytest
from sqlalchemy import text

from orchestrator import ids
from orchestrator.chat import turns
from orchestrator.errors import (
    ConflictError,
    NotFoundError,
)
from orchestrator.store import claiming, outbox, recovering, releasing
from orchestrator.store.engine import rw
from tests.integration.core import kit
from tests.integration.core.kit import Person

pytestmark = pytest.mark.usefixtures("empty")


# --- claim ------------------------------------------------------------------------------------------------------------


def test_a_claim_gives_what_a_stage_needs(anna: Person) -> None:
    turn = kit.released(anna, deadline_ms=60_000)

    row = kit.claim(turn, "llm")

    assert row is not None
    assert row["stage"] is not None
    assert 50_000 < row["remaining_ms"] <= 60_000
    assert (row["text"], row["language"], row["past"], row["cancel_requested"]) == ("How much?", "en", [], False)


def test_a_second_claim_is_refused(anna: Person) -> None:
    turn = kit.released(anna)
    kit.running(turn, "llm")

    row = kit.claim(turn, "llm", owner="inc_b")

    assert row is not None
    assert row["stage"] is None


def test_a_claim_on_many_threads_is_won_once(anna: Person) -> None:
    turn = kit.released(anna)

    rows = kit.at_once(8, lambda n: kit.claim(turn, "llm", owner=f"inc_{n}"))

    assert [row["stage"] is not None for row in rows if row].count(True) == 1


@pytest.mark.parametrize(("fence", "dispatch_no"), [(1, 0), (1, 2), (2, 1), (0, 1)])
def test_a_claim_with_another_number_or_fence_is_refused(anna: Person, fence: int, dispatch_no: int) -> None:
    turn = kit.released(anna)

    row = kit.claim(turn, "llm", fence=fence, dispatch_no=dispatch_no)

    assert row is not None
    assert row["stage"] is None


def test_a_claim_before_the_release_is_refused(anna: Person) -> None:
    turn = kit.ask(anna, route="chat").turn

    row = kit.claim(turn, "llm", dispatch_no=0)

    assert row is not None
    assert row["stage"] is None


def test_a_claim_of_an_ended_turn_is_refused(anna: Person) -> None:
    turn = kit.released(anna)
    kit.end(kit.failed(turn))

    row = kit.claim(turn, "llm")

    assert row is not None
    assert row["stage"] is None


def test_a_claim_of_no_turn_gives_nothing() -> None:
    assert kit.claim(ids.turn_id(), "llm") is None


def test_a_hop_is_not_claimed_before_the_one_in_front_of_it_is_done(anna: Person) -> None:
    turn = kit.released(anna, route="sql")
    kit.running(turn, "sql")

    early = kit.claim(turn, "llm")

    assert early is not None
    assert early["stage"] is None


def test_a_hop_is_claimed_once_the_one_in_front_of_it_is_done(anna: Person) -> None:
    turn = kit.released(anna, route="sql")
    claiming.finish_stage(rw(), stage=kit.running(turn, "sql")["stage"], summary="3 rows")

    row = kit.running(turn, "llm")

    assert [(p["stage"], p["outcome"]) for p in row["past"]] == [("sql", "done")]


def test_the_wait_of_a_chained_hop_begins_when_the_one_in_front_is_done(anna: Person) -> None:
    turn = kit.released(anna, route="sql")
    stage = kit.running(turn, "sql")["stage"]
    time.sleep(0.3)
    claiming.finish_stage(rw(), stage=stage, summary="s")

    row = kit.running(turn, "llm")

    assert row["queue_wait_ms"] < 250


def test_a_claim_says_that_a_cancel_was_asked_for(anna: Person) -> None:
    turn = kit.released(anna, route="sql")
    stage = kit.running(turn, "sql")["stage"]
    turns.request_cancel(tenant=anna.tenant, user=anna.user, turn=turn)
    claiming.finish_stage(rw(), stage=stage, summary="s")

    assert kit.running(turn, "llm")["cancel_requested"] is True


# --- plan -------------------------------------------------------------------------------------------------------------


def classified(anna: Person) -> tuple[str, int]:
    turn = kit.released(anna, route=None)
    return turn, kit.running(turn, "classify")["stage"]


def test_a_plan_with_room_dispatches_the_rest(anna: Person) -> None:
    turn, stage = classified(anna)

    planned = kit.plan_rest(turn, stage, "sql", "llm")

    assert planned is not None
    assert planned["admitted"] is True
    assert kit.stages(turn) == {"classify": "done", "sql": "dispatched", "llm": "dispatched"}
    assert (kit.turn_row(turn)["route"], kit.turn_row(turn)["confidence"]) == ("chat", 0.9)


def test_a_plan_without_room_waits_as_a_whole(anna: Person) -> None:
    turn, stage = classified(anna)

    planned = kit.plan_rest(turn, stage, "sql", "llm", admitted=0)

    assert planned is not None
    assert planned["admitted"] is False
    assert kit.stages(turn) == {"classify": "done", "sql": "waiting", "llm": "waiting"}


def test_nobody_overtakes_a_plan_that_waits(anna: Person) -> None:
    first, stage = classified(anna)
    kit.plan_rest(first, stage, "llm", admitted=0)
    second, stage = classified(anna)

    planned = kit.plan_rest(second, stage, "llm")

    assert planned is not None
    assert planned["admitted"] is False
    assert [row["turn"] for row in releasing.candidates(rw(), most=9)] == [first, second]


def test_a_plan_of_an_ended_turn_plans_nothing(anna: Person) -> None:
    turn, stage = classified(anna)
    kit.end(kit.failed(turn))

    assert kit.plan_rest(turn, stage, "llm") is None
    assert kit.stages(turn) == {"classify": "failed"}


def test_a_released_rest_is_claimed_with_number_one(anna: Person) -> None:
    turn, stage = classified(anna)
    kit.plan_rest(turn, stage, "llm", admitted=0)

    releasing.release(rw(), [(turn, 1)])

    assert kit.running(turn, "llm")["stage"] is not None


def test_stages_that_a_plan_made_beside_an_ending_do_not_hold_their_slots_for_ever(anna: Person) -> None:
    turn, stage = classified(anna)
    with rw().connect().execution_options(isolation_level="READ COMMITTED") as planner:
        transaction_ = planner.begin()
        planner.execute(
            text(claiming.PLAN),
            {
                "stage": stage,
                "route": "chat",
                "confidence": 1.0,
                "summary": "s",
                "rest": '[{"hop":"llm","place":1,"queue":"llm","admitted":9,"share":9}]',
            },
        )
        # The ending began before the plan was committed: it waits for the turn's row and knows no new stages.
        ender = threading.Thread(target=kit.end, args=(kit.failed(turn),))
        ender.start()
        time.sleep(0.3)
        transaction_.commit()
        ender.join()

    recovering.close_left_over(rw())

    assert kit.turn_row(turn)["state"] == "failed"
    assert kit.stages(turn)["llm"] == "skipped"
    assert releasing.held(rw()) == []


# --- artifacts --------------------------------------------------------------------------------------------------------


def keep(turn: str, anna: Person, rows: int, *, fence: int = 1) -> str | None:
    return claiming.keep_artifact(
        rw(),
        artifact=ids.artifact_id(),
        tenant=anna.tenant,
        turn=turn,
        fence=fence,
        job=None,
        step="sql",
        kind="table",
        title="t" * 400,
        body={"rows": [[n] for n in range(rows)]},
        preview={"rows": []},
    )


def test_a_repeated_step_keeps_one_artifact_with_its_first_id_and_its_last_body(anna: Person) -> None:
    turn = kit.released(anna)
    first = keep(turn, anna, 1)

    again = keep(turn, anna, 2)

    assert again == first
    assert [len(a["body"]["rows"]) for a in claiming.artifacts_of(rw(), turn)] == [2]


def test_whoever_was_taken_over_leaves_no_artifact(anna: Person) -> None:
    turn = kit.released(anna)
    stage = kit.running(turn, "llm")["stage"]
    recovering.take_over(rw(), stage=stage)

    assert keep(turn, anna, 1) is None
    assert claiming.artifacts_of(rw(), turn) == []


def test_null_characters_are_left_out_of_an_artifact(anna: Person) -> None:
    turn = kit.released(anna)
    body = {"rows": [["a\x00b", "\\u0000", "\\\x00"]]}

    claiming.keep_artifact(
        rw(),
        artifact=ids.artifact_id(),
        tenant=anna.tenant,
        turn=turn,
        fence=1,
        job=None,
        step="sql",
        kind="table",
        title="t",
        body=body,
        preview={},
    )

    assert claiming.artifacts_of(rw(), turn)[0]["body"] == {"rows": [["ab", "\\u0000", "\\"]]}


# --- end --------------------------------------------------------------------------------------------------------------


def test_twenty_threads_end_a_turn_once(anna: Person) -> None:
    turn = kit.released(anna)
    kit.running(turn, "llm")

    won = kit.at_once(20, lambda n: kit.end(kit.completed(turn) if n % 2 else kit.failed(turn)))

    assert won.count(True) == 1
    assert len(kit.outbox(turn)) == 1
    assert kit.stages(turn)["llm"] in ("done", "failed")


def test_an_ending_closes_every_stage(anna: Person) -> None:
    turn = kit.released(anna, route="sql")
    kit.running(turn, "sql")

    kit.end(kit.failed(turn))

    assert kit.stages(turn) == {"sql": "failed", "llm": "skipped"}


def test_a_good_ending_is_in_the_row_as_the_log_says_it(anna: Person) -> None:
    turn = kit.released(anna)
    kit.running(turn, "llm")

    kit.end(kit.completed(turn, "¡Sí! 🙂"))

    shape = turns.read_turn(tenant=anna.tenant, user=anna.user, turn=turn)
    assert (shape["state"], shape["answer"], shape["citations"]) == ("completed", "¡Sí! 🙂", [{"n": 1}])
    assert (shape["usage"]["model"], shape["timeline"]) == ("m", kit.TIMELINE)
    assert "error" not in shape


def test_an_ending_under_another_fence_ends_nothing(anna: Person) -> None:
    turn = kit.released(anna)

    assert kit.end(kit.failed(turn), fence=2) is False
    assert kit.turn_row(turn)["state"] == "running"


def test_an_ending_of_an_idle_turn_leaves_one_of_which_a_stage_runs(anna: Person) -> None:
    turn = kit.released(anna)
    kit.running(turn, "llm")

    assert kit.end(kit.failed(turn), idle=True) is False
    assert kit.end(kit.failed(turn)) is True


def test_the_relay_sees_an_ending_a_second_later(anna: Person) -> None:
    turn = kit.released(anna)
    kit.end(kit.failed(turn))

    at_once = [row["key"] for row in outbox.open_outbox(rw())]
    time.sleep(1.1)
    later = [row["key"] for row in outbox.open_outbox(rw())]

    assert (at_once, later) == ([], [turn])


# --- cancel -----------------------------------------------------------------------------------------------------------


def test_a_queued_turn_is_cancelled_at_once(anna: Person) -> None:
    turn = kit.ask(anna).turn

    made = turns.request_cancel(tenant=anna.tenant, user=anna.user, turn=turn)

    assert made.ending is not None
    assert made.ending.reached == ("queued",)
    assert kit.turn_row(turn)["state"] == "cancelled"
    assert kit.stages(turn) == {"classify": "skipped"}


def test_a_dispatched_turn_that_nobody_runs_ends_at_once(anna: Person) -> None:
    turn = kit.released(anna)

    made = turns.request_cancel(tenant=anna.tenant, user=anna.user, turn=turn)

    assert made.ending is not None
    refused = kit.claim(turn, "llm")
    assert refused is not None
    assert refused["stage"] is None
    assert kit.turn_row(turn)["state"] == "cancelled"


def test_a_running_turn_is_asked_to_stop(anna: Person) -> None:
    turn = kit.released(anna)
    kit.running(turn, "llm")

    made = turns.request_cancel(tenant=anna.tenant, user=anna.user, turn=turn)

    assert made.ending is None
    assert kit.turn_row(turn)["state"] == "running"
    assert claiming.cancel_requested(rw(), [turn]) == [turn]


def test_a_second_cancel_keeps_the_first_time(anna: Person) -> None:
    turn = kit.released(anna)
    kit.running(turn, "llm")
    turns.request_cancel(tenant=anna.tenant, user=anna.user, turn=turn)
    first = kit.turn_row(turn)["cancel_requested_at"]

    turns.request_cancel(tenant=anna.tenant, user=anna.user, turn=turn)

    assert kit.turn_row(turn)["cancel_requested_at"] == first


def test_an_ended_turn_cannot_be_cancelled(anna: Person) -> None:
    turn = kit.released(anna)
    kit.end(kit.failed(turn))

    with pytest.raises(ConflictError):
        turns.request_cancel(tenant=anna.tenant, user=anna.user, turn=turn)


def test_nobody_cancels_a_strangers_turn(anna: Person, rival: Person) -> None:
    turn = kit.ask(anna).turn

    with pytest.raises(NotFoundError):
        turns.request_cancel(tenant=rival.tenant, user=rival.user, turn=turn)

    assert kit.turn_row(turn)["state"] == "queued"


def test_cancel_and_release_on_two_threads_leave_one_truth(anna: Person) -> None:
    turn = kit.ask(anna, route="chat").turn

    kit.at_once(
        2,
        lambda n: (
            turns.request_cancel(tenant=anna.tenant, user=anna.user, turn=turn)
            if n
            else releasing.release(rw(), [(turn, 1)])
        ),
    )

    row = kit.turn_row(turn)
    assert row["state"] == "cancelled" or row["cancel_requested_at"] is not None
