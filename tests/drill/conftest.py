"""A stack with two gateways and a scripted, slow writer, over real servers."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest

from deploy.testservers import EmbeddedServers
from orchestrator.tenants.models import Tenant, User
from tests.client import sign_in
from tests.stack import Stack, running_stack

NAMES = ("dispatcher", "worker-gpu", "worker-llm")


@pytest.fixture(scope="session")
def person(platform: EmbeddedServers) -> User:
    """Return a user of a tenant of their own; the password is `drill`."""
    tenant = Tenant.objects.create(slug="drill", name="Drill")
    user = User(username="drill", tenant=tenant, language="en")
    user.set_password("drill")
    user.save()
    return user


@pytest.fixture(scope="session")
def stack(platform: EmbeddedServers, person: User, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """Run two gateways, the dispatcher and the two workers that a `chat` turn needs."""
    environ = {
        "SWITCHYARD_ENGINES": "scripted",
        # About 2.4 s an answer: long enough to be cut in the middle.
        "SWITCHYARD_LLM_SCRIPT": "pieces=240 pace_s=0.01",
        "SWITCHYARD_MODE": "test",
        "SWITCHYARD_GATEWAYS": "2",
    }
    with running_stack(tmp_path_factory.mktemp("logs"), environ, names=NAMES, gateways=2) as running:
        running.wait_serving()
        yield running


@pytest.fixture
def token(stack: Stack, person: User) -> str:
    """Return a fresh access token."""
    return asyncio.run(sign_in(stack.base_url, person.username, "drill"))
