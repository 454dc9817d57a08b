"""Real servers for every test that asks for them, started once a run and thrown away."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from django.conf import settings as django_settings
from django.core.management import call_command
from pytest_django.plugin import DjangoDbBlocker
from redis import Redis

from deploy.testservers import EmbeddedServers, embedded_servers
from orchestrator.log.keys import Keys
from orchestrator.queues import PROCESSES
from settings.loading import load
from tests.stack import CHECKOUT, Stack, running_stack


@pytest.fixture(scope="session")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedServers]:
    """Run PostgreSQL and Redis; the environment and Django's settings point at them from here on."""
    with embedded_servers(tmp_path_factory.mktemp("servers")) as running:
        os.environ["DATABASE_URL"] = running.database_url
        os.environ["REDIS_URL"] = running.redis_url
        os.environ["SWITCHYARD_MODE"] = "test"
        # As in settings/test.py, also for what reads the environment anew: this PostgreSQL waits for no disk.
        os.environ["SWITCHYARD_START_DESPITE"] = "postgres-fsync"
        os.environ["SWITCHYARD_DATA_DIR"] = str(tmp_path_factory.mktemp("data"))
        _point_settings_at_environment()
        yield running


def _point_settings_at_environment() -> None:
    from settings.base import _database

    environment = load()
    django_settings.SWITCHYARD = environment
    django_settings.DATABASES["default"].update(_database(environment.database_url.get_secret_value()))
    config = django_settings.CHANNEL_LAYERS["default"]["CONFIG"]
    assert isinstance(config, dict)
    config["hosts"] = [environment.redis_url.get_secret_value()]


@pytest.fixture(scope="session")
def platform(servers: EmbeddedServers, django_db_blocker: DjangoDbBlocker) -> Iterator[EmbeddedServers]:
    """Migrate the database once; tests share it with real worker processes, so they keep apart by tenant."""
    with django_db_blocker.unblock():
        call_command("migrate", verbosity=0)
        yield servers


@pytest.fixture
def redis_client(servers: EmbeddedServers) -> Iterator[Redis]:
    """Return a synchronous client of the running Redis."""
    client = Redis.from_url(servers.redis_url, socket_timeout=5)
    yield client
    client.close()


@pytest.fixture
def keys() -> Keys:
    """Return the key names of the deployment under test."""
    return Keys(django_settings.SWITCHYARD.key_prefix)


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveStack:
    """The whole product at work on the example company."""

    base_url: str
    username: str
    password: str
    stack: Stack


@pytest.fixture(scope="session")
def live_stack(platform: EmbeddedServers, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveStack]:
    """Run every process of the table but Flower, with the real models, the example company and its documents."""
    environ = {
        "SWITCHYARD_EXAMPLE_SIZE": "small",
        # The built-in writer is done in milliseconds; a person who stops it needs a moment.
        "SWITCHYARD_LLM_PACE_S": "0.02",
    }
    for command in (("setup_example",), ("train_router", "--if-missing")):
        subprocess.run(
            [sys.executable, "manage.py", *command],
            cwd=CHECKOUT,
            env={**os.environ, **environ},
            check=True,
            capture_output=True,
            timeout=300,
        )
    names = tuple(p.name for p in PROCESSES if p.role in ("dispatcher", "worker", "beat"))
    with running_stack(tmp_path_factory.mktemp("live"), environ, names=names) as stack:
        stack.wait_ready()
        _wait_for_documents()
        yield LiveStack(base_url=stack.base_url, username="demo", password="demo", stack=stack)


def _wait_for_documents(limit_s: float = 120) -> None:
    from orchestrator.pipeline.models import Document

    # Other tests leave documents of their own tenants in this database, some of them never to be read.
    open_ones = Document.objects.filter(tenant__slug__in=["trattoria", "rival"]).exclude(state="indexed")
    until = time.monotonic() + limit_s
    while open_ones.exists():
        if time.monotonic() > until or open_ones.filter(state="failed").exists():
            raise TimeoutError(
                f"documents are not indexed: {list(open_ones.values_list('filename', 'state', 'error'))}"
            )
        time.sleep(0.5)
