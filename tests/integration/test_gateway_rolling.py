"""Two gateways restarted one after the other under sixty sockets, half of them reading an answer."""

from __future__ import annotations

import asyncio
import random
import signal
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import ExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from pytest_django.plugin import DjangoDbBlocker
from redis.asyncio import Redis
from websockets.exceptions import ConnectionClosed, InvalidHandshake

from deploy.testservers import EmbeddedServers
from orchestrator.chat import ending
from orchestrator.events import MessageCompleted, MessageDelta, MessageStarted
from orchestrator.log.keys import Keys
from orchestrator.log.reader import LogReader
from orchestrator.store.engine import rw
from orchestrator.store.rows import all_rows
from tests.client import ChatClient, TurnView
from tests.integration.gateway_kit import GatewayProcess, Person, a_person, running_gateway

pytestmark = pytest.mark.drill

PIECES, PIECE_S = 30, 0.15
READERS, IDLERS = 30, 30
FAST = {"SWITCHYARD_GATEWAYS": "2", "SWITCHYARD_USER_RATE_PER_S": "1000"}


@dataclass
class Writers:
    """Plays the workers: one answer a turn, piece by piece, for whoever asked."""

    reader: LogReader
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)
    _begun: set[str] = field(default_factory=set)

    def begin(self, conversation: str, turn: str) -> None:
        """Answer a turn, once."""
        if turn not in self._begun:
            self._begun.add(turn)
            self._tasks.add(asyncio.create_task(self._answer(conversation, turn)))

    async def _answer(self, conversation: str, turn: str) -> None:
        message, text = f"msg_{turn}", ""

        async def say(event: MessageStarted | MessageDelta | MessageCompleted) -> None:
            await self.reader.append(conversation, event, fence=1, cid="cid")

        statement = "UPDATE switchyard_turn SET state = 'running' WHERE id = :turn"
        await asyncio.to_thread(all_rows, rw(), statement, turn=turn)
        await say(MessageStarted(turn=turn, attempt=1, message=message))
        for number in range(PIECES):
            piece = f"{number} "
            await say(MessageDelta(turn=turn, attempt=1, message=message, text=piece, index=len(text)))
            text += piece
            await asyncio.sleep(PIECE_S)
        done = MessageCompleted(
            turn=turn, attempt=1, message=message, text=text, citations=(), usage={}, timeline={"stages": []}
        )
        assert await asyncio.to_thread(ending.commit, done, fence=1, conversation=conversation, cid="cid")
        await say(done)

    async def finish(self) -> None:
        """Wait for what is being written."""
        await asyncio.gather(*self._tasks)


@dataclass
class Visitor:
    """A client that comes back wherever it is let in, as a page does."""

    client: ChatClient
    #: How its sockets were closed by the server.
    closes: Counter[int] = field(default_factory=Counter)
    refused: int = 0
    _server: int = 0

    async def back(self, exc: ConnectionClosed | None) -> None:
        """Note how the socket ended, and open another one."""
        if exc is not None:
            self.closes[exc.rcvd.code if exc.rcvd is not None else 1006] += 1
        while True:
            try:
                await self.client.connect(self._server)
            except (OSError, InvalidHandshake, TimeoutError):
                self.refused += 1
            except ConnectionClosed as closed:
                self.closes[closed.rcvd.code if closed.rcvd is not None else 1006] += 1
            else:
                return
            self._server += 1
            await asyncio.sleep(random.uniform(0.05, 0.3))


async def idle(visitor: Visitor, stop: asyncio.Event) -> None:
    """Have a conversation open and say nothing."""
    await visitor.back(None)
    await visitor.client.open()
    while not stop.is_set():
        try:
            await visitor.client.next(limit_s=0.5)
        except TimeoutError:
            continue
        except ConnectionClosed as exc:
            await visitor.back(exc)
    await visitor.client.__aexit__(None, None, None)


async def read(visitor: Visitor, writers: Writers, stop: asyncio.Event) -> list[TurnView]:
    """Ask, read the answer to its end, ask again."""
    views: list[TurnView] = []
    await visitor.back(None)
    await visitor.client.open()
    while not stop.is_set():
        turn = None
        name = f"q-{random.getrandbits(64):x}"
        while turn is None or visitor.client.view(turn).ending is None:
            try:
                if turn is None:
                    turn = (await visitor.client.send("tell me", id=name))["data"]["turn"]
                    writers.begin(str(visitor.client.conversation), turn)
                await visitor.client.next(limit_s=20)
            except ConnectionClosed as exc:
                await visitor.back(exc)
        views.append(visitor.client.view(turn))
    await visitor.client.__aexit__(None, None, None)
    return views


@asynccontextmanager
async def log_writers(servers: EmbeddedServers, keys: Keys) -> AsyncIterator[Writers]:
    redis = Redis.from_url(servers.redis_url)
    writers = Writers(LogReader(redis, keys))
    try:
        yield writers
    finally:
        await writers.finish()
        await redis.aclose()


@pytest.fixture
def people(platform: EmbeddedServers, django_db_blocker: DjangoDbBlocker) -> list[Person]:
    # One person may have twenty sockets.
    return [a_person(django_db_blocker) for _ in range(6)]


async def test_no_client_loses_an_event_or_is_left_without_a_word(
    platform: EmbeddedServers, people: list[Person], keys: Keys, tmp_path: Path
) -> None:
    with ExitStack() as stack:

        def start(index: int) -> GatewayProcess:
            return stack.enter_context(running_gateway(platform, tmp_path, index=index, **FAST))

        gateways = [start(24), start(25)]
        urls = tuple(f"http://127.0.0.1:{gateway.port}" for gateway in gateways)

        def visitor(number: int) -> Visitor:
            return Visitor(ChatClient(urls, people[number % len(people)].token()), _server=number)

        visitors = [visitor(number) for number in range(READERS + IDLERS)]
        stop = asyncio.Event()
        codes = []
        async with log_writers(platform, keys) as writers, asyncio.TaskGroup() as group:
            reading = [group.create_task(read(one, writers, stop)) for one in visitors[:READERS]]
            for one in visitors[READERS:]:
                group.create_task(idle(one, stop))
            await asyncio.sleep(3)
            for number, gateway in enumerate(gateways):
                gateway.process.send_signal(signal.SIGTERM)
                codes.append(await asyncio.to_thread(gateway.process.wait, 20))
                await asyncio.to_thread(start, 24 + number)
                await asyncio.sleep(1)
            stop.set()

    views = [view for task in reading for view in task.result()]
    closes = sum((one.closes for one in visitors), Counter())
    whole = "".join(f"{number} " for number in range(PIECES))
    print(f"{len(views)} answers, closes {dict(closes)}, refused {sum(one.refused for one in visitors)}")
    assert codes == [0, 0]
    assert set(closes) == {4012}
    assert closes[4012] >= READERS + IDLERS
    assert {(view.text, view.endings) for view in views} == {(whole, 1)}
    assert sum(one.client.counts["snapshots"] for one in visitors) == 0
