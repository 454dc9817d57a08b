"""Real servers for every test that asks for them, started once a run and thrown away."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest
from django.conf import settings as django_settings
from django.core.management import call_command
from pytest_django.plugin import DjangoDbBlocker
from redis import Redis

from deploy.testservers import EmbeddedServers, embedded_servers
from orchestrator.log.keys import Keys
from settings.env import load


@pytest.fixture(scope="session")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedServers]:
    """Run PostgreSQL and Redis; the environment and Django's settings point at them from here on."""
    with embedded_servers(tmp_path_factory.mktemp("servers")) as running:
        os.environ["DATABASE_URL"] = running.database_url
        os.environ["REDIS_URL"] = running.redis_url
        os.environ["SWITCHYARD_MODE"] = "test"
        os.environ["SWITCHYARD_DATA_DIR"] = str(tmp_path_factory.mktemp("data"))
        _point_settings_at_environment()
        yield running


def _point_settings_at_environment() -> None:
    from settings.base import _database

    environment = load()
    django_settings.SWITCHYARD = environment
    django_settings.DATABASES["default"].update(_database(environment.database_url.get_secret_value()))
    django_settings.CHANNEL_LAYERS["default"]["CONFIG"]["hosts"] = [environment.redis_url.get_secret_value()]


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
