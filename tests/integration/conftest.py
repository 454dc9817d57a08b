"""What the tests of the edges share: the platform's database, and companies in it."""

from __future__ import annotations

from collections.abc import Iterator

import psycopg2
import pytest
from django.test import Client
from pytest_django.plugin import DjangoDbBlocker

from deploy.testservers import EmbeddedServers, embedded_servers
from orchestrator.tenants.models import Tenant
from tests.integration.admin_kit import a_tenant, a_user, signed_in


@pytest.fixture
def database(platform: EmbeddedServers, django_db_blocker: DjangoDbBlocker) -> Iterator[None]:
    """Let the test use the platform's database, as the processes do."""
    with django_db_blocker.unblock():
        yield


@pytest.fixture(scope="module")
def elsewhere(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedServers]:
    """Run other servers, with nothing in them."""
    with embedded_servers(tmp_path_factory.mktemp("elsewhere")) as servers:
        yield servers


@pytest.fixture
def emptied(elsewhere: EmbeddedServers) -> EmbeddedServers:
    """Return servers with an empty database, but for the extension that a superuser has made there."""
    with psycopg2.connect(elsewhere.database_url) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
        for (name,) in cursor.fetchall():
            cursor.execute(f'DROP TABLE "{name}" CASCADE')
    return elsewhere


@pytest.fixture
def tenant(database: None) -> Tenant:
    """Return a company of the test's own."""
    return a_tenant()


@pytest.fixture
def other(database: None) -> Tenant:
    """Return another company."""
    return a_tenant()


@pytest.fixture
def root(tenant: Tenant) -> Client:
    """Return the browser of a superuser, who is one of `tenant`."""
    return signed_in(a_user(tenant, is_staff=True, is_superuser=True))
