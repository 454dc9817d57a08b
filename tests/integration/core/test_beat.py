"""Two real schedulers over the table of schedules: what they fire, and for whom."""

from __future__ import annotations

from typing import Any

import pytest

from orchestrator.automation.schedules import Schedule
from orchestrator.celery import app
from orchestrator.log.clients import sync_client
from orchestrator.log.keys import Keys
from tasks.beat import JobScheduler
from tests.integration.core import kit
from tests.integration.core.kit import Person

WHOLE = Schedule(name="whole", type="clean_up", scope="deployment")
EACH = Schedule(name="each", type="clean_up")


@pytest.fixture
def beats(own: Any, keys: Keys, empty: None) -> list[JobScheduler]:
    return [beat(own.redis_url, keys) for _ in range(2)]


def beat(redis_url: str, keys: Keys) -> JobScheduler:
    # Lazy: the process' own start, with its checks and its heartbeat, is not what is looked at.
    made = JobScheduler(app, lazy=True)
    made._redis, made._keys = sync_client(redis_url), keys
    made._by_name = {schedule.name: schedule for schedule in (WHOLE, EACH)}
    return made


def fire(scheduler: JobScheduler) -> None:
    for schedule in (WHOLE, EACH):
        scheduler.apply_async(scheduler._entry(schedule))


def test_two_beats_and_three_tenants_make_one_job_of_the_deployment_and_one_of_each_tenant(
    anna: Person, rival: Person, beats: list[JobScheduler]
) -> None:
    tenants = {anna.tenant, rival.tenant, kit.person().tenant}

    kit.at_once(2, lambda n: fire(beats[n]))

    fired = kit.look("SELECT schedule, tenant_id AS tenant FROM switchyard_job")
    assert [row["tenant"] for row in fired if row["schedule"] == "whole"] == [None]
    each = [row["tenant"] for row in fired if row["schedule"] != "whole"]
    assert tenants <= set(each)
    assert len(each) == len(set(each))
