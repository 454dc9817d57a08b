from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest
from django.conf import settings

from deploy.testservers import EmbeddedServers
from orchestrator import ids
from orchestrator.log.clients import sync_client
from orchestrator.log.keys import Keys
from orchestrator.queues import QUEUES
from orchestrator.resilience.breaker_registry import Breakers
from orchestrator.resilience.breaker_states import Policy
from orchestrator.store import processes
from orchestrator.store.engine import rw


@pytest.fixture
def living(servers: EmbeddedServers) -> Iterator[None]:
    """Have heartbeats of a dispatcher and of one worker for every queue."""
    names = {"dispatcher": (), "worker": tuple(QUEUES)}
    incarnations = [ids.new_id("inc") for _ in names]
    for incarnation, (role, queues) in zip(incarnations, names.items(), strict=True):
        processes.beat(
            rw(), incarnation=incarnation, name=role, role=role, host="h", pid=1, queues=queues, draining=False
        )
    yield
    for incarnation in incarnations:
        processes.gone(rw(), incarnation=incarnation)


def test_a_process_that_runs_is_alive(anybody: httpx.Client) -> None:
    assert anybody.get("/healthz").json() == {"alive": True}


def test_with_every_process_alive_it_is_ready(anybody: httpx.Client, living: None) -> None:
    ready = anybody.get("/readyz")

    assert ready.status_code == 200
    assert ready.json()["not_ready"] == []
    assert set(ready.json()["checks"].values()) == {"ok"}


def test_a_breaker_that_is_open_is_told_and_keeps_nobody_away(anybody: httpx.Client, living: None) -> None:
    environment = settings.SWITCHYARD
    redis = sync_client(environment.redis_url.get_secret_value())
    breakers = Breakers(redis, Keys(environment.key_prefix), Policy(failures=1, cool_ms=60_000, cool_most_ms=60_000))
    breakers.of("llm", "10.0.0.7:8000", probe_s=1).enter().failed()
    ready = anybody.get("/readyz")
    redis.delete(Keys(environment.key_prefix).breaker("llm 10.0.0.7:8000"))

    assert ready.status_code == 200
    assert ready.json()["breakers"]["llm"] == "open"
    assert "10.0.0.7" not in ready.text


def test_each_queue_without_a_live_consumer_is_named(anybody: httpx.Client) -> None:
    processes.beat(
        rw(), incarnation="inc_sql", name="w", role="worker", host="h", pid=1, queues=("sql", "rag"), draining=False
    )
    ready = anybody.get("/readyz")
    processes.gone(rw(), incarnation="inc_sql")

    assert ready.status_code == 503
    assert ready.json()["checks"]["queue sql"] == "ok"
    assert "queue gpu: no live consumer" in ready.json()["not_ready"]
    assert "dispatcher: no live dispatcher" in ready.json()["not_ready"]


def test_a_worker_that_drains_is_no_consumer(anybody: httpx.Client) -> None:
    processes.beat(
        rw(), incarnation="inc_old", name="w", role="worker", host="h", pid=1, queues=("llm",), draining=True
    )
    ready = anybody.get("/readyz")
    processes.gone(rw(), incarnation="inc_old")

    assert ready.json()["checks"]["queue llm"] == "no live consumer"


def test_a_redis_that_does_not_answer_is_named_and_nothing_hangs(
    anybody: httpx.Client, living: None, platform: EmbeddedServers
) -> None:
    platform.redis.pause()
    ready = anybody.get("/readyz")
    platform.redis.resume()

    assert ready.status_code == 503
    assert ready.json()["checks"]["redis"] == "does not answer"
    assert ready.json()["checks"]["database"] == "ok"
