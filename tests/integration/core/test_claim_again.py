"""A claim that the database did not answer is made again: its message is gone from the broker."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import psycopg2

from deploy.testservers import EmbeddedServers
from orchestrator.automation.run_job import JobContext, run_job
from orchestrator.pipeline.run_stage import run_stage
from orchestrator.pipeline.runtime import Runtime
from orchestrator.store import releasing
from orchestrator.store.engine import rw
from tests.integration.core import kit
from tests.integration.core.kit import Person


@contextmanager
def connection_lost_under(server: EmbeddedServers, lock: str) -> Iterator[None]:
    """Hold rows that the block's statement needs, and end its connection while it waits for them."""
    holder, killer = psycopg2.connect(server.database_url), psycopg2.connect(server.database_url)
    killer.autocommit = True
    holder.cursor().execute(lock)

    def strike() -> None:
        time.sleep(0.5)
        killer.cursor().execute(
            "SELECT pg_terminate_backend(pid, 2000) FROM pg_stat_activity WHERE wait_event_type = 'Lock'"
        )
        holder.rollback()

    striker = threading.Thread(target=strike)
    striker.start()
    try:
        yield
    finally:
        striker.join()
        holder.close()
        killer.close()


def test_a_hop_whose_claim_lost_its_connection_is_run(own: EmbeddedServers, runtime: Runtime, anna: Person) -> None:
    turn = kit.released(anna)

    with connection_lost_under(own, "SELECT id FROM switchyard_stage FOR UPDATE"):
        rest = run_stage("llm", lambda _: (), runtime=runtime, turn=turn, fence=1, dispatch_no=1)

    assert rest == ()
    assert kit.stages(turn) == {"llm": "running"}


def test_a_job_whose_claim_lost_its_connection_is_run(own: EmbeddedServers, runtime: Runtime, anna: Person) -> None:
    kit.look(
        "INSERT INTO switchyard_job (id, tenant_id, type, queue, payload, cid, state)"
        " VALUES ('job_1', :tenant, 'clean_up', 'batch', '{}', 'cid_1', 'PENDING')",
        tenant=anna.tenant,
    )
    row = releasing.release_jobs(rw(), queue="batch", room=1)[0]
    ran: list[str] = []

    def work(context: JobContext) -> dict[str, object]:
        ran.append(context.job)
        return {}

    with connection_lost_under(own, "SELECT id FROM switchyard_job FOR UPDATE"):
        run_job({"clean_up": work}, runtime=runtime, job="job_1", fence=row["fence"], dispatch_no=row["dispatch_no"])

    assert ran == ["job_1"]
    assert kit.look("SELECT state FROM switchyard_job")[0]["state"] == "SUCCEEDED"
