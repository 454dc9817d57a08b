"""The hot path's statements against a real PostgreSQL."""

from __future__ import annotations

import importlib
import pkgutil
import re
import threading
import time

import pytest
from sqlalchemy import text

import orchestrator.automation
import orchestrator.chat
import orchestrator.control
import orchestrator.store
from orchestrator import ids
from orchestrator.automation.clean_up import STEPS
from orchestrator.chat import conversations, turns
from orchestrator.errors import (
    ConflictError,
    IdReusedError,
    InvalidInputError,
    NotFoundError,
    StoreDownError,
    TooBigError,
)
from orchestrator.log.records import Partial
from orchestrator.store import accepting, claiming, dispatching, jobs, processes
from orchestrator.store.engine import rw
from orchestrator.store.rows import all_rows, transaction
from tests.integration.core import kit
from tests.integration.core.kit import Person

pytestmark = pytest.mark.usefixtures("empty")


# --- every statement -------------------------------------------------------------------------------------------------


def statements() -> dict[str, str]:
    """Return every SQL text that stands in a constant of the packages with SQL in them."""
    found = {f"clean_up.{name}": statement for name, statement in STEPS.items()}
    for package in (orchestrator.store, orchestrator.chat, orchestrator.automation, orchestrator.control):
        for info in pkgutil.iter_modules(package.__path__, package.__name__ + "."):
            for name, value in vars(importlib.import_module(info.name)).items():
                if (
                    isinstance(value, str)
                    and re.match(r"\s*(SELECT|INSERT|UPDATE|DELETE|WITH)\b", value)
                    and "{" not in value
                ):
                    found[f"{info.name}.{name}"] = value
    return found


STATEMENTS = statements()


@pytest.mark.parametrize("name", STATEMENTS)
def test_the_server_understands_every_statement(name: str) -> None:
    # Every value as NULL, planned for real: names, types and conflicts must exist.
    names = set(re.findall(r"(?<![:\w]):([a-z_]+)", STATEMENTS[name]))
    values: dict[str, object] = dict.fromkeys(names) | ({"judge": True} if "judge" in names else {})

    with rw().connect() as connection:
        plan = connection.execute(text("EXPLAIN " + STATEMENTS[name]), values).fetchall()

    assert plan


def test_there_are_statements_to_check() -> None:
    assert len(STATEMENTS) > 40


# --- accept ----------------------------------------------------------------------------------------------------------


def test_an_accepted_turn_is_a_queued_row_with_its_first_hop(anna: Person) -> None:
    accepted = kit.ask(anna, text="  How much?  ", deadline_ms=5_000)

    row = kit.turn_row(accepted.turn)
    assert (accepted.duplicate, accepted.fence) == (False, 1)
    assert (row["state"], row["text"], row["fence"]) == ("queued", "How much?", 1)
    assert 4.9 <= (row["deadline_at"] - row["created_at"]).total_seconds() <= 5.1
    assert kit.stages(accepted.turn) == {"classify": "waiting"}


def test_a_forced_route_has_all_its_hops_at_once(anna: Person) -> None:
    accepted = kit.ask(anna, route="rag")

    assert kit.stages(accepted.turn) == {"embed": "waiting", "rag": "waiting", "llm": "waiting"}


def test_the_first_question_names_the_conversation(anna: Person) -> None:
    where = kit.conversation(anna)
    kit.ask(anna, where, text="first")
    kit.ask(anna, where, text="second")

    page = conversations.list_page(tenant=anna.tenant, user=anna.user, limit=10, after=None)

    assert page["items"][0]["title"] == "first"


def test_an_unknown_conversation_is_not_found(anna: Person) -> None:
    with pytest.raises(NotFoundError):
        kit.ask(anna, ids.conversation_id())

    assert kit.look("SELECT 1 FROM switchyard_turn") == []


def test_somebody_elses_conversation_is_not_found(anna: Person, rival: Person) -> None:
    where = kit.conversation(anna)

    with pytest.raises(NotFoundError):
        kit.ask(rival, where)


def test_a_deleted_conversation_is_not_found(anna: Person) -> None:
    where = kit.conversation(anna)
    conversations.delete(tenant=anna.tenant, user=anna.user, conversation=where)

    with pytest.raises(NotFoundError):
        kit.ask(anna, where)


def test_an_id_with_a_null_character_is_invalid(anna: Person) -> None:
    with pytest.raises(InvalidInputError):
        kit.ask(anna, "cnv_\x00")


def test_a_turn_may_have_a_parent_of_its_own_conversation(anna: Person) -> None:
    where = kit.conversation(anna)
    parent = kit.ask(anna, where).turn

    again = kit.ask(anna, where, parent=parent).turn

    assert kit.turn_row(again)["parent_id"] == parent


def test_a_parent_of_another_conversation_is_not_found(anna: Person, rival: Person) -> None:
    stranger = kit.ask(rival).turn

    with pytest.raises(NotFoundError):
        kit.ask(anna, parent=stranger)


def test_a_parent_that_does_not_exist_is_not_found(anna: Person) -> None:
    with pytest.raises(NotFoundError):
        kit.ask(anna, parent=ids.turn_id())


@pytest.mark.parametrize("words", ["", "   ", "\n", "a\x00b"])
def test_a_text_without_words_is_refused(anna: Person, words: str) -> None:
    with pytest.raises(InvalidInputError):
        kit.ask(anna, text=words)


def test_a_text_over_the_limit_is_too_big(anna: Person) -> None:
    with pytest.raises(TooBigError):
        kit.ask(anna, text="x" * 8_001)


def test_a_text_at_the_limit_is_accepted(anna: Person) -> None:
    accepted = kit.ask(anna, text="ñ" * 8_000)

    assert len(kit.turn_row(accepted.turn)["text"]) == 8_000


@pytest.mark.parametrize("deadline_ms", [999, 600_001, 0, -1])
def test_a_deadline_out_of_range_is_refused(anna: Person, deadline_ms: int) -> None:
    with pytest.raises(InvalidInputError):
        kit.ask(anna, deadline_ms=deadline_ms)


def test_the_same_key_and_body_give_the_same_turn(anna: Person) -> None:
    where = kit.conversation(anna)
    first = kit.ask(anna, where, client_id="c-1")

    again = kit.ask(anna, where, client_id="c-1")

    assert (again.turn, again.duplicate) == (first.turn, True)
    assert kit.look("SELECT count(*) AS n FROM switchyard_turn")[0]["n"] == 1


def test_the_same_key_with_another_text_is_refused(anna: Person) -> None:
    where = kit.conversation(anna)
    kit.ask(anna, where, client_id="c-1")

    with pytest.raises(IdReusedError):
        kit.ask(anna, where, client_id="c-1", text="Something else?")


def test_the_same_key_in_another_conversation_is_refused(anna: Person) -> None:
    kit.ask(anna, client_id="c-1")

    with pytest.raises(IdReusedError):
        kit.ask(anna, client_id="c-1")


def test_two_people_may_use_the_same_key(anna: Person, rival: Person) -> None:
    first = kit.ask(anna, client_id="c-1")

    second = kit.ask(rival, client_id="c-1")

    assert (second.duplicate, second.turn != first.turn) == (False, True)


def test_a_key_is_free_again_after_a_day(anna: Person) -> None:
    where = kit.conversation(anna)
    old = kit.ask(anna, where, client_id="c-1").turn
    kit.age(old, 86_401)

    again = kit.ask(anna, where, client_id="c-1", text="Something else?")

    assert (again.duplicate, again.turn != old) == (False, True)
    assert kit.turn_row(old)["client_id"] is None


def test_one_key_on_many_threads_makes_one_turn(anna: Person) -> None:
    where = kit.conversation(anna)

    accepted = kit.at_once(8, lambda _: kit.ask(anna, where, client_id="c-1"))

    assert len({a.turn for a in accepted}) == 1
    assert [a.duplicate for a in accepted].count(False) == 1


def test_a_stale_key_on_many_threads_makes_one_turn(anna: Person) -> None:
    where = kit.conversation(anna)
    kit.age(kit.ask(anna, where, client_id="c-1").turn, 86_401)

    accepted = kit.at_once(8, lambda _: kit.ask(anna, where, client_id="c-1"))

    assert len({a.turn for a in accepted}) == 1


# --- claim -----------------------------------------------------------------------------------------------------------


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
    turn = kit.released(anna)
    turns.request_cancel(tenant=anna.tenant, user=anna.user, turn=turn)

    assert kit.running(turn, "llm")["cancel_requested"] is True


# --- plan ------------------------------------------------------------------------------------------------------------


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
    assert [row["turn"] for row in dispatching.waiting_rest(rw())] == [first, second]


def test_a_plan_of_an_ended_turn_plans_nothing(anna: Person) -> None:
    turn, stage = classified(anna)
    kit.end(kit.failed(turn))

    assert kit.plan_rest(turn, stage, "llm") is None
    assert kit.stages(turn) == {"classify": "failed"}


def test_a_released_rest_is_claimed_with_number_one(anna: Person) -> None:
    turn, stage = classified(anna)
    kit.plan_rest(turn, stage, "llm", admitted=0)

    dispatching.release_rest(rw(), turn=turn, fence=1)

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
                "rest": '[{"hop":"llm","place":1,"queue":"llm","admitted":9}]',
            },
        )
        # The ending began before the plan was committed: it waits for the turn's row and knows no new stages.
        ender = threading.Thread(target=kit.end, args=(kit.failed(turn),))
        ender.start()
        time.sleep(0.3)
        transaction_.commit()
        ender.join()

    dispatching.close_left_over(rw())

    assert kit.turn_row(turn)["state"] == "failed"
    assert kit.stages(turn)["llm"] == "skipped"
    assert dispatching.held(rw()) == {}


# --- artifacts -------------------------------------------------------------------------------------------------------


def keep(turn: str, anna: Person, rows: int) -> str:
    return claiming.keep_artifact(
        rw(),
        artifact=ids.artifact_id(),
        tenant=anna.tenant,
        turn=turn,
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


def test_null_characters_are_left_out_of_an_artifact(anna: Person) -> None:
    turn = kit.released(anna)
    body = {"rows": [["a\x00b", "\\u0000", "\\\x00"]]}

    claiming.keep_artifact(
        rw(),
        artifact=ids.artifact_id(),
        tenant=anna.tenant,
        turn=turn,
        job=None,
        step="sql",
        kind="table",
        title="t",
        body=body,
        preview={},
    )

    assert claiming.artifacts_of(rw(), turn)[0]["body"] == {"rows": [["ab", "\\u0000", "\\"]]}


# --- end -------------------------------------------------------------------------------------------------------------


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


def test_an_ending_only_from_a_state_leaves_the_others(anna: Person) -> None:
    turn = kit.released(anna)

    assert kit.end(kit.failed(turn), only="queued") is False


def test_the_relay_sees_an_ending_a_second_later(anna: Person) -> None:
    turn = kit.released(anna)
    kit.end(kit.failed(turn))

    at_once = [row["key"] for row in dispatching.open_outbox(rw())]
    time.sleep(1.1)
    later = [row["key"] for row in dispatching.open_outbox(rw())]

    assert (at_once, later) == ([], [turn])


# --- cancel ----------------------------------------------------------------------------------------------------------


def test_a_queued_turn_is_cancelled_at_once(anna: Person) -> None:
    turn = kit.ask(anna).turn

    made = turns.request_cancel(tenant=anna.tenant, user=anna.user, turn=turn)

    assert made.ending is not None
    assert made.ending.reached == ("queued",)
    assert kit.turn_row(turn)["state"] == "cancelled"
    assert kit.stages(turn) == {"classify": "skipped"}


def test_a_running_turn_is_asked_to_stop(anna: Person) -> None:
    turn = kit.released(anna)

    made = turns.request_cancel(tenant=anna.tenant, user=anna.user, turn=turn)

    assert made.ending is None
    assert kit.turn_row(turn)["state"] == "running"
    assert claiming.cancel_requested(rw(), [turn]) == [turn]


def test_a_second_cancel_keeps_the_first_time(anna: Person) -> None:
    turn = kit.released(anna)
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
            else dispatching.release_first(rw(), queue="llm", room=1)
        ),
    )

    row = kit.turn_row(turn)
    assert row["state"] == "cancelled" or row["cancel_requested_at"] is not None


# --- reading ---------------------------------------------------------------------------------------------------------


def snapshot(
    who: Person, where: str, *, limit: int = 50, before: str | None = None, **more: object
) -> dict[str, object]:
    return conversations.snapshot_rows(
        tenant=who.tenant,
        user=who.user,
        conversation=where,
        limit=limit,
        before=before,
        **more,  # type: ignore[arg-type]  # partials alone
    )


def thread(anna: Person, count: int) -> tuple[str, list[str]]:
    where = kit.conversation(anna)
    return where, [kit.ask(anna, where, text=f"q{n}").turn for n in range(count)]


def test_a_snapshot_holds_the_latest_turns_in_order(anna: Person) -> None:
    where, made = thread(anna, 5)

    page = snapshot(anna, where, limit=3)

    assert [turn["id"] for turn in page["turns"]] == made[2:]  # type: ignore[attr-defined]  # the shape is dynamic
    assert page["next"] == made[2]


def test_the_page_before_ends_where_the_later_one_begins(anna: Person) -> None:
    where, made = thread(anna, 5)

    page = snapshot(anna, where, limit=3, before=made[2])

    assert [turn["id"] for turn in page["turns"]] == made[:2]  # type: ignore[attr-defined]  # as above
    assert "next" not in page


def test_a_snapshot_shows_the_running_text_of_a_running_turn_alone(anna: Person) -> None:
    where = kit.conversation(anna)
    done = kit.released(anna, where)
    kit.running(done, "llm")
    kit.end(kit.completed(done, "all"))
    turn = kit.released(anna, where)
    partials = tuple(Partial(turn=name, attempt=1, message="m", text="half") for name in (done, turn))

    page = snapshot(anna, where, partials=partials)

    assert [turn.get("partial") for turn in page["turns"]] == [None, "half"]  # type: ignore[attr-defined]  # as above


def test_a_snapshot_of_a_strangers_conversation_is_not_found(anna: Person, rival: Person) -> None:
    where, _ = thread(anna, 1)

    with pytest.raises(NotFoundError):
        snapshot(rival, where)


def test_a_conversation_of_last_year_can_still_be_read(anna: Person) -> None:
    where, made = thread(anna, 1)
    kit.age(made[0], 366 * 86_400)

    page = snapshot(anna, where)

    assert [turn["id"] for turn in page["turns"]] == made  # type: ignore[attr-defined]  # as above


def test_a_turn_of_last_year_that_nobody_ended_can_still_be_swept(anna: Person) -> None:
    turn = kit.ask(anna).turn
    kit.age(turn, 366 * 86_400)

    assert [row["turn"] for row in dispatching.overdue(rw(), judge=True)] == [turn]


def test_conversations_are_listed_by_use_and_paged(anna: Person) -> None:
    made = [kit.conversation(anna) for _ in range(5)]
    kit.ask(anna, made[0])

    first = conversations.list_page(tenant=anna.tenant, user=anna.user, limit=3, after=None)
    second = conversations.list_page(tenant=anna.tenant, user=anna.user, limit=3, after=first["next"])

    assert [item["id"] for item in first["items"] + second["items"]] == [made[0], *reversed(made[1:])]
    assert "next" not in second


def test_deleted_and_foreign_conversations_are_not_listed(anna: Person, rival: Person) -> None:
    kit.conversation(rival)
    gone = kit.conversation(anna)
    conversations.delete(tenant=anna.tenant, user=anna.user, conversation=gone)

    assert conversations.list_page(tenant=anna.tenant, user=anna.user, limit=3, after=None) == {"items": []}


def test_deleting_a_conversation_names_its_open_turns(anna: Person) -> None:
    where = kit.conversation(anna)
    ended = kit.released(anna, where)
    kit.end(kit.failed(ended))
    still_open = kit.ask(anna, where).turn

    assert conversations.delete(tenant=anna.tenant, user=anna.user, conversation=where) == [still_open]


def test_a_title_can_be_changed_and_has_a_limit(anna: Person) -> None:
    where = kit.conversation(anna)
    renamed = conversations.rename(tenant=anna.tenant, user=anna.user, conversation=where, title=" Lunch ")

    assert renamed.title == "Lunch"
    with pytest.raises(InvalidInputError):
        conversations.rename(tenant=anna.tenant, user=anna.user, conversation=where, title="x" * 201)


def test_earlier_exchanges_come_oldest_first_without_failures(anna: Person) -> None:
    where = kit.conversation(anna)
    for text_ in ("one", "two"):
        turn = kit.released(anna, where, text=text_)
        kit.running(turn, "llm")
        kit.end(kit.completed(turn, text_ + "!"))
    kit.end(kit.failed(kit.released(anna, where, text="three")))
    now = kit.released(anna, where, text="four")

    found = claiming.exchanges(rw(), conversation=where, turn=now, most=6)

    assert [(row["question"], row["answer"]) for row in found] == [("one", "one!"), ("two", "two!")]


# --- jobs, processes, transactions -----------------------------------------------------------------------------------


def a_job(anna: Person, type: str = "clean_up", queue: str = "batch") -> str:
    return jobs.insert(rw(), tenant=anna.tenant, user=None, type=type, queue=queue, payload={}, cid="cid_test")


def running_job(anna: Person, owner: str) -> str:
    job = a_job(anna)
    dispatching.release_jobs(rw(), queue="batch", room=9)
    jobs.claim(rw(), job=job, fence=1, dispatch_no=1, owner=owner, worker="w")
    return job


def job_row(job: str) -> dict[str, object]:
    return dict(kit.look("SELECT * FROM switchyard_job WHERE id = :job", job=job)[0])


def test_a_job_is_claimed_once(anna: Person) -> None:
    job = a_job(anna)
    dispatching.release_jobs(rw(), queue="batch", room=1)

    rows = kit.at_once(6, lambda n: jobs.claim(rw(), job=job, fence=1, dispatch_no=1, owner=f"o{n}", worker="w"))

    assert next(row for row in rows if row is not None)["job"] == job
    assert rows.count(None) == 5


def test_a_schedule_fires_once_a_tenant_however_many_beats_run(anna: Person, rival: Person) -> None:
    now = kit.look("SELECT date_trunc('minute', now()) AS at")[0]["at"]
    tenants = kit.look("SELECT count(*) AS n FROM switchyard_tenant WHERE is_active")[0]["n"]

    made = kit.at_once(
        4,
        lambda _: jobs.fire(
            rw(), schedule="nightly", fire_time=now, type="clean_up", queue="batch", payload={}, cid="cid_test"
        ),
    )

    assert sum(made) == tenants
    assert jobs.last_fire(rw(), "nightly") == now


def test_a_job_whose_worker_died_is_put_back_under_a_new_fence(anna: Person) -> None:
    kit.alive("inc_dead", silent_s=7)
    job = running_job(anna, "inc_dead")

    dispatching.recover_jobs(rw())

    row = job_row(job)
    assert (row["state"], row["fence"], row["owner"]) == ("RETRY_WAIT", 2, None)
    assert jobs.end(rw(), job=job, fence=1, state="SUCCEEDED", result={}) is False


def test_a_job_whose_worker_lives_is_left_alone(anna: Person) -> None:
    kit.alive("inc_live")
    job = running_job(anna, "inc_live")

    dispatching.recover_jobs(rw())

    assert job_row(job)["state"] == "RUNNING"


def test_a_job_that_kills_its_workers_fails_in_the_end(anna: Person) -> None:
    job = running_job(anna, "inc_gone")
    kit.look("UPDATE switchyard_job SET attempts = max_attempts WHERE id = :job", job=job)

    dispatching.recover_jobs(rw())

    row = job_row(job)
    assert (row["state"], row["ended_at"] is not None) == ("FAILED", True)


def test_a_silent_process_is_dead_after_its_lease() -> None:
    kit.alive("inc_fresh")
    kit.alive("inc_silent", silent_s=processes.DEAD_AFTER_S + 1)

    assert [row["incarnation"] for row in processes.alive(rw())] == ["inc_fresh"]


def test_statements_of_a_transaction_are_undone_together(anna: Person) -> None:
    def insert_and_fail() -> None:
        with transaction(rw()) as connection:
            jobs.insert(connection, tenant=anna.tenant, user=None, type="t", queue="q", payload={}, cid="c")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        insert_and_fail()

    assert kit.look("SELECT 1 FROM switchyard_job") == []


def test_a_connection_that_held_a_transaction_commits_each_statement_again(anna: Person) -> None:
    with transaction(rw()) as connection:
        all_rows(connection, "SELECT 1 AS one")

    with rw().connect() as connection:
        connection.execute(text("UPDATE switchyard_tenant SET name = 'seen' WHERE id = :t"), {"t": anna.tenant})
        seen = kit.look("SELECT name FROM switchyard_tenant WHERE id = :t", t=anna.tenant)

    assert seen[0]["name"] == "seen"


def test_a_statement_that_takes_too_long_reads_as_a_store_that_is_down() -> None:
    with transaction(rw()) as connection:
        all_rows(connection, "SET LOCAL statement_timeout = 50")
        with pytest.raises(StoreDownError):
            all_rows(connection, "SELECT pg_sleep(2)")


def test_accepting_answers_one_row_even_for_nobody() -> None:
    values: dict[str, object] = dict.fromkeys(re.findall(r"(?<![:\w]):([a-z_]+)", accepting.ACCEPT))

    row = accepting.accept(rw(), **(values | {"hops": "[]"}))

    assert row == {"known": False, "turn": None, "fence": None}
