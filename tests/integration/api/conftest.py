"""A real gateway for the HTTP tests, and clients of people."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest
from pytest_django.plugin import DjangoDbBlocker
from redis import Redis

from deploy.testservers import EmbeddedServers, quiet_port
from orchestrator.log.keys import Keys
from orchestrator.log.writer import LogWriter
from tests.integration.api.kit import Worker, bearer
from tests.integration.gateway_kit import GatewayProcess, Person, a_person, running_gateway


@pytest.fixture(scope="module")
def gateway(platform: EmbeddedServers, tmp_path_factory: pytest.TempPathFactory) -> Iterator[GatewayProcess]:
    """Run one gateway for a file's tests."""
    with running_gateway(
        platform,
        tmp_path_factory.mktemp("gateway"),
        index=0,
        PORT=str(quiet_port()),
        SWITCHYARD_MAX_UPLOAD_BYTES="2000000",
    ) as running:
        yield running


@pytest.fixture
def person(platform: EmbeddedServers, django_db_blocker: DjangoDbBlocker) -> Person:
    """Make somebody with a tenant of their own."""
    return a_person(django_db_blocker)


@pytest.fixture
def stranger(platform: EmbeddedServers, django_db_blocker: DjangoDbBlocker) -> Person:
    """Make somebody of another tenant."""
    return a_person(django_db_blocker)


@pytest.fixture
def spaniard(platform: EmbeddedServers, django_db_blocker: DjangoDbBlocker) -> Person:
    """Make somebody who reads Spanish."""
    return a_person(django_db_blocker, language="es")


@pytest.fixture
def anybody(gateway: GatewayProcess) -> Iterator[httpx.Client]:
    """Return a client without credentials."""
    with httpx.Client(base_url=f"http://127.0.0.1:{gateway.port}", timeout=30) as client:
        yield client


@pytest.fixture
def client(gateway: GatewayProcess, person: Person) -> Iterator[httpx.Client]:
    """Return a client with the person's token."""
    with httpx.Client(base_url=f"http://127.0.0.1:{gateway.port}", headers=bearer(person), timeout=30) as client:
        yield client


@pytest.fixture
def worker(redis_client: Redis, keys: Keys) -> Worker:
    """Return a worker's hand."""
    return Worker(writer=LogWriter(redis_client, keys))
