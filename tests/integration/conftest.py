"""What the tests of the edges share: the platform's database, and companies in it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from django.test import Client
from pytest_django.plugin import DjangoDbBlocker

from deploy.testservers import EmbeddedServers
from orchestrator.tenants.models import Tenant
from tests.integration.admin_kit import a_tenant, a_user, signed_in


@pytest.fixture
def database(platform: EmbeddedServers, django_db_blocker: DjangoDbBlocker) -> Iterator[None]:
    """Let the test use the platform's database, as the processes do."""
    with django_db_blocker.unblock():
        yield


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
