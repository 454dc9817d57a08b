"""The breaker that all workers share, against a real Redis."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from redis import Redis

from deploy.testservers import EmbeddedServers, embedded_servers
from orchestrator import ids
from orchestrator.errors import (
    BreakerOpenError,
    DeadlineExceededError,
    DependencyDownError,
    EngineError,
    GuardRefusedError,
    NoAnswerError,
    OverLimitError,
    SilentError,
    StoppedError,
)
from orchestrator.log.clients import sync_client
from orchestrator.log.keys import Keys
from orchestrator.resilience.breaker import Permit
from orchestrator.resilience.breaker_registry import Breakers, shared_ones
from orchestrator.resilience.breaker_shared import SharedBreaker
from orchestrator.resilience.breaker_states import Policy
from orchestrator.resilience.deadline import Deadline
from orchestrator.resilience.stop import Stop
from tests.stack import CHECKOUT

#: Cool-downs long enough that none ends by itself in a test, unless the test wants it.
LONG = Policy(failures=3, cool_ms=60_000, cool_most_ms=60_000)
SHORT = Policy(failures=3, cool_ms=50, cool_most_ms=50, probe_ms=60_000)
STOPPED = StoppedError("llm")


@pytest.fixture
def name() -> str:
    """Return a breaker nobody has used."""
    return ids.new_id("brk")


class Worker:
    """What one process has of a breaker."""

    def __init__(self, url: str, keys: Keys, name: str, policy: Policy) -> None:
        self.breaker = SharedBreaker(sync_client(url), keys, name, dependency="llm", policy=policy)

    def call(self, error: BaseException | None = None, *, deadline_ms: int = 0) -> bool:
        """Make a call that ends by `error`; return whether it was let through."""
        try:
            with self.breaker.call(Deadline.after_ms(deadline_ms), Stop(), stopped=STOPPED):
                if error is not None:
                    raise error
        except BreakerOpenError:
            return False
        except BaseException as exc:
            if exc is not error:
                raise
        return True


def down() -> DependencyDownError:
    return DependencyDownError("x", dependency="llm")


def a_moment_later(worker: Worker) -> None:
    """Let what a worker has seen become old."""
    worker.breaker._seen = type(worker.breaker._seen)("closed", float("-inf"), 0.0)


@pytest.fixture
def two(servers: EmbeddedServers, keys: Keys, name: str) -> tuple[Worker, Worker]:
    """Return two processes' breakers of one name."""
    return Worker(servers.redis_url, keys, name, LONG), Worker(servers.redis_url, keys, name, LONG)


def test_one_workers_failures_open_it_for_all(two: tuple[Worker, Worker]) -> None:
    one, other = two

    calls = [one.call(down()) for _ in range(4)]

    assert (calls, other.call()) == ([True, True, True, False], False)


def test_failures_of_all_workers_are_one_row(two: tuple[Worker, Worker]) -> None:
    one, other = two
    calls = [worker.call(down()) for worker in (one, other, one)]
    a_moment_later(other)

    assert (calls, other.call()) == ([True, True, True], False)


def test_a_success_of_another_worker_ends_the_row(two: tuple[Worker, Worker]) -> None:
    one, other = two
    one.call(down())
    one.call(down())
    other.call()
    a_moment_later(other)
    other.call()  # asks again, and tells the success with it

    one.call(down())

    assert one.call()


@pytest.mark.parametrize(
    "error",
    [
        GuardRefusedError("no"),
        NoAnswerError("x", detail_key="rag.no_answer"),
        EngineError("a bad statement", engine="warehouse"),
        EngineError("garbage", engine="llm", transient=True),
        DeadlineExceededError("the user's own"),
        StoppedError("llm"),
        ValueError("a mistake of ours"),
    ],
)
def test_what_is_not_the_dependencys_fault_never_opens_it(two: tuple[Worker, Worker], error: Exception) -> None:
    one, other = two
    for _ in range(20):
        one.call(error)
        a_moment_later(one)

    assert (one.call(), other.call()) == (True, True)


@pytest.mark.parametrize(
    "error", [down(), SilentError("x", dependency="llm", stage="llm"), OverLimitError("x", dependency="llm")]
)
def test_what_is_its_fault_opens_it(two: tuple[Worker, Worker], error: Exception) -> None:
    one, other = two
    for _ in range(3):
        one.call(error)

    assert not other.call()


def test_a_refusal_says_whats_down_and_when_to_come_back(two: tuple[Worker, Worker]) -> None:
    one, other = two
    for _ in range(3):
        one.call(OverLimitError("x", dependency="llm", retry_after_ms=30_000))

    with pytest.raises(BreakerOpenError) as caught:
        other.breaker.enter()

    assert caught.value.dependency == "llm"
    assert 0 < (caught.value.retry_after_ms or 0) <= 60_000


def test_a_closed_one_costs_one_round_trip_in_a_quarter_second_and_an_open_one_none(two: tuple[Worker, Worker]) -> None:
    one, other = two
    for _ in range(100):
        one.call()
    closed = one.breaker.round_trips
    for _ in range(3):
        other.call(down())
    opened = other.breaker.round_trips
    refused = [other.call() for _ in range(100)]

    assert closed <= 3  # one, unless the hundred calls took longer than usual
    assert any(refused) is False
    assert other.breaker.round_trips == opened


def test_of_many_threads_at_half_open_one_is_the_probe(servers: EmbeddedServers, keys: Keys, name: str) -> None:
    workers = [Worker(servers.redis_url, keys, name, SHORT) for _ in range(8)]
    for _ in range(3):
        workers[0].call(down())
    time.sleep(0.1)  # the cool-down, which runs on the server's clock
    gate = threading.Barrier(32)

    def knock(number: int) -> Permit | None:
        gate.wait()
        try:
            return workers[number % 8].breaker.enter()
        except BreakerOpenError:
            return None

    with ThreadPoolExecutor(32) as threads:
        permits = [permit for permit in threads.map(knock, range(32)) if permit is not None]

    assert [permit.is_probe for permit in permits] == [True]


RACER = """
import sys
import structlog
from orchestrator.errors import BreakerOpenError
from orchestrator.log.clients import sync_client
from orchestrator.log.keys import Keys
from orchestrator.resilience.breaker_shared import SharedBreaker
from orchestrator.resilience.breaker_states import Policy
structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))
url, prefix, name, probe_ms = sys.argv[1:]
policy = Policy(failures=3, cool_ms=50, cool_most_ms=50, probe_ms=int(probe_ms))
breaker = SharedBreaker(sync_client(url), Keys(prefix), name, dependency="llm", policy=policy)
print("ready", flush=True)
sys.stdin.readline()
try:
    print("probe" if breaker.enter().is_probe else "passed", flush=True)
except BreakerOpenError:
    print("refused", flush=True)
sys.stdin.readline()
"""


def race(url: str, keys: Keys, name: str, count: int, *, probe_ms: int = 60_000) -> list[subprocess.Popen[str]]:
    """Start processes that are ready to ask at a line on their input."""
    command = [sys.executable, "-c", RACER, url, keys.prefix, name, str(probe_ms)]
    started = [
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=CHECKOUT)
        for _ in range(count)
    ]
    for process in started:
        assert said(process) == "ready"
    return started


def said(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


def go(process: subprocess.Popen[str]) -> None:
    assert process.stdin is not None
    process.stdin.write("go\n")
    process.stdin.flush()


def end(processes: list[subprocess.Popen[str]]) -> None:
    for process in processes:
        process.kill()
        process.communicate()


def test_of_eight_processes_at_half_open_one_is_the_probe(servers: EmbeddedServers, keys: Keys, name: str) -> None:
    racers = race(servers.redis_url, keys, name, 8)
    try:
        worker = Worker(servers.redis_url, keys, name, SHORT)
        for _ in range(3):
            worker.call(down())
        time.sleep(0.1)
        for racer in racers:
            go(racer)

        answers = sorted(said(racer) for racer in racers)
    finally:
        end(racers)

    assert answers == ["probe"] + ["refused"] * 7


def test_a_probe_that_is_killed_frees_its_place_when_its_lease_ends(
    servers: EmbeddedServers, keys: Keys, name: str
) -> None:
    policy = Policy(failures=3, cool_ms=50, cool_most_ms=50, probe_ms=1_500)
    worker = Worker(servers.redis_url, keys, name, policy)
    (racer,) = race(servers.redis_url, keys, name, 1, probe_ms=1_500)
    try:
        for _ in range(3):
            worker.call(down())
        time.sleep(0.1)
        go(racer)
        assert said(racer) == "probe"
    finally:
        end([racer])

    during = worker.call()
    time.sleep(1.6)
    after = worker.breaker.enter()

    assert (during, after.is_probe) == (False, True)


def test_a_probe_that_succeeds_lets_all_pass_again(servers: EmbeddedServers, keys: Keys, name: str) -> None:
    one, other = (Worker(servers.redis_url, keys, name, SHORT) for _ in range(2))
    for _ in range(3):
        one.call(down())
    time.sleep(0.1)

    one.call()

    assert (one.call(), other.call()) == (True, True)


def test_a_probe_that_was_stopped_leaves_its_place_to_the_next(servers: EmbeddedServers, keys: Keys, name: str) -> None:
    one, other = (Worker(servers.redis_url, keys, name, SHORT) for _ in range(2))
    for _ in range(3):
        one.call(down())
    time.sleep(0.1)
    one.call(StoppedError("llm"))

    permit = other.breaker.enter()

    assert permit.is_probe


def test_whoever_has_time_waits_for_a_cool_down_that_ends_soon(servers: EmbeddedServers, keys: Keys, name: str) -> None:
    worker = Worker(servers.redis_url, keys, name, Policy(failures=3, cool_ms=300, cool_most_ms=300))
    for _ in range(3):
        worker.call(down())

    hurried = worker.call(deadline_ms=800)
    patient = worker.call(deadline_ms=60_000)

    assert (hurried, patient) == (False, True)


def test_a_stop_ends_that_wait(servers: EmbeddedServers, keys: Keys, name: str) -> None:
    worker = Worker(servers.redis_url, keys, name, Policy(failures=3, cool_ms=800, cool_most_ms=800))
    for _ in range(3):
        worker.call(down())
    stop = Stop()
    stop.set()

    with pytest.raises(StoppedError):
        worker.breaker.enter_within(Deadline.after_ms(60_000), stop, stopped=STOPPED)


def test_an_operator_sees_those_that_are_not_closed_first(
    servers: EmbeddedServers, redis_client: Redis, keys: Keys, name: str
) -> None:
    mine = Keys(f"{keys.prefix}-{name[-8:]}")
    breakers = Breakers(sync_client(servers.redis_url), mine, LONG)
    fine, ill = (breakers.of(dependency, "x", probe_s=5) for dependency in ("llm", "warehouse"))
    fine.enter().ok()
    fine.enter().failed()
    for _ in range(3):
        ill.enter().failed()

    shown = shared_ones(redis_client, mine)

    assert [(b.name, b.state, b.failures, b.opened) for b in shown] == [
        ("warehouse x", "open", 3, 1),
        ("llm x", "closed", 1, 0),
    ]
    assert 0 < (shown[0].next_probe_s or 0) <= 60


# --- Redis away ------------------------------------------------------------------------------------------------------


@pytest.fixture
def mortal(tmp_path: Path) -> Iterator[EmbeddedServers]:
    """Run servers of the test's own."""
    with embedded_servers(tmp_path) as running:
        yield running


def test_without_redis_work_goes_on_and_each_process_minds_its_own(mortal: EmbeddedServers, keys: Keys) -> None:
    worker = Worker(mortal.redis_url, keys, "llm x", LONG)
    worker.call()
    mortal.redis.kill()
    a_moment_later(worker)

    alone = [worker.call() for _ in range(5)]
    failing = [worker.call(down()) for _ in range(4)]
    mortal.redis.start()
    worker.breaker._rest_until_s = 0.0

    assert (alone, failing) == ([True] * 5, [True, True, True, False])
    assert worker.call()  # Redis has no record of it: what one process saw alone is its own


def test_what_a_process_saw_before_redis_went_is_not_forgotten(mortal: EmbeddedServers, keys: Keys) -> None:
    worker = Worker(mortal.redis_url, keys, "llm x", LONG)
    for _ in range(3):
        worker.call(down())
    mortal.redis.kill()
    a_moment_later(worker)

    assert not worker.call()
