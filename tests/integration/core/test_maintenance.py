"""The nightly care of a real PostgreSQL: done, told, stopped, and not in anybody's way."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any

import psycopg2
import pytest
from django.conf import settings
from pydantic import SecretStr
from sqlalchemy.exc import IntegrityError

from deploy.testservers import EmbeddedServers
from orchestrator.automation.maintenance import maintain
from orchestrator.automation.run_job import JobContext, run_job
from orchestrator.errors import StoppedError, StoreDownError
from orchestrator.pipeline.runtime import Runtime
from orchestrator.resilience.deadline import Deadline
from orchestrator.resilience.stop import Stop
from orchestrator.store import jobs, maintaining, releasing
from orchestrator.store.engine import psycopg2_url, rw
from tests.integration.core import kit
from tests.integration.core.kit import Person

pytestmark = pytest.mark.usefixtures("empty")


def run(*, limit_s: float = 300, stop: Stop | None = None) -> dict[str, Any]:
    return dict(
        maintain(
            JobContext(
                job="job_m",
                tenant=None,
                payload={},
                cid="cid_m",
                stop=stop or Stop(),
                deadline=Deadline.after_ms(int(limit_s * 1000)),
            )
        )
    )


def vacuumed(table: str) -> tuple[int, int]:
    row = kit.look("SELECT vacuum_count, analyze_count FROM pg_stat_user_tables WHERE relname = :t", t=table)[0]
    return row["vacuum_count"], row["analyze_count"]


def dead_rows(who: Person, count: int = 200) -> None:
    kit.look(
        "INSERT INTO switchyard_outbox (kind, key, body) SELECT 'ending', 'dead' || n, '{}'"
        " FROM generate_series(1, :count) n",
        count=count,
    )
    kit.look("DELETE FROM switchyard_outbox")
    # What a session did reaches the statistics when it rests.
    time.sleep(1.1)
    kit.look("SELECT pg_stat_force_next_flush()")


def connect(url: str) -> Any:  # Any: psycopg2's stubs type rows as tuples of Any
    return psycopg2.connect(psycopg2_url(url).set(drivername="postgresql").render_as_string(hide_password=False))


@pytest.fixture
def locked(own: EmbeddedServers) -> Iterator[str]:
    """Return a table that somebody holds."""
    held = connect(own.database_url)
    held.cursor().execute("LOCK TABLE switchyard_outbox IN SHARE UPDATE EXCLUSIVE MODE")
    yield "switchyard_outbox"
    held.close()


@pytest.fixture
def stranger(own: EmbeddedServers, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Have the platform's address name a role that may sign in and owns nothing."""
    kit.look("CREATE ROLE stranger LOGIN PASSWORD 'x'")
    url = psycopg2_url(own.database_url).set(username="stranger", password="x")
    changes = {"database_direct_url": SecretStr(url.render_as_string(hide_password=False))}
    monkeypatch.setattr(settings, "SWITCHYARD", settings.SWITCHYARD.model_copy(update=changes))
    yield
    kit.look("DROP ROLE stranger")


def test_every_table_is_vacuumed_and_analysed_and_its_dead_rows_are_gone(anna: Person) -> None:
    dead_rows(anna)
    before = vacuumed("switchyard_outbox")

    done = run()

    after = vacuumed("switchyard_outbox")
    assert (after[0] - before[0], after[1] - before[1]) == (1, 1)
    assert done["dead_rows_before"] >= 200
    assert done["dead_rows_after"] < done["dead_rows_before"]
    assert (done["not_done"], done["left"]) == ({}, [])
    tables = kit.look("SELECT count(*) AS n FROM pg_tables WHERE schemaname = 'public'")[0]["n"]
    assert done["vacuumed"] == tables


def test_it_runs_as_a_job_that_is_no_tenants_and_says_what_it_left_out(runtime: Runtime, locked: str) -> None:
    now = datetime(2026, 11, 20, 4, 45, tzinfo=UTC)
    jobs.fire(
        rw(), schedule="maintenance", fire_time=now, type="maintenance", queue="batch", payload={}, cid="c", whole=True
    )
    job = releasing.release_jobs(rw(), queue="batch", room=1)[0]["job"]

    run_job({"maintenance": maintain}, runtime=runtime, job=job, fence=1, dispatch_no=1)

    row = kit.look("SELECT state, tenant_id, result, log FROM switchyard_job")[0]
    assert (row["state"], row["tenant_id"]) == ("SUCCEEDED", None)
    assert row["result"]["not_done"] == {locked: "another session holds it"}
    assert f"{locked} was left out: another session holds it" in [line["text"] for line in row["log"]]


def test_sizes_age_and_invalid_indexes_are_told(anna: Person) -> None:
    kit.look("INSERT INTO switchyard_outbox (kind, key, body) VALUES ('ending', 'a', '{}'), ('ending', 'b', '{}')")
    with pytest.raises(IntegrityError):
        kit.look("CREATE UNIQUE INDEX CONCURRENTLY broken ON switchyard_outbox (kind)")

    done = run()
    kit.look("DROP INDEX broken")

    assert done["invalid_indexes"] == ["broken of switchyard_outbox"]
    assert done["size_bytes"] > 1_000_000
    assert done["oldest_transaction_age"] > 0
    assert {"table", "size_bytes", "rows", "dead_before", "dead_after"} == done["largest"][0].keys()


def test_a_table_that_somebody_holds_is_left_out_and_told(locked: str) -> None:
    began_s = time.monotonic()

    done = run()

    assert done["not_done"] == {locked: "another session holds it"}
    assert time.monotonic() - began_s < maintaining.LOCK_S + 20
    assert done["vacuumed"] > 10


def test_what_belongs_to_another_role_is_told_in_plain_words(stranger: None) -> None:
    done = run()

    assert done["vacuumed"] == 0
    assert done["not_done"]["switchyard_turn"].startswith("it belongs to ")


def test_a_stop_ends_it_between_two_tables(anna: Person) -> None:
    stop = Stop()
    stop.set()
    before = vacuumed("switchyard_turn")

    with pytest.raises(StoppedError):
        run(stop=stop)

    assert vacuumed("switchyard_turn") == before


def test_a_stop_ends_it_in_the_middle_of_a_table(own: EmbeddedServers, locked: str) -> None:
    stop = Stop()
    with maintaining.connected() as connection, ThreadPoolExecutor(1) as pool:
        connection.cursor().execute("SET lock_timeout = 0")
        waiting = pool.submit(maintaining.vacuum, connection, locked, limit_s=60, stop=stop)
        threading.Event().wait(0.5)
        stop.set()

        with pytest.raises(StoppedError):
            waiting.result(5)


def test_what_the_time_does_not_reach_is_left_for_the_next_night(anna: Person) -> None:
    before = vacuumed("switchyard_turn")

    done = run(limit_s=5)

    assert done["vacuumed"] == 0
    assert "switchyard_turn" in done["left"]
    assert vacuumed("switchyard_turn") == before


def test_a_table_that_takes_too_long_is_told(locked: str) -> None:
    with maintaining.connected() as connection:
        why = maintaining.vacuum(connection, locked, limit_s=1, stop=Stop())

    assert why == "it takes longer than 1 s"


def test_a_database_that_is_away_has_it_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    changes = {"database_direct_url": SecretStr("postgresql://nobody@127.0.0.1:9/none")}
    monkeypatch.setattr(settings, "SWITCHYARD", settings.SWITCHYARD.model_copy(update=changes))

    with pytest.raises(StoreDownError):
        run()
