"""Every statement of the core is understood by the server; transactions are what they say."""

from __future__ import annotations

import importlib
import pkgutil
import re

import pytest
from sqlalchemy import text

import orchestrator.automation
import orchestrator.chat
import orchestrator.control
import orchestrator.store
from orchestrator.automation.clean_up import STEPS
from orchestrator.errors import (
    StoreDownError,
)
from orchestrator.store import accepting, jobs, processes, recovering, releasing
from orchestrator.store.engine import rw
from orchestrator.store.rows import all_rows, transaction
from tests.integration.core import kit
from tests.integration.core.kit import Person

pytestmark = pytest.mark.usefixtures("empty")


# --- every statement --------------------------------------------------------------------------------------------------


def statements() -> dict[str, str]:
    """Return every SQL text that stands in a constant of the packages with SQL in them."""
    found = {f"clean_up.{name}": statement for name, statement in STEPS.items()}
    for package in (orchestrator.store, orchestrator.chat, orchestrator.automation, orchestrator.control):
        for info in pkgutil.iter_modules(package.__path__, package.__name__ + "."):
            for name, value in vars(importlib.import_module(info.name)).items():
                if (
                    isinstance(value, str)
                    and re.match(r"\s*(SELECT|INSERT|UPDATE|DELETE|WITH)\b", value)
                    and not re.search(r"\{\w*\}", value)
                    and not name.startswith("_")
                ):
                    found[f"{info.name}.{name}"] = value
    return found


STATEMENTS = statements()


@pytest.mark.parametrize("name", STATEMENTS)
def test_the_server_understands_every_statement(name: str) -> None:
    # Every value as NULL, planned for real: names, types and conflicts must exist.
    names = set(re.findall(r"(?<![:\w]):([a-z_]+)", STATEMENTS[name]))
    values: dict[str, object] = dict.fromkeys(names) | {
        name: True for name in ("judge", "idle", "all") if name in names
    }

    with rw().connect() as connection:
        plan = connection.execute(text("EXPLAIN " + STATEMENTS[name]), values).fetchall()

    assert plan


def test_there_are_statements_to_check() -> None:
    assert len(STATEMENTS) > 40


# --- jobs, processes, transactions ------------------------------------------------------------------------------------


def a_job(anna: Person, type: str = "clean_up", queue: str = "batch") -> str:
    return jobs.insert(rw(), tenant=anna.tenant, user=None, type=type, queue=queue, payload={}, cid="cid_test")


def running_job(anna: Person, owner: str) -> str:
    job = a_job(anna)
    releasing.release_jobs(rw(), queue="batch", room=9)
    jobs.claim(rw(), job=job, fence=1, dispatch_no=1, owner=owner, worker="w")
    return job


def job_row(job: str) -> dict[str, object]:
    return dict(kit.look("SELECT * FROM switchyard_job WHERE id = :job", job=job)[0])


def logged(job: str) -> list[dict[str, object]]:
    found: list[dict[str, object]] = kit.look("SELECT log FROM switchyard_job WHERE id = :job", job=job)[0]["log"]
    return found


def test_a_job_is_claimed_once(anna: Person) -> None:
    job = a_job(anna)
    releasing.release_jobs(rw(), queue="batch", room=1)

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


def test_a_schedule_of_the_deployment_fires_once_whatever_beats_and_tenants_there_are(
    anna: Person, rival: Person
) -> None:
    now = kit.look("SELECT date_trunc('minute', now()) AS at")[0]["at"]

    made = kit.at_once(
        4,
        lambda _: jobs.fire(
            rw(), schedule="whole", fire_time=now, type="clean_up", queue="batch", payload={}, cid="cid_t", whole=True
        ),
    )

    assert sum(made) == 1
    assert kit.look("SELECT tenant_id, schedule FROM switchyard_job") == [{"tenant_id": None, "schedule": "whole"}]
    assert jobs.last_fire(rw(), "whole") == now


def test_jobs_of_the_deployment_stand_in_line_as_one_tenants(anna: Person) -> None:
    kit.look(
        "INSERT INTO switchyard_job (id, type, queue, payload, cid, run_at)"
        " SELECT 'whole' || n, 'clean_up', 'batch', '{}', 'c', now() - interval '1 hour' FROM generate_series(1, 4) n"
    )
    hers = a_job(anna)

    released = releasing.release_jobs(rw(), queue="batch", room=1) + releasing.release_jobs(rw(), queue="batch", room=1)

    assert [row["job"] for row in released] == ["whole1", hers]


def test_a_job_whose_worker_died_is_put_back_under_a_new_fence(anna: Person) -> None:
    kit.alive("inc_dead", silent_s=7)
    job = running_job(anna, "inc_dead")

    recovering.recover_jobs(rw())

    row = job_row(job)
    assert (row["state"], row["fence"], row["owner"]) == ("RETRY_WAIT", 2, None)
    assert [(line["attempt"], line["text"]) for line in logged(job)] == [(1, "its worker was lost")]
    assert jobs.end(rw(), job=job, fence=1, state="SUCCEEDED", result={}) is False


def test_a_job_whose_worker_lives_is_left_alone(anna: Person) -> None:
    kit.alive("inc_live")
    job = running_job(anna, "inc_live")

    recovering.recover_jobs(rw())

    assert job_row(job)["state"] == "RUNNING"


def test_a_job_that_kills_its_workers_fails_in_the_end(anna: Person) -> None:
    job = running_job(anna, "inc_gone")
    kit.look("UPDATE switchyard_job SET attempts = max_attempts WHERE id = :job", job=job)

    recovering.recover_jobs(rw())

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

    assert row == {"known": False, "turn": None, "fence": None, "used_up": None}
