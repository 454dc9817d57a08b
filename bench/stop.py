"""How fast a stop reaches the bottom: from `chat.cancel` to `turn.cancelled` as a socket's client sees it.

    python -m bench.stop [--cancels 40] [--only sql,llm]

Real processes on private servers: gateway, dispatcher, workers; statements that sleep in a PostgreSQL of the
company's, a language model's server that streams for minutes. After each cancel it measures, too, until what the turn
ran is gone: from `pg_stat_activity`, or from the model's server, which has noticed that its client left. Prints a line
a situation; exit code 1 when something was left running or an aim (p95 under 300 ms) was missed.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import random
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from deploy.testservers import EmbeddedServers
    from orchestrator.engines.llm_fake_server import FakeServer
    from tests.client import ChatClient
    from tests.integration.core.kit import Person

AIM_MS = 300.0
#: How long what a turn ran may be seen after its cancel before it counts as left behind.
GONE_S = 5.0
NAMES = ("dispatcher", "worker-gpu", "worker-sql", "worker-rag", "worker-llm")
#: As many as the `llm` worker takes at once: whatever comes next is in the broker and nobody's.
BUSY = 16


@dataclass(slots=True, kw_only=True)
class Measured:
    """One situation's figures, in milliseconds."""

    name: str
    told: list[float] = field(default_factory=list)
    gone: list[float] = field(default_factory=list)
    left_running: int = 0
    #: States of the turns and of their hops when they were stopped.
    stood: set[str] = field(default_factory=set)
    reached: set[str] = field(default_factory=set)

    def line(self) -> str:
        """Return the figures for a person."""
        told, gone = sorted(self.told), sorted(self.gone)
        ended = f"gone p50 {_at(gone, 50):.0f} p95 {_at(gone, 95):.0f} ms, " if gone else ""
        return (
            f"{self.name:<31} {len(told):>3} cancels  told p50 {_at(told, 50):>4.0f} p95 {_at(told, 95):>4.0f} "
            f"max {told[-1]:>4.0f} ms   {ended}left running {self.left_running}, "
            f"reached {', '.join(sorted(self.reached))}  (stood at {'; '.join(sorted(self.stood))})"
        )

    def good(self) -> bool:
        """Return whether the aims were met."""
        return not self.left_running and _at(sorted(self.told), 95) < AIM_MS


@dataclass(slots=True, kw_only=True)
class Situation:
    """What a turn is at when it is stopped."""

    name: str
    #: The question's text and route.
    text: str
    route: str
    #: What runs of a turn at the bottom, right now.
    running: Callable[[str], int]
    #: It never runs, so nothing tells when it is where it is to be stopped.
    waits: bool = False
    #: Ask this first, in the same conversation.
    before: str | None = None


class World:
    """The servers, looked at from outside the product."""

    def __init__(self, servers: EmbeddedServers, superuser_url: str, llm: FakeServer) -> None:
        self.servers, self.superuser_url, self.llm = servers, superuser_url, llm
        self._local = threading.local()

    def look(self, statement: str, *values: object) -> list[tuple[Any, ...]]:
        """Run a statement on a connection of this thread's own."""
        import psycopg2

        if not hasattr(self._local, "connection"):
            self._local.connection = psycopg2.connect(self.superuser_url)
            self._local.connection.autocommit = True
        with self._local.connection.cursor() as cursor:
            cursor.execute(statement, values)
            return list(cursor.fetchall())

    def statements(self, turn: str) -> int:
        """Return how many of the turn's statements are active in the company's server."""
        found = self.look(
            "SELECT count(*) FROM pg_stat_activity WHERE application_name LIKE %s AND state = 'active'",
            f"switchyard:{turn}:%",
        )
        return int(found[0][0])

    def searches(self, _turn: str) -> int:
        """Return how many searches run; there is never more than the one turn's."""
        found = self.look(
            "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE %s",
            "%live AS MATERIALIZED%",
        )
        return int(found[0][0])

    def requests(self, turn: str) -> int:
        """Return how many of the turn's requests the language model's server still answers."""
        return sum(not asked.over for asked in list(self.llm.asked) if asked.key.startswith(turn))

    @contextmanager
    def locked_index(self) -> Iterator[None]:
        """Hold the passages locked, so that a search lasts."""
        import psycopg2

        with closing(psycopg2.connect(self.servers.database_url)) as holder, holder.cursor() as cursor:
            cursor.execute("LOCK TABLE switchyard_chunk IN ACCESS EXCLUSIVE MODE")
            yield


PAUSE_S = 0.2


async def measure(situation: Situation, client: ChatClient, *, cancels: int, rng: random.Random) -> Measured:
    """Ask and stop, one turn after the other."""
    measured = Measured(name=situation.name)
    for _ in range(cancels):
        # Three or four frames a turn, and the socket may send 20 a second.
        await asyncio.sleep(PAUSE_S)
        client.conversation = client.epoch = None
        await client.open()
        first = None
        if situation.before is not None:
            first = (await client.send(situation.before, route="chat"))["data"]["turn"]
        turn = (await client.send(situation.text, route=situation.route))["data"]["turn"]
        if situation.waits:
            # Time for the dispatcher to release it, if it can be.
            await asyncio.sleep(0.3)
        else:
            await _until(partial(situation.running, turn))
        await asyncio.sleep(rng.uniform(0, 0.1))
        measured.stood.add(_stood(turn))
        began = situation.running(turn)
        watch = asyncio.create_task(asyncio.to_thread(_gone, situation.running, turn))
        since_s = time.monotonic()
        await client.raw(f'{{"v":1,"type":"chat.cancel","id":"c{since_s}","data":{{"turn":"{turn}"}}}}')
        view = await client.until_ended(turn)
        measured.told.append((time.monotonic() - since_s) * 1000)
        gone_s = await watch
        if gone_s is None:
            measured.left_running += 1
        elif began:
            measured.gone.append((gone_s - since_s) * 1000)
        ending = view.ending or {}
        if ending.get("type") != "turn.cancelled":
            raise SystemExit(f"{situation.name}: {turn} ended as {ending}")
        measured.reached |= set(ending["data"]["reached"])
        if first is not None:
            await client.raw(f'{{"v":1,"type":"chat.cancel","id":"f{since_s}","data":{{"turn":"{first}"}}}}')
            await client.until_ended(first)
    return measured


def _stood(turn: str) -> str:
    from tests.integration.core import kit

    hops = ", ".join(f"{hop} {state}" for hop, state in kit.stages(turn).items())
    return f"{kit.turn_row(turn)['state']}: {hops}"


def _gone(running: Callable[[str], int], turn: str) -> float | None:
    until_s = time.monotonic() + GONE_S
    while running(turn):
        if time.monotonic() > until_s:
            return None
        time.sleep(0.002)
    return time.monotonic()


async def _until(true: Callable[[], object], limit_s: float = 30) -> None:
    until_s = time.monotonic() + limit_s
    while not await asyncio.to_thread(true):
        if time.monotonic() > until_s:
            raise SystemExit("the turn never got to where it was to be stopped")
        await asyncio.sleep(0.01)


def _at(ordered: list[float], percent: int) -> float:
    return ordered[min(len(ordered) - 1, len(ordered) * percent // 100)] if ordered else float("nan")


@contextmanager
def _busy_writers(who: Person) -> Iterator[None]:
    """Keep every place of the `llm` worker taken, by somebody else."""
    from django.conf import settings

    from orchestrator.chat import turns
    from orchestrator.chat.wake import signal_cancel, wake_dispatcher
    from orchestrator.log.clients import sync_client
    from orchestrator.log.keys import Keys
    from tests.integration.core import kit

    redis = sync_client(settings.SWITCHYARD.redis_url.get_secret_value())
    keys = Keys(settings.SWITCHYARD.key_prefix)
    asked = [kit.ask(who, route="chat", deadline_ms=600_000).turn for _ in range(BUSY)]
    wake_dispatcher(redis, keys)
    until_s = time.monotonic() + 30
    while any(kit.stages(turn)["llm"] != "running" for turn in asked):
        if time.monotonic() > until_s:
            raise SystemExit("the writers never got busy")
        time.sleep(0.1)
    yield
    for turn in asked:
        turns.request_cancel(tenant=who.tenant, user=who.user, turn=turn)
        signal_cancel(redis, keys, turn)


async def _all(
    world: World, base_url: str, who: Person, other: Person, *, cancels: int, only: set[str]
) -> list[Measured]:
    from tests.client import ChatClient, sign_in

    # Every 28th question's statement sleeps for the whole 3 s.
    slow = "revenue of drill question 31"
    token, rng, results = await sign_in(base_url, who.username, who.username), random.Random(20261120), []

    async def run(key: str, situation: Situation) -> None:
        if only and key not in only:
            return
        async with ChatClient((base_url,), token) as client:
            found = await measure(situation, client, cancels=cancels, rng=rng)
        results.append(found)
        print(found.line(), flush=True)

    await run("sql", Situation(name="while SQL runs", text=slow, route="sql", running=world.statements))
    await run("llm", Situation(name="while the LLM streams", text="hello", route="chat", running=world.requests))
    with world.locked_index():
        await run("rag", Situation(name="while passages are sought", text="hello", route="rag", running=world.searches))
    behind = Situation(
        name="behind an earlier turn", text=slow, route="sql", running=world.statements, before="hello", waits=True
    )
    await run("queued", behind)
    if not only or "busy" in only:
        busy = Situation(
            name="while every worker is busy", text="hello", route="chat", running=world.requests, waits=True
        )
        with _busy_writers(other):
            await run("busy", busy)
    return results


def main() -> int:
    """Measure and return an exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cancels", type=int, default=40, help="cancels in each situation")
    parser.add_argument("--only", default="", help="of sql, llm, rag, queued, busy")
    arguments = parser.parse_args()
    os.environ |= {"DJANGO_SETTINGS_MODULE": "settings.test", "SWITCHYARD_MODE": "test"}
    import django

    django.setup()
    from deploy.servers_postgres import PostgresServer
    from orchestrator.engines.llm_fake_server import Behaviour, FakeServer
    from orchestrator.tenants.models import Tenant
    from tests.drill import warehouse
    from tests.integration.core import kit
    from tests.stack import running_stack

    folder = Path(tempfile.mkdtemp(prefix="switchyard-stop-"))
    with ExitStack() as stack:
        servers = stack.enter_context(kit.own_platform(folder))
        llm = stack.enter_context(FakeServer(behaviour=Behaviour.SLOW, answer="word " * 3_000, pace_s=0.1))
        server = servers.postgres.server
        if not isinstance(server, PostgresServer):
            raise TypeError("not a private PostgreSQL")
        who, other = kit.person(), kit.person()
        reader = warehouse.build(server.superuser_url)
        warehouse.connect_tenant(Tenant.objects.get(pk=who.tenant), reader.url("127.0.0.1", server.port))
        environ = {
            "SWITCHYARD_ENGINES": "scripted",
            "SWITCHYARD_LLM_BASE_URL": llm.base_url,
            "SWITCHYARD_LLM_MODEL": "fake",
            "SWITCHYARD_LLM_SCRIPT": "",
        }
        running = stack.enter_context(running_stack(folder, environ, names=NAMES))
        running.wait_serving()
        print(f"logs in {folder}", file=sys.stderr)
        world = World(servers, server.superuser_url, llm)
        only = {name for name in arguments.only.split(",") if name}
        results = asyncio.run(_all(world, running.base_url, who, other, cancels=arguments.cancels, only=only))
    return 0 if all(result.good() for result in results) else 1


if __name__ == "__main__":
    raise SystemExit(main())
