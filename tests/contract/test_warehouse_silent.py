"""A warehouse that says nothing is told from one whose statement takes too long: only the first is its own fault."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest
from sqlalchemy.engine import make_url

from deploy.servers_postgres import PostgresServer
from deploy.testservers import EmbeddedServers
from orchestrator.engines.warehouse import Limits, Warehouse
from orchestrator.engines.warehouse_guarded import GuardedWarehouse
from orchestrator.engines.warehouse_sql import open_warehouse
from orchestrator.errors import BreakerOpenError, DeadlineExceededError, SilentError
from orchestrator.resilience.breaker_local import LocalBreaker
from orchestrator.resilience.breaker_states import Policy
from orchestrator.resilience.stop import Stop
from tests.contract.test_warehouse_stops import Swallow

LIMITS = Limits(cost=1e15, timeout_s=0.5)
QUICK = "SELECT 1 AS one"
SLEEP = "SELECT pg_sleep(60)"


@pytest.fixture
def link(servers: EmbeddedServers) -> Iterator[Swallow]:
    """Return the way to the server, which can be made to swallow everything."""
    address = make_url(owner_url(servers))
    made = Swallow(str(address.host), int(address.port or 5432))
    yield made
    made.close()


@pytest.fixture
def warehouse(servers: EmbeddedServers, link: Swallow) -> Iterator[Warehouse]:
    address = make_url(owner_url(servers)).set(host="127.0.0.1", port=link.port)
    made = open_warehouse(address.render_as_string(hide_password=False), pool_size=1)
    yield made
    made.close()


def owner_url(servers: EmbeddedServers) -> str:
    server = servers.postgres.server
    assert isinstance(server, PostgresServer)
    return server.superuser_url


def outcome(warehouse: Warehouse, sql: str = QUICK) -> type[BaseException] | None:
    try:
        warehouse.run(sql, limits=LIMITS, stop=Stop())
    except (DeadlineExceededError, BreakerOpenError) as exc:
        return type(exc)
    return None


def test_a_statement_that_runs_too_long_is_the_questions_fault(warehouse: Warehouse) -> None:
    assert outcome(warehouse, SLEEP) is DeadlineExceededError


def test_a_server_that_says_nothing_is_silent(warehouse: Warehouse, link: Swallow) -> None:
    before = outcome(warehouse)
    link.swallows.set()

    assert (before, outcome(warehouse)) == (None, SilentError)


def test_whoever_found_no_free_connection_does_not_blame_the_server(warehouse: Warehouse) -> None:
    ends: list[type[BaseException] | None] = []
    first = threading.Thread(target=lambda: ends.append(outcome(warehouse, SLEEP)))
    first.start()
    ends.append(outcome(warehouse, SLEEP))
    first.join()

    assert SilentError not in ends


def test_a_silent_one_opens_its_breaker_and_slow_statements_do_not(warehouse: Warehouse, link: Swallow) -> None:
    policy = Policy(failures=2, cool_ms=60_000, cool_most_ms=60_000)
    guarded = GuardedWarehouse(warehouse, LocalBreaker("warehouse", dependency="warehouse", policy=policy))
    slow = [outcome(guarded, SLEEP) for _ in range(3)]
    link.swallows.set()

    silent = [outcome(guarded) for _ in range(3)]

    assert slow == [DeadlineExceededError] * 3
    assert silent == [SilentError, SilentError, BreakerOpenError]
