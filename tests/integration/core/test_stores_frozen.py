"""A store that is frozen, not dead: connections stay open and nothing answers. It may hold some calls, never all."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager

import pytest
from redis import Redis
from redis.exceptions import RedisError

from deploy.testservers import EmbeddedServers, Handle
from orchestrator.errors import StoreDownError
from orchestrator.log.clients import SILENT_S as REDIS_SILENT_S
from orchestrator.log.clients import RedisRestsError, sync_client
from orchestrator.resilience.breaker_local import vital
from orchestrator.store.breaking import SILENT_S as DATABASE_SILENT_S
from orchestrator.store.engine import rw
from orchestrator.store.rows import one_row
from tests.integration.core.rounds import until

pytestmark = pytest.mark.drill
#: Longer than a silence must last to be believed.
SURE_S = 0.3
Outcome = BaseException | None


def of(call: Callable[[], object]) -> Outcome:
    try:
        call()
    except (RedisError, StoreDownError) as exc:
        return exc
    return None


def ask_database() -> None:
    one_row(rw(), "SELECT 1 AS x")


@contextmanager
def frozen(server: Handle) -> Iterator[None]:
    """Stop a server and its children, so that not even a session that it has begun gets an answer."""
    assert server._running is not None
    first = server._running.pid
    shown = subprocess.run(["ps", "--ppid", str(first), "-o", "pid="], capture_output=True, text=True)
    everyone = [first, *(int(pid) for pid in shown.stdout.split())]
    for pid in everyone:
        os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for pid in everyone:
            os.kill(pid, signal.SIGCONT)


def held_and_refused(call: Callable[[], object], pool: ThreadPoolExecutor, silent_s: float) -> tuple[int, list[str]]:
    """Call until silence is believed, then six times at once; return how many of these hang, and what the rest hear."""
    first = [pool.submit(of, call)]
    time.sleep(silent_s + 0.1)
    first.append(pool.submit(of, call))
    time.sleep(SURE_S)
    calls: list[Future[Outcome]] = [pool.submit(of, call) for _ in range(6)]
    until(lambda: sum(c.done() for c in calls) >= 5, limit_s=2)
    done = [c for c in calls if c.done()]
    return len(calls) - len(done), [type(c.result()).__name__ for c in done]


@pytest.fixture
def client(own: EmbeddedServers) -> Iterator[Redis]:
    made = sync_client(own.redis_url)
    made.ping()
    yield made
    made.close()


@pytest.fixture
def pool() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(10) as threads:
        yield threads


def test_a_frozen_redis_holds_the_probe_and_refuses_the_rest(
    own: EmbeddedServers, client: Redis, pool: ThreadPoolExecutor
) -> None:
    with frozen(own.redis):
        held, refused = held_and_refused(client.ping, pool, REDIS_SILENT_S)

    assert (held, refused) == (1, [RedisRestsError.__name__] * 5)
    until(lambda: of(client.ping) is None)


def test_a_frozen_database_holds_the_probe_and_refuses_the_rest(own: EmbeddedServers, pool: ThreadPoolExecutor) -> None:
    with frozen(own.postgres):
        held, refused = held_and_refused(ask_database, pool, DATABASE_SILENT_S)

    assert (held, refused) == (1, [StoreDownError.__name__] * 5)
    until(lambda: of(ask_database) is None)


def test_a_heartbeat_is_sent_while_others_are_refused(own: EmbeddedServers, pool: ThreadPoolExecutor) -> None:
    def beat() -> None:
        with vital():
            ask_database()

    with frozen(own.postgres):
        held_and_refused(ask_database, pool, DATABASE_SILENT_S)
        beating = pool.submit(of, beat)
        time.sleep(0.5)
        refused_at_once = beating.done()

    assert not refused_at_once
    assert beating.result(10) is None


def test_a_database_that_is_back_is_asked_again_within_a_second_or_so(own: EmbeddedServers) -> None:
    ask_database()
    own.postgres.stop()
    away = [of(ask_database) for _ in range(8)]
    own.postgres.start()

    until(lambda: of(ask_database) is None, limit_s=5)

    assert None not in away
    assert "breaker" in str(away[-1])
