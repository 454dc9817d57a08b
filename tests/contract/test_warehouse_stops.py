"""What a stop or a limit leaves behind in a customer's PostgreSQL: nothing, whatever the network does."""

from __future__ import annotations

import random
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import psycopg2
import pytest
from sqlalchemy.engine import make_url

from deploy.servers_postgres import PostgresServer
from deploy.testservers import EmbeddedServers
from orchestrator import ids
from orchestrator.engines.warehouse import Limits
from orchestrator.engines.warehouse_sql import PostgresWarehouse, open_warehouse
from orchestrator.errors import DeadlineExceededError, SilentError, StoppedError
from orchestrator.resilience.stop import Stop

CHECKOUT = Path(__file__).resolve().parents[2]
SLEEP = "SELECT pg_sleep(60)"
QUICK = "SELECT 1 AS one"
LIMITS = Limits(cost=1e15, timeout_s=50)


class Swallow:
    """A TCP proxy that from a moment on takes everything and passes nothing, as a half-open link does."""

    def __init__(self, host: str, port: int) -> None:
        self._target = (host, port)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._kept: list[socket.socket] = []
        self.swallows = threading.Event()
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def port(self) -> int:
        return int(self._listener.getsockname()[1])

    def close(self) -> None:
        for end in (self._listener, *self._kept):
            with suppress(OSError):
                end.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                near, _ = self._listener.accept()
                self._kept.append(near)
                if self.swallows.is_set():
                    continue
                far = socket.create_connection(self._target)
                self._kept.append(far)
                for source, sink in ((near, far), (far, near)):
                    threading.Thread(target=self._pump, args=(source, sink), daemon=True).start()

    def _pump(self, source: socket.socket, sink: socket.socket) -> None:
        with suppress(OSError):
            while chunk := source.recv(65_536):
                if not self.swallows.is_set():
                    sink.sendall(chunk)


@pytest.fixture(scope="module")
def url(servers: EmbeddedServers) -> str:
    server = servers.postgres.server
    assert isinstance(server, PostgresServer)
    return server.superuser_url


@pytest.fixture
def warehouse(url: str) -> Iterator[PostgresWarehouse]:
    made = open_warehouse(url, pool_size=1)
    assert isinstance(made, PostgresWarehouse)
    yield made
    made.close()


@pytest.fixture
def running(url: str) -> Iterator[Callable[[str], list[int]]]:
    """Look which backends run a statement under a name."""
    connection = psycopg2.connect(url)
    connection.autocommit = True

    def look(name: str) -> list[int]:
        with connection.cursor() as cursor:
            cursor.execute("SELECT pid FROM pg_stat_activity WHERE application_name = %s AND state = 'active'", (name,))
            return [row[0] for row in cursor.fetchall()]

    yield look
    connection.close()


def until(true: Callable[[], object], limit_s: float = 20) -> None:
    ends_at = time.monotonic() + limit_s
    while not true():
        assert time.monotonic() < ends_at, "it did not happen"
        time.sleep(0.01)


def begun(
    warehouse: PostgresWarehouse, name: str, stop: Stop, limits: Limits = LIMITS
) -> tuple[threading.Thread, list[BaseException]]:
    """Start a long statement and return its thread and what it ends with."""
    ends: list[BaseException] = []

    def run() -> None:
        try:
            warehouse.run(SLEEP, limits=replace(limits, run_as=name), stop=stop)
        except BaseException as exc:
            ends.append(exc)

    thread = threading.Thread(target=run)
    thread.start()
    return thread, ends


def test_a_stopped_statement_is_gone_from_the_server_and_so_is_its_connection(
    warehouse: PostgresWarehouse, running: Callable[[str], list[int]]
) -> None:
    stop, name = Stop(), ids.new_id("run")
    thread, ends = begun(warehouse, name, stop)
    until(lambda: running(name))
    pids = running(name)

    stop.set()
    thread.join(10)

    after = warehouse.run("SELECT pg_backend_pid() AS pid", limits=LIMITS, stop=Stop())
    assert [type(end) for end in ends] == [StoppedError]
    until(lambda: not running(name))
    assert after.rows[0][0] not in pids


def test_a_statement_past_its_limit_is_gone_from_the_server(
    warehouse: PostgresWarehouse, running: Callable[[str], list[int]]
) -> None:
    name = ids.new_id("run")

    with pytest.raises(DeadlineExceededError):
        warehouse.run(SLEEP, limits=replace(LIMITS, timeout_s=0.3, run_as=name), stop=Stop())

    until(lambda: not running(name))


def test_who_waits_for_a_free_connection_can_be_stopped(
    warehouse: PostgresWarehouse, running: Callable[[str], list[int]]
) -> None:
    busy, waiting, name = Stop(), Stop(), ids.new_id("run")
    thread, _ = begun(warehouse, name, busy)
    until(lambda: running(name))
    second, ends = begun(warehouse, "waits", waiting)

    waiting.set()
    second.join(10)

    assert [type(end) for end in ends] == [StoppedError]
    assert running(name)
    busy.set()
    thread.join(10)


def test_who_gets_no_connection_in_time_is_told_of_the_limit(
    warehouse: PostgresWarehouse, running: Callable[[str], list[int]]
) -> None:
    busy, name = Stop(), ids.new_id("run")
    thread, _ = begun(warehouse, name, busy)
    until(lambda: running(name))

    with pytest.raises(DeadlineExceededError):
        warehouse.run(QUICK, limits=replace(LIMITS, timeout_s=0.3), stop=Stop())

    busy.set()
    thread.join(10)


def test_a_late_cancel_never_hits_the_next_statement(warehouse: PostgresWarehouse) -> None:
    rng = random.Random(20261120)
    for _ in range(60):
        stop = Stop()
        # About when the statement ends by itself: some stops come just before, some just after.
        timer = threading.Timer(0.02 + rng.uniform(-0.01, 0.01), stop.set)
        timer.start()
        with suppress(StoppedError):
            warehouse.run("SELECT pg_sleep(0.02)", limits=LIMITS, stop=stop)

        assert warehouse.run(QUICK, limits=LIMITS, stop=Stop()).rows == ((1,),)
        timer.join()


@pytest.mark.parametrize("how", ["stop", "limit"])
def test_a_server_that_went_silent_holds_up_nobody(url: str, running: Callable[[str], list[int]], how: str) -> None:
    address = make_url(url)
    proxy = Swallow(address.host or "127.0.0.1", address.port or 5432)
    through = address.set(host="127.0.0.1", port=proxy.port).render_as_string(hide_password=False)
    warehouse = open_warehouse(through, pool_size=1)
    assert isinstance(warehouse, PostgresWarehouse)
    stop, name, ticks = Stop(), ids.new_id("run"), 0
    limits = LIMITS if how == "stop" else replace(LIMITS, timeout_s=2)
    thread, ends = begun(warehouse, name, stop, limits)
    until(lambda: running(name))

    proxy.swallows.set()
    if how == "stop":
        stop.set()
    while thread.is_alive() and ticks < 1_000:
        # With the interpreter's lock held by a cancel that nobody answers, this loop would stand still.
        time.sleep(0.01)
        ticks += 1

    proxy.close()
    assert 10 < ticks < 1_000
    assert [type(end) for end in ends] == [StoppedError if how == "stop" else SilentError]


@pytest.mark.drill
def test_what_a_killed_worker_ran_is_gone_from_the_server(url: str, running: Callable[[str], list[int]]) -> None:
    name = ids.new_id("run")
    code = (
        "import sys; from orchestrator.engines.warehouse_sql import open_warehouse;"
        "from orchestrator.engines.warehouse import Limits; from orchestrator.resilience.stop import Stop;"
        f"limits = Limits(cost=1e15, timeout_s=50, run_as={name!r});"
        f"open_warehouse(sys.argv[1]).run({SLEEP!r}, limits=limits, stop=Stop())"
    )
    process = subprocess.Popen([sys.executable, "-c", code, url], cwd=CHECKOUT)
    until(lambda: running(name), 40)

    process.send_signal(signal.SIGKILL)
    process.wait(10)

    until(lambda: not running(name), 10)
    assert running(name) == []
