"""What one tenant's flood costs another: how long a turn takes before and while 2,000 others wait.

    python -m bench.fairness [--turns 2000] [--per-s 150] [--samples 150] [--slots 2] [--pause-s 0.05]

Real processes on private servers; every stage (`classify`, `llm`) sleeps 50 ms. One tenant's turns are accepted in
one go, each in a conversation of its own, as the gateway accepts them (`chat.turns.accept`, then the wake-up); another
tenant meanwhile asks about three turns a second over WebSockets. Printed: that tenant's p50 and p99 from `ack` to the
ending, before and during, and who used the processor. Above 60 % of it the processor is what is measured: take fewer
slots, or let fewer be accepted a second.

Exit code 1 when p99 during the flood is over 1.5 times p99 before it.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import statistics
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tests.client import ChatClient
    from tests.integration.core.kit import Person

AIM = 1.5
EVERY_S = 0.3
SOCKETS = 8
NAMES = ("gateway", "dispatcher", "worker-gpu", "worker-llm")
_TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(slots=True)
class Asked:
    """What one phase's questions took, in milliseconds."""

    name: str
    took: list[float] = field(default_factory=list)
    #: From the sending to the acceptance.
    accepted: list[float] = field(default_factory=list)
    turns: list[str] = field(default_factory=list)
    #: When each was asked, monotonic.
    at_s: list[float] = field(default_factory=list)
    cpu: dict[str, float] = field(default_factory=dict)

    def line(self) -> str:
        """Return the figures for a person."""
        used = ", ".join(f"{name} {share:.0%}" for name, share in self.cpu.items() if share >= 0.005)
        return (
            f"{self.name:<7} {len(self.took)} turns: p50 {_at(self.took, 50):.0f} ms, p90 {_at(self.took, 90):.0f} ms, "
            f"p99 {_at(self.took, 99):.0f} ms, max {max(self.took):.0f} ms; ack p50 {_at(self.accepted, 50):.0f} ms, "
            f"p99 {_at(self.accepted, 99):.0f} ms\n        processor: {used}"
        )


class Processor:
    """How much of the machine's processor time whose processes used since the last look."""

    def __init__(self, names: Callable[[int], str]) -> None:
        self._names = names
        self._last = self._read()

    def shares(self) -> dict[str, float]:
        """Return shares of all processors: of each kind of process of ours, `all` and `others`."""
        was, self._last = self._last, self._read()
        total = sum(self._last[1].values()) - sum(was[1].values())
        idle = self._last[1]["idle"] - was[1]["idle"]
        ours = {name: (ticks - was[0].get(name, 0)) / total for name, ticks in self._last[0].items()}
        used = 1 - idle / total
        return {"all": used, "others": max(0.0, used - sum(ours.values())), **ours}

    def _read(self) -> tuple[Counter[str], Counter[str]]:
        parents: dict[int, int] = {}
        ticks: dict[int, int] = {}
        for entry in Path("/proc").iterdir():
            if entry.name.isdigit():
                try:
                    fields = (entry / "stat").read_text().rpartition(")")[2].split()
                except OSError:
                    continue
                parents[int(entry.name)] = int(fields[1])
                # Those of children that have ended are in their parent's.
                ticks[int(entry.name)] = sum(int(value) for value in fields[11:15])
        found: Counter[str] = Counter()
        for pid, used in ticks.items():
            if (root := _root(pid, parents)) is not None:
                found[self._names(root)] += used
        _, *values = Path("/proc/stat").read_text().splitlines()[0].split()
        names = ("user", "nice", "system", "idle", "idle", "irq", "softirq", "steal")
        machine: Counter[str] = Counter()
        for name, value in zip(names, values, strict=False):
            machine[name] += int(value)
        return found, machine


def _root(pid: int, parents: dict[int, int]) -> int | None:
    """Return which child of ours a process descends from, ourselves for ourselves, None for a stranger."""
    me = os.getpid()
    while pid in parents:
        if pid == me or parents[pid] == me:
            return pid
        pid = parents[pid]
    return None


async def ask_steadily(name: str, clients: Sequence[ChatClient], enough: Callable[[int], bool]) -> Asked:
    """Ask a turn every `EVERY_S`, whoever's socket is free, until `enough` of the number of them."""
    asked = Asked(name)
    free: asyncio.Queue[ChatClient] = asyncio.Queue()
    for client in clients:
        free.put_nowait(client)
    running: set[asyncio.Task[None]] = set()
    began_s = time.monotonic()
    while not enough(len(asked.took)):
        client = await free.get()
        task = asyncio.create_task(_ask(client, asked, free))
        running.add(task)
        task.add_done_callback(running.discard)
        began_s += EVERY_S
        await asyncio.sleep(max(0.0, began_s - time.monotonic()))
    await asyncio.gather(*running)
    return asked


async def _ask(client: ChatClient, asked: Asked, free: asyncio.Queue[ChatClient]) -> None:
    sent_s = time.monotonic()
    turn = (await client.send("hello"))["data"]["turn"]
    accepted_s = time.monotonic()
    view = await client.until_ended(turn)
    ended_s = time.monotonic()
    if view.ending is None or view.ending["type"] != "message.completed":
        raise SystemExit(f"{turn} ended as {view.ending}")
    asked.took.append((ended_s - accepted_s) * 1000)
    asked.accepted.append((accepted_s - sent_s) * 1000)
    asked.turns.append(turn)
    asked.at_s.append(sent_s)
    free.put_nowait(client)


class Flood:
    """One tenant's turns, accepted by a few threads."""

    def __init__(self, who: Person, count: int, *, per_s: float) -> None:
        self._who, self._count, self._per_s = who, count, per_s
        self.accepted_s = 0.0
        self._thread = threading.Thread(target=self._accept, daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def over(self) -> bool:
        """Return whether all of them have ended."""
        return self.accepted_s > 0 and self.left() == 0

    def left(self) -> int:
        """Return how many have not ended."""
        from tests.integration.core import kit

        rows = kit.look(
            "SELECT count(*) AS n FROM switchyard_turn WHERE tenant_id = :t AND ended_at IS NULL", t=self._who.tenant
        )
        return int(rows[0]["n"])

    def _accept(self) -> None:
        from django.conf import settings

        from orchestrator.chat.wake import wake_dispatcher
        from orchestrator.log.clients import sync_client
        from orchestrator.log.keys import Keys
        from tests.integration.core import kit

        redis, keys = (
            sync_client(settings.SWITCHYARD.redis_url.get_secret_value()),
            Keys(settings.SWITCHYARD.key_prefix),
        )
        began_s = time.monotonic()

        def accept(nth: int) -> None:
            time.sleep(max(0.0, began_s + nth / self._per_s - time.monotonic()))
            kit.ask(self._who, text="hello", deadline_ms=600_000)
            wake_dispatcher(redis, keys)

        with ThreadPoolExecutor(4) as pool:
            list(pool.map(accept, range(self._count)))
        self.accepted_s = time.monotonic() - began_s


def parts(turns: Sequence[str]) -> str:
    """Return what the turns' time went into, by hop."""
    from tests.integration.core import kit

    rows = kit.look(
        """
        SELECT hop, percentile_cont(ARRAY[0.5, 0.99]) WITHIN GROUP (ORDER BY admitted_s) AS admitted,
               percentile_cont(ARRAY[0.5, 0.99]) WITHIN GROUP (ORDER BY claimed_s) AS claimed,
               percentile_cont(ARRAY[0.5, 0.99]) WITHIN GROUP (ORDER BY ran_s) AS ran
        FROM (SELECT s.hop, s.place,
                     greatest(0, extract(epoch FROM s.dispatched_at - s.ready_at)) AS admitted_s,
                     extract(epoch FROM s.started_at - greatest(s.dispatched_at, s.ready_at)) AS claimed_s,
                     extract(epoch FROM s.ended_at - s.started_at) AS ran_s
              FROM switchyard_stage s WHERE s.turn_id = ANY(:turns) AND s.ended_at IS NOT NULL) x
        GROUP BY hop, place ORDER BY place
        """,
        turns=list(turns),
    )
    return "; ".join(
        f"{row['hop']}: "
        + ", ".join(
            f"{name} {row[key][0] * 1000:.0f}/{row[key][1] * 1000:.0f}"
            for name, key in (("admitted", "admitted"), ("claimed", "claimed"), ("ran", "ran"))
        )
        for row in rows
    )


def statements() -> str:
    """Return what the dispatcher's reads take right now, each the median of nine."""
    from orchestrator.store import releasing, waiting
    from orchestrator.store.engine import rw

    reads: dict[str, Callable[[], Sequence[Any]]] = {
        "held": lambda: releasing.held(rw()),
        "candidates": lambda: releasing.candidates(rw(), most=64),
        "waiting jobs": lambda: list(releasing.waiting_jobs(rw())),
        "who waits": lambda: waiting.waiting_turns(rw(), most=500),
    }
    told = []
    for name, read in reads.items():
        times, rows = [], 0
        for _ in range(9):
            began_s = time.monotonic()
            rows = len(read())
            times.append((time.monotonic() - began_s) * 1000)
        told.append(f"{name} {statistics.median(times):.1f} ms ({rows} rows)")
    return ", ".join(told)


def _at(values: Sequence[float], percent: int) -> float:
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, len(ordered) * percent // 100)]


async def measure(
    base_url: str, people: Sequence[Person], processor: Processor, *, turns: int, samples: int, per_s: float
) -> bool:
    """Ask before and during the flood, print both, and return whether the aim was met."""
    from tests.client import ChatClient, sign_in

    noisy, quiet = people
    token = await sign_in(base_url, quiet.username, quiet.username)
    clients = [ChatClient((base_url,), token) for _ in range(SOCKETS)]
    for client in clients:
        await client.connect()
        await client.open()
    await ask_steadily("warm", clients, lambda count: count >= 20)
    processor.shares()
    before = await ask_steadily("before", clients, lambda count: count >= samples)
    before.cpu = processor.shares()
    print(before.line(), flush=True)
    print(f"        p50/p99 ms until {parts(before.turns)}")
    flood = Flood(noisy, turns, per_s=per_s)
    flood.start()
    watching = asyncio.create_task(_watch(flood))
    during = await ask_steadily("during", clients, lambda _: watching.done())
    during.cpu = processor.shares()
    print(during.line(), flush=True)
    print(f"        p50/p99 ms until {parts(during.turns)}")
    began_s = during.at_s[0]
    for name, low_s, high_s in (
        ("while they are accepted", 0.0, flood.accepted_s),
        ("in the 10 s after", flood.accepted_s, flood.accepted_s + 10),
        ("then", flood.accepted_s + 10, float("inf")),
    ):
        took = [ms for ms, at_s in zip(during.took, during.at_s, strict=True) if low_s <= at_s - began_s < high_s]
        if took:
            print(f"        {name}: {len(took)} turns, p50 {_at(took, 50):.0f} ms, p99 {_at(took, 99):.0f} ms")
    ratio = _at(during.took, 99) / _at(before.took, 99)
    print(
        f"{turns} turns accepted in {flood.accepted_s:.1f} s, all ended after {await watching:.1f} s; "
        f"p50 {_at(during.took, 50) / _at(before.took, 50):.2f}x, p99 {ratio:.2f}x (aim: at most {AIM}x)"
    )
    if len(during.took) < samples:
        print(f"only {len(during.took)} samples during the flood: take more turns, or fewer slots")
    for client in clients:
        await client.cut()
    return ratio <= AIM


async def _watch(flood: Flood) -> float:
    began_s, told = time.monotonic(), False
    while not await asyncio.to_thread(flood.over):
        await asyncio.sleep(1)
        if flood.accepted_s and not told:
            told = True
            print(f"        {await asyncio.to_thread(flood.left)} turns wait: {await asyncio.to_thread(statements)}")
    return time.monotonic() - began_s


def main() -> int:
    """Measure and return an exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--turns", type=int, default=2_000)
    parser.add_argument("--samples", type=int, default=150)
    parser.add_argument("--per-s", type=float, default=150, help="how fast the flood is accepted")
    parser.add_argument("--slots", type=int, default=2, help="of each worker")
    parser.add_argument("--pause-s", type=float, default=0.05, help="that each stage sleeps")
    arguments = parser.parse_args()
    os.environ |= {"DJANGO_SETTINGS_MODULE": "settings.test", "SWITCHYARD_MODE": "test"}
    import django

    django.setup()
    from bench.small_table import slimmed
    from orchestrator.queues import PROCESSES, command
    from tests.integration.core import kit
    from tests.stack import Stack, free_ports, running_stack

    folder = Path(tempfile.mkdtemp(prefix="switchyard-fairness-"))
    with ExitStack() as stack:
        stack.enter_context(kit.own_platform(folder))
        people = [kit.person(), kit.person()]
        environ = {
            "SWITCHYARD_ENGINES": "scripted",
            "SWITCHYARD_LLM_SCRIPT": "pieces=1",
            "BENT_PAUSES": f"classify={arguments.pause_s} llm={arguments.pause_s}",
            "SWITCHYARD_LOG_LEVEL": "INFO",
        }
        running: Stack = stack.enter_context(running_stack(folder, environ, names=(), gateways=0))
        running.port = free_ports(1)
        running.environ["PORT"] = str(running.port)
        for name in NAMES:
            entry = next(process for process in PROCESSES if process.name == name)
            bent = [part.replace("orchestrator.celery", "tests.drill.bent_app") for part in command(entry)]
            running.launch(f"{name}-0", slimmed(bent, arguments.slots))
        running.wait_serving()
        print(f"logs in {folder}", file=sys.stderr)
        roots = {process.pid: key.removesuffix("-0") for key, process in running.running.items()}
        roots |= {os.getpid(): "bench"}
        processor = Processor(lambda root: roots.get(root) or Path(f"/proc/{root}/comm").read_text().strip())
        print(f"each stage sleeps {arguments.pause_s * 1000:.0f} ms, {arguments.slots} slots a worker")
        good = asyncio.run(
            measure(
                running.base_url,
                people,
                processor,
                turns=arguments.turns,
                samples=arguments.samples,
                per_s=arguments.per_s,
            )
        )
    return 0 if good else 1


if __name__ == "__main__":
    raise SystemExit(main())
