"""One job in this process, its work replaced by the test's; the clean-up and the tenants' databases on real rows."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from deploy.testservers import EmbeddedServers
from orchestrator import ids
from orchestrator.automation.clean_up import clean_up
from orchestrator.automation.run_job import JobContext, Work, decline, run_job
from orchestrator.chat import conversations
from orchestrator.chat.models import DeadLetter, Feedback
from orchestrator.errors import DependencyDownError, NotFoundError, StoppedError, UnfinishedError
from orchestrator.pipeline.models import LabelledQuestion
from orchestrator.pipeline.runtime import Runtime
from orchestrator.pipeline.warehouses import Warehouses
from orchestrator.resilience.deadline import Deadline
from orchestrator.resilience.stop import Stop
from orchestrator.store import jobs, recovering, releasing
from orchestrator.store.engine import json_text, rw
from orchestrator.store.rows import Row
from orchestrator.tenants.sealing import seal
from tests.integration.core import kit
from tests.integration.core.kit import Person


def run(runtime: Runtime, job: str, work: Work, *, dispatch_no: int = 1) -> Row:
    run_job({"clean_up": work}, runtime=runtime, job=job, fence=1, dispatch_no=dispatch_no)
    return kit.look("SELECT * FROM switchyard_job WHERE id = :job", job=job)[0]


def raising(error: Exception) -> Work:
    def work(_: JobContext) -> Mapping[str, object]:
        raise error

    return work


def test_a_job_that_succeeds_keeps_its_result(runtime: Runtime, job: str) -> None:
    row = run(runtime, job, lambda context: {"seen": context.payload, "cid": context.cid})

    assert (row["state"], row["result"]) == ("SUCCEEDED", {"seen": {"n": 1}, "cid": "cid_job"})
    assert (row["attempts"], row["owner"], row["ended_at"] is not None) == (1, "inc_jobs", True)


def test_a_repeated_message_runs_nothing(runtime: Runtime, job: str) -> None:
    run(runtime, job, lambda _: {"first": True})

    row = run(runtime, job, raising(AssertionError("must not run")))

    assert row["result"] == {"first": True}


def test_an_old_message_runs_nothing(runtime: Runtime, job: str) -> None:
    assert run(runtime, job, raising(AssertionError("must not run")), dispatch_no=0)["state"] == "ASSIGNED"


def test_a_passing_failure_is_tried_again_later(runtime: Runtime, job: str) -> None:
    row = run(runtime, job, raising(DependencyDownError("x", dependency="warehouse")))

    assert (row["state"], row["ended_at"]) == ("RETRY_WAIT", None)
    assert 1 < (row["run_at"] - row["started_at"]).total_seconds() < 61
    assert releasing.release_jobs(rw(), queue="batch", room=1) == []


def test_the_last_attempt_fails_for_good(runtime: Runtime, job: str) -> None:
    kit.look("UPDATE switchyard_job SET attempts = max_attempts - 1 WHERE id = :job", job=job)

    row = run(runtime, job, raising(DependencyDownError("x", dependency="warehouse")))

    assert (row["state"], row["ended_at"] is not None) == ("FAILED", True)


@pytest.mark.parametrize("error", [NotFoundError("x"), ValueError("x")])
def test_a_lasting_failure_is_not_tried_again(runtime: Runtime, job: str, error: Exception) -> None:
    assert run(runtime, job, raising(error))["state"] == "FAILED"


def test_a_stopped_job_is_cancelled(runtime: Runtime, job: str) -> None:
    assert run(runtime, job, raising(StoppedError("job")))["state"] == "CANCELLED"


def leaving(runtime: Runtime, then: Work) -> Work:
    """Return work in whose middle the worker leaves."""

    def work(context: JobContext) -> Mapping[str, object]:
        runtime.stops.leave()
        return then(context)

    return work


def test_a_job_whose_worker_leaves_is_another_workers_at_once_and_loses_no_attempt(runtime: Runtime, job: str) -> None:
    row = run(runtime, job, leaving(runtime, raising(StoppedError("job"))))

    assert (row["state"], row["attempts"], row["owner"]) == ("RETRY_WAIT", 0, None)
    assert [released["job"] for released in releasing.release_jobs(rw(), queue="batch", room=1)] == [job]


def test_a_job_that_got_on_and_ran_out_of_time_goes_on_and_loses_no_attempt(runtime: Runtime, job: str) -> None:
    row = run(runtime, job, raising(UnfinishedError("3 of 9 mails were sent in time")))

    assert (row["state"], row["attempts"], row["error"]) == ("RETRY_WAIT", 0, "3 of 9 mails were sent in time")
    assert [released["job"] for released in releasing.release_jobs(rw(), queue="batch", room=1)] == [job]


def test_a_job_that_ends_while_its_worker_leaves_has_ended(runtime: Runtime, job: str) -> None:
    assert run(runtime, job, leaving(runtime, lambda _: {}))["state"] == "SUCCEEDED"


def test_a_job_that_its_user_stopped_is_not_handed_on(runtime: Runtime, job: str) -> None:
    def work(_: JobContext) -> Mapping[str, object]:
        kit.look("UPDATE switchyard_job SET cancel_requested_at = now() WHERE id = :job", job=job)
        raise StoppedError("job")

    assert run(runtime, job, leaving(runtime, work))["state"] == "CANCELLED"


def test_a_job_that_came_to_a_leaving_worker_waits_again(runtime: Runtime, job: str) -> None:
    decline(runtime=runtime, job=job, fence=1, dispatch_no=1)

    row = kit.look("SELECT state, attempts FROM switchyard_job WHERE id = :job", job=job)[0]
    assert row == {"state": "PENDING", "attempts": 0}


def test_an_old_message_declines_nothing(runtime: Runtime, job: str) -> None:
    decline(runtime=runtime, job=job, fence=1, dispatch_no=0)

    assert kit.look("SELECT state FROM switchyard_job WHERE id = :job", job=job)[0]["state"] == "ASSIGNED"


def test_a_job_that_was_recovered_meanwhile_keeps_what_the_next_attempt_writes(runtime: Runtime, job: str) -> None:
    def work(_: JobContext) -> Mapping[str, object]:
        recovering.recover_jobs(rw())
        return {"zombie": True}

    row = run(runtime, job, work)

    assert (row["state"], row["fence"], row["result"]) == ("RETRY_WAIT", 2, None)


def test_an_outcome_waits_for_a_database_that_is_away(runtime: Runtime, own: EmbeddedServers, job: str) -> None:
    stopped = threading.Event()

    def work(_: JobContext) -> Mapping[str, object]:
        stopped.wait(20)
        return {"kept": True}

    with ThreadPoolExecutor(1) as pool:
        # The servers end with the thread that started them, so this one stops and starts them.
        running = pool.submit(run, runtime, job, work)
        time.sleep(0.3)
        own.postgres.stop()
        stopped.set()
        time.sleep(1.5)
        own.postgres.start()
        row = running.result(30)

    assert (row["state"], row["result"]) == ("SUCCEEDED", {"kept": True})


# --- clean-up --------------------------------------------------------------------------------------------------------


def swept(who: Person) -> Mapping[str, object]:
    return clean_up(
        JobContext(
            job=ids.job_id(),
            tenant=who.tenant,
            payload={},
            cid="cid_c",
            stop=Stop(),
            deadline=Deadline.after_ms(60_000),
        )
    )


def deleted(who: Person, where: str, days: int) -> None:
    conversations.delete(tenant=who.tenant, user=who.user, conversation=where)
    kit.look(
        "UPDATE switchyard_conversation SET deleted_at = deleted_at - :days * interval '1 day' WHERE id = :where",
        days=days,
        where=where,
    )


def left(table: str, column: str, value: str) -> int:
    return int(kit.look(f"SELECT count(*) AS n FROM {table} WHERE {column} = :value", value=value)[0]["n"])


def test_a_conversation_deleted_a_month_ago_goes_with_all_that_hangs_on_it(anna: Person) -> None:
    where = kit.conversation(anna)
    turn = kit.ask(anna, where, route="sql").turn
    child = kit.ask(anna).turn
    kit.look("UPDATE switchyard_turn SET parent_id = :turn WHERE id = :child", turn=turn, child=child)
    deleted(anna, where, 31)

    removed = swept(anna)

    assert removed["conversations"] == 1
    assert (left("switchyard_turn", "id", turn), left("switchyard_stage", "turn_id", turn)) == (0, 0)
    assert kit.turn_row(child)["parent_id"] is None


def test_a_rating_goes_with_its_conversation_and_what_was_learnt_from_it_stays(anna: Person) -> None:
    where = kit.conversation(anna)
    turn = kit.ask(anna, where, route="sql").turn
    rating = Feedback.objects.create(turn_id=turn, tenant_id=anna.tenant, rating="down")
    DeadLetter.objects.create(turn_id=turn, tenant_id=anna.tenant, hop="sql", code="internal", cause="x")
    LabelledQuestion.objects.create(tenant_id=anna.tenant, text="who is in today", route="rag", source=rating)
    deleted(anna, where, 31)

    swept(anna)

    assert left("switchyard_turn", "id", turn) == 0
    assert LabelledQuestion.objects.get(tenant_id=anna.tenant).source_id is None


def test_a_conversation_deleted_last_week_stays(anna: Person) -> None:
    where = kit.conversation(anna)
    deleted(anna, where, 7)

    swept(anna)

    assert left("switchyard_conversation", "id", where) == 1


def test_the_clean_up_of_one_tenant_leaves_the_others_alone(anna: Person, rival: Person) -> None:
    where = kit.conversation(rival)
    deleted(rival, where, 31)

    swept(anna)

    assert left("switchyard_conversation", "id", where) == 1


def test_old_keys_sent_effects_and_dead_processes_go(anna: Person) -> None:
    turn = kit.ask(anna, client_id="c-1").turn
    kit.age(turn, 86_401)
    kit.alive("inc_old", silent_s=90_000)
    kit.look(
        "INSERT INTO switchyard_outbox (kind, key, body, done_at) VALUES"
        " ('ending', 'old', '{}', now() - interval '2 days'), ('ending', 'new', '{}', now()),"
        " ('ending', 'open', '{}', NULL)"
    )

    removed = swept(anna)

    assert (removed["client_ids"], removed["outbox"], removed["processes"]) == (1, 1, 1)
    assert [row["key"] for row in kit.look("SELECT key FROM switchyard_outbox ORDER BY key")] == ["new", "open"]


def test_a_stopped_clean_up_ends_between_two_steps(anna: Person) -> None:
    stop = Stop()
    stop.set()

    with pytest.raises(StoppedError):
        clean_up(
            JobContext(
                job="job_1",
                tenant=anna.tenant,
                payload={},
                cid="c",
                stop=stop,
                deadline=Deadline.after_ms(1_000),
            )
        )


def test_jobs_of_a_quarter_ago_go_with_their_mail_and_those_at_work_stay(anna: Person) -> None:
    ids_of = {
        name: jobs.insert(rw(), tenant=anna.tenant, user=None, type="clean_up", queue="batch", payload={}, cid="c")
        for name in ("old", "new", "open")
    }
    kit.look("UPDATE switchyard_job SET state = 'FAILED', ended_at = now() WHERE id <> :open", open=ids_of["open"])
    kit.look("UPDATE switchyard_job SET created_at = now() - interval '1 year'")
    kit.look("UPDATE switchyard_job SET ended_at = now() - interval '91 days' WHERE id = :old", old=ids_of["old"])
    kit.look(
        "INSERT INTO switchyard_delivery (job_id, email, state, answer) VALUES (:old, 'a@b.example', 'sent', '')",
        old=ids_of["old"],
    )

    assert swept(anna)["jobs"] == 1

    assert {row["id"] for row in kit.look("SELECT id FROM switchyard_job")} == {ids_of["new"], ids_of["open"]}
    assert left("switchyard_delivery", "job_id", ids_of["old"]) == 0


# --- a tenant's own database -----------------------------------------------------------------------------------------


def connect(who: Person, database: Path) -> None:
    layer = {"name": "shop", "dialect": "sqlite", "facts": {}, "measures": {}}
    kit.look("DELETE FROM switchyard_warehouse WHERE tenant_id = :t", t=who.tenant)
    kit.look(
        "INSERT INTO switchyard_warehouse (tenant_id, url_encrypted, layer, label, updated_at)"
        " VALUES (:t, :url, CAST(:layer AS jsonb), 'shop', clock_timestamp())",
        t=who.tenant,
        url=seal(f"sqlite:///{database}"),
        layer=json_text(layer),
    )


def test_a_tenant_without_a_database_has_none(anna: Person) -> None:
    assert Warehouses().of(anna.tenant) is None


def test_a_tenants_database_is_opened_once(anna: Person, tmp_path: Path) -> None:
    connect(anna, tmp_path / "shop.db")
    warehouses = Warehouses()

    found = kit.at_once(6, lambda _: warehouses.of(anna.tenant))

    assert found[0] is not None
    assert {id(connected) for connected in found} == {id(found[0])}


def test_another_address_is_seen_when_the_first_is_no_longer_fresh(anna: Person, tmp_path: Path) -> None:
    warehouses = Warehouses(fresh_s=0)
    connect(anna, tmp_path / "old.db")
    old = warehouses.of(anna.tenant)

    connect(anna, tmp_path / "new.db")

    assert warehouses.of(anna.tenant) is not old


def test_a_database_that_was_disconnected_is_gone(anna: Person, tmp_path: Path) -> None:
    warehouses = Warehouses(fresh_s=0)
    connect(anna, tmp_path / "shop.db")
    warehouses.of(anna.tenant)

    kit.look("DELETE FROM switchyard_warehouse WHERE tenant_id = :t", t=anna.tenant)

    assert warehouses.of(anna.tenant) is None


def test_no_tenant_gets_anothers_database(anna: Person, rival: Person, tmp_path: Path) -> None:
    connect(anna, tmp_path / "shop.db")

    assert Warehouses().of(rival.tenant) is None
