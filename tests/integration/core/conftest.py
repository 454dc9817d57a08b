"""Servers of each module's own, emptied before each test."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from django.conf import settings as django_settings
from pytest_django.plugin import DjangoDbBlocker
from redis import Redis

from deploy.testservers import EmbeddedServers
from orchestrator.control.dispatcher import Dispatcher
from orchestrator.log.clients import sync_client
from orchestrator.log.flusher import Flusher
from orchestrator.log.keys import Keys
from orchestrator.log.writer import LogWriter
from orchestrator.pipeline.runtime import Runtime
from orchestrator.store import jobs, releasing
from orchestrator.store.engine import rw
from tests.integration.core import kit
from tests.integration.core.kit import Person


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory, django_db_blocker: DjangoDbBlocker) -> Iterator[EmbeddedServers]:
    """Run this module's own servers."""
    folder: Path = tmp_path_factory.mktemp("own")
    with django_db_blocker.unblock(), kit.own_platform(folder) as servers:
        yield servers


@pytest.fixture
def redis(own: EmbeddedServers) -> Iterator[Redis]:
    """Return a client of the module's Redis."""
    client = Redis.from_url(own.redis_url, socket_timeout=5)
    yield client
    client.close()


@pytest.fixture
def keys(own: EmbeddedServers) -> Keys:
    """Return the key names in use."""
    return Keys(django_settings.SWITCHYARD.key_prefix)


@pytest.fixture
def empty(own: EmbeddedServers, redis: Redis) -> None:
    """Empty what a dispatcher would act on."""
    kit.look(
        "TRUNCATE switchyard_turn, switchyard_stage, switchyard_artifact, switchyard_outbox, switchyard_job,"
        " switchyard_process, switchyard_conversation CASCADE"
    )
    redis.flushall()


@pytest.fixture
def anna(own: EmbeddedServers, empty: None) -> Person:
    """Return somebody."""
    return kit.person()


@pytest.fixture
def rival(own: EmbeddedServers, empty: None) -> Person:
    """Return somebody of another tenant."""
    return kit.person()


@pytest.fixture
def dispatcher(own: EmbeddedServers, keys: Keys, empty: None) -> Dispatcher:
    """Return a dispatcher that the test turns by hand."""
    made = Dispatcher(sync_client(own.redis_url), keys)
    kit.let_judge(made.sweeper.judge)
    return made


@pytest.fixture
def pen() -> type[LogWriter]:
    """Return what writes to the log."""
    return LogWriter


@pytest.fixture
def runtime(own: EmbeddedServers, keys: Keys, empty: None, pen: type[LogWriter]) -> Iterator[Runtime]:
    """Return what a worker process has at hand."""
    client = sync_client(own.redis_url)
    flusher = Flusher(0.03)
    yield Runtime(
        incarnation="inc_jobs",
        worker="worker-jobs",
        redis=client,
        keys=keys,
        writer=pen(client, keys),
        flusher=flusher,
    )
    flusher.close()
    client.close()


@pytest.fixture
def job(anna: Person) -> str:
    """Return an assigned job."""
    made = jobs.insert(
        rw(), tenant=anna.tenant, user=None, type="clean_up", queue="batch", payload={"n": 1}, cid="cid_job"
    )
    releasing.release_jobs(rw(), queue="batch", room=1)
    return made
