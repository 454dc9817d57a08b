"""What a dead language model costs: a stage's time to its plain answer once the breaker is open; probes at half-open.

    python -m bench.breaker [--turns 300] [--rounds 5] [--workers 8]

Private PostgreSQL and Redis; every worker is a process of its own that claims real turns and runs the `llm` stage as in
production, down to the ending in row and log. The model's server refuses connections, then takes requests and stays
silent, then is well again; it counts what it is asked. Exit code 1 when an aim is missed.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, cast

if TYPE_CHECKING:
    from tests.integration.core.kit import Person

AIM_MS = 50.0
#: How long the silent server is waited for in this bench; 15 s by default.
FIRST_TOKEN_S = 1.5


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """A turn's end as the worker saw it."""

    ms: float
    #: `completed`, `refused` (by the breaker) or `failed` (the server was asked).
    how: str


class WorkerProcess:
    """A worker: it runs the turns it is told, one at a time."""

    def __init__(self, number: int, base_url: str) -> None:
        environ = {
            "SWITCHYARD_LLM_BASE_URL": base_url,
            "SWITCHYARD_LLM_MODEL": "bench",
            "SWITCHYARD_LLM_FIRST_TOKEN_S": str(FIRST_TOKEN_S),
            "SWITCHYARD_LLM_SCRIPT": "",
        }
        self._process = subprocess.Popen(
            [sys.executable, "-m", "bench.breaker", "--worker", str(number)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            env={**os.environ, **environ},
        )
        self._input, self._output = cast("IO[str]", self._process.stdin), cast("IO[str]", self._process.stdout)

    def tell(self, turn: str) -> None:
        """Have it run a turn's `llm` stage."""
        self._input.write(turn + "\n")
        self._input.flush()

    def heard(self) -> Ended:
        """Return how the turn it was told last has ended."""
        return Ended(**json.loads(self._output.readline()))

    def ready(self) -> None:
        """Return when it takes work."""
        self._output.readline()

    def end(self) -> None:
        """End it."""
        self._process.kill()
        self._process.communicate()


def work(number: int) -> None:
    """Be a worker: read turns, run their `llm` stage, write how each ended."""
    import django
    import structlog

    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))
    django.setup()
    from orchestrator.pipeline import runtime
    from orchestrator.pipeline.run_stage import run_stage
    from orchestrator.store.engine import rw
    from orchestrator.store.rows import one_row
    from tasks.stages.llm import _body

    here = runtime.start(f"worker-llm-{number}")
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    for line in sys.stdin:
        turn = line.strip()
        began_s = time.perf_counter()
        run_stage("llm", _body, runtime=here, turn=turn, fence=1, dispatch_no=1)
        ms = (time.perf_counter() - began_s) * 1000
        row = one_row(rw(), "SELECT state, error_message FROM switchyard_turn WHERE id = :turn", turn=turn) or {}
        refused = "left alone" in (row.get("error_message") or "")
        how = "completed" if row.get("state") == "completed" else "refused" if refused else "failed"
        sys.stdout.write(json.dumps({"ms": ms, "how": how}) + "\n")
        sys.stdout.flush()


@contextmanager
def workers(count: int, base_url: str) -> Iterator[list[WorkerProcess]]:
    """Run worker processes until the block ends."""
    started = [WorkerProcess(number, base_url) for number in range(count)]
    try:
        for worker in started:
            worker.ready()
        yield started
    finally:
        for worker in started:
            worker.end()


class Bench:
    """The servers and somebody who asks."""

    def __init__(self, asker: Person, redis_url: str) -> None:
        from django.conf import settings

        from orchestrator.log.clients import sync_client
        from orchestrator.log.keys import Keys

        self._asker = asker
        self._redis = sync_client(redis_url)
        self._keys = Keys(settings.SWITCHYARD.key_prefix)
        self.good = True

    def turn(self) -> str:
        """Return a new turn whose `llm` stage may be claimed."""
        from tests.integration.core import kit

        return kit.released(self._asker)

    def at_once(self, running: Sequence[WorkerProcess]) -> list[Ended]:
        """Run one turn on each worker at the same time."""
        turns = [self.turn() for _ in running]
        for worker, turn in zip(running, turns, strict=True):
            worker.tell(turn)
        return [worker.heard() for worker in running]

    def one(self, worker: WorkerProcess) -> Ended:
        """Run one turn."""
        worker.tell(self.turn())
        return worker.heard()

    def open_it(self, running: Sequence[WorkerProcess]) -> str:
        """Ask until the breaker is open; return what that took."""
        began_s, asked = time.monotonic(), 0
        while not any(ended.how == "refused" for ended in self.at_once(running)):
            asked += len(running)
        return f"open after {asked + len(running)} turns, {time.monotonic() - began_s:.1f} s"

    def wait_for_probe(self) -> None:
        """Return when every open breaker's cool-down is over."""
        from orchestrator.resilience.breaker_registry import shared_ones

        while any(b.state != "closed" and b.next_probe_s for b in shared_ones(self._redis, self._keys)):
            time.sleep(0.02)

    def forget(self) -> None:
        """Have Redis know of no breaker."""
        for key in self._redis.scan_iter(f"{self._keys.breakers()}*"):
            self._redis.delete(key)

    def say(self, line: str, *, good: bool = True) -> None:
        """Write a line of the result."""
        self.good = self.good and good
        sys.stdout.write(f"{'ok ' if good else 'NOT'} {line}\n")
        sys.stdout.flush()

    def while_open(self, what: str, running: Sequence[WorkerProcess], turns: int) -> None:
        """Measure turns, one after the other, from the moment at which the breaker is open."""
        opened = self.open_it(running)
        ended = [self.one(running[number % len(running)]) for number in range(turns)]
        asked = sum(e.how != "refused" for e in ended)
        took = sorted(e.ms for e in ended)
        self.say(
            f"{what}: {opened}; then {turns} turns, one by one, to their plain answer: p50 {at(took, 50):.1f}"
            f" p95 {at(took, 95):.1f} max {took[-1]:.0f} ms; {asked} of them were probes to their end",
            good=at(took, 95) < AIM_MS,
        )

    def overhead(self, calls: int = 5_000) -> None:
        """Measure what a closed breaker adds to a call."""
        from orchestrator.resilience.breaker_registry import Breakers
        from orchestrator.resilience.breaker_shared import FRESH_S
        from orchestrator.resilience.breaker_states import Policy

        breaker = Breakers(self._redis, self._keys, Policy()).of("llm", "overhead", probe_s=5)
        began_s = time.perf_counter()
        for _ in range(calls):
            breaker.enter().ok()
        took_s = time.perf_counter() - began_s
        trips, sparse = breaker.round_trips, []
        for _ in range(10):
            time.sleep(FRESH_S + 0.05)
            began_s = time.perf_counter()
            breaker.enter().ok()
            sparse.append((time.perf_counter() - began_s) * 1e6)
        self.say(
            f"closed: {calls} calls in a row cost {took_s / calls * 1e6:.1f} us each and {trips} round trips in all;"
            f" a call after a pause costs {(breaker.round_trips - trips) / 10:.0f}: {at(sorted(sparse), 50):.0f} us"
        )


def at(ordered: Sequence[float], percent: int) -> float:
    """Return a percentile of ordered figures; 0 of none."""
    return ordered[min(len(ordered) - 1, len(ordered) * percent // 100)] if ordered else 0.0


def measure(bench: Bench, asked: argparse.Namespace) -> None:
    """Run every situation."""
    from deploy.servers import free_port
    from orchestrator.engines.llm_fake_server import Behaviour, FakeServer

    bench.overhead()
    with workers(asked.workers, f"http://127.0.0.1:{free_port()}/v1") as running:
        bench.while_open("connection refused", running, asked.turns)
    bench.forget()
    with FakeServer(behaviour=Behaviour.SILENT) as server, workers(asked.workers, server.base_url) as running:
        bench.while_open(f"silent for {FIRST_TOKEN_S:g} s", running, asked.turns)
        probes = []
        for _ in range(asked.rounds):
            bench.wait_for_probe()
            before = len(server.requests)
            bench.at_once(running)
            probes.append(len(server.requests) - before)
        bench.say(
            f"half open, {asked.workers} worker processes at once, {asked.rounds} rounds: asked of the server {probes}",
            good=set(probes) == {1},
        )
        server.behaviour = Behaviour.NORMAL
        bench.wait_for_probe()
        back = bench.at_once(running)
        again = bench.at_once(running)
        done = [sum(e.how == "completed" for e in ended) for ended in (back, again)]
        bench.say(
            f"the server is well again: of {asked.workers} turns at once {done[0]} were answered, then {done[1]}",
            good=done[0] >= 1 and done[1] == asked.workers,
        )


def main() -> None:
    """Measure, or be a worker."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--turns", type=int, default=300)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--workers", type=int, default=8)
    parser.add_argument("--worker", type=int, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "settings.test")
    if asked.worker is not None:
        work(asked.worker)
        return
    import django

    django.setup()
    from tests.integration.core import kit

    with tempfile.TemporaryDirectory() as folder, kit.own_platform(Path(folder)) as servers:
        bench = Bench(kit.person(), servers.redis_url)
        sys.stdout.write(f"load of the machine before: {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores\n")
        measure(bench, asked)
    sys.exit(0 if bench.good else 1)


if __name__ == "__main__":
    main()
