"""The chat socket when something breaks: cuts, a slow reader, a flood, no Redis, a gateway that is told to stop."""

from __future__ import annotations

import asyncio
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import orjson
import pytest
from pytest_django.plugin import DjangoDbBlocker
from redis import Redis
from websockets.exceptions import ConnectionClosed

from deploy.testservers import EmbeddedServers, embedded_servers
from orchestrator.events import MessageCompleted, MessageDelta, MessageStarted
from orchestrator.log.keys import Keys
from orchestrator.log.writer import LogWriter
from orchestrator.tenants import revocations, tokens
from tests.integration.gateway_kit import Client, GatewayProcess, Person, a_person, running_gateway


@pytest.fixture
def person(platform: EmbeddedServers, django_db_blocker: DjangoDbBlocker) -> Person:
    return a_person(django_db_blocker)


@pytest.fixture
def pair(platform: EmbeddedServers, tmp_path: Path) -> Iterator[tuple[GatewayProcess, GatewayProcess]]:
    # Many reconnections in a short time are the point here, so the rate is raised.
    with (
        running_gateway(
            platform, tmp_path, index=4, SWITCHYARD_RATE_PER_S="1000", SWITCHYARD_USER_RATE_PER_S="1000"
        ) as a,
        running_gateway(
            platform, tmp_path, index=5, SWITCHYARD_RATE_PER_S="1000", SWITCHYARD_USER_RATE_PER_S="1000"
        ) as b,
    ):
        yield a, b


@pytest.fixture
def gateway(platform: EmbeddedServers, tmp_path: Path) -> Iterator[GatewayProcess]:
    with running_gateway(platform, tmp_path, index=6) as running:
        yield running


def resident_mb(gateway: GatewayProcess) -> float:
    status = Path(f"/proc/{gateway.process.pid}/status").read_text()
    line = next(line for line in status.splitlines() if line.startswith("VmRSS"))
    return int(line.split()[1]) / 1024


class Writing(threading.Thread):
    """A worker that writes one long answer into a log, word by word."""

    def __init__(self, writer: LogWriter, conversation: str, turn: str, words: list[str], pause_s: float) -> None:
        super().__init__(daemon=True)
        self.args = (writer, conversation, turn, words, pause_s)

    def run(self) -> None:
        writer, conversation, turn, words, pause_s = self.args
        head = MessageStarted(turn=turn, attempt=1, message="m")
        writer.append(conversation, head, fence=1, cid="cid", asserted=True)
        index = 0
        for word in words:
            delta = MessageDelta(turn=turn, attempt=1, message="m", text=word, index=index)
            writer.append(conversation, delta, fence=1, cid="cid", asserted=True)
            index += len(word)
            time.sleep(pause_s)
        done = MessageCompleted(
            turn=turn, attempt=1, message="m", text="".join(words), citations=(), usage={}, timeline={"stages": []}
        )
        writer.append(conversation, done, fence=1, cid="cid", asserted=True)


async def test_a_stopped_gateway_says_why_and_when_to_come_back(gateway: GatewayProcess, person: Person) -> None:
    async with Client.to(gateway, person) as client:
        conversation = await client.open_new()
        gateway.process.send_signal(signal.SIGTERM)
        code = await client.close_code()
        ended = await asyncio.to_thread(gateway.process.wait, 15)

    drain, bye = client.frames[-2:]
    assert conversation
    assert (code, ended) == (4012, 0)
    assert (drain["type"], sorted(drain["data"])) == ("server.drain", ["deadline_ms", "reconnect_after_ms"])
    assert (bye["type"], bye["data"]["code"], bye["data"]["reconnect"]) == ("bye", 4012, True)


async def test_a_taken_port_ends_the_process_with_an_error(
    gateway: GatewayProcess, platform: EmbeddedServers, tmp_path: Path
) -> None:
    with running_gateway(platform, tmp_path, index=6) as second:
        code = await asyncio.to_thread(second.process.wait, 20)

    assert code == 1


@pytest.mark.slow
async def test_a_reader_that_does_not_read_costs_little_memory_and_is_closed(
    gateway: GatewayProcess, person: Person, redis_client: Redis, keys: Keys
) -> None:
    async with Client.to(gateway, person) as client:
        conversation = await client.open_new()
        turn = (await client.ask("chat.send", {"text": "hi"}, conversation=conversation))["data"]["turn"]
        before_mb = resident_mb(gateway)
        client.socket.transport.pause_reading()
        words = ["x" * 60_000] * 400  # 24 MB, more than all buffers on the way hold
        await asyncio.to_thread(Writing(LogWriter(redis_client, keys), conversation, turn, words, 0).run)
        grown_mb = resident_mb(gateway) - before_mb
        client.socket.transport.resume_reading()
        code = await client.close_code(limit_s=20)

    assert code == 4490
    assert grown_mb < 40
    assert client.frames[-1]["data"]["reconnect"]


@pytest.mark.slow
@pytest.mark.drill
async def test_a_flood_of_frames_costs_little_memory(gateway: GatewayProcess, person: Person) -> None:
    before_mb = resident_mb(gateway)
    flood = orjson.dumps({"v": 1, "type": "chat.send", "id": "x", "data": {"text": "y" * 60_000}}).decode()
    async with Client.to(gateway, person) as client:
        try:
            async with asyncio.timeout(10):
                for _ in range(2_000):  # 120 MB
                    await client.socket.send(flood)
        except (TimeoutError, ConnectionClosed):
            pass
        grown_mb = resident_mb(gateway) - before_mb

    assert grown_mb < 40


@pytest.mark.parametrize(
    "body",
    [
        b"Content-Length: 50000000\r\n\r\n",
        b"Transfer-Encoding: chunked\r\n\r\n" + b"100000\r\n%b\r\n" % (b"x" * 0x100000) * 30,
    ],
    ids=["announced", "chunked"],
)
async def test_a_body_over_the_limit_is_refused_before_it_is_stored(gateway: GatewayProcess, body: bytes) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", gateway.port)
    writer.write(b"POST /api/documents HTTP/1.1\r\nHost: 127.0.0.1\r\n" + body)
    async with asyncio.timeout(10):
        status = await reader.readline()
    writer.close()

    assert status.startswith(b"HTTP/1.1 413")


@pytest.fixture
def own_servers(tmp_path: Path, platform: EmbeddedServers) -> Iterator[EmbeddedServers]:
    """Run a Redis that this test alone may break, beside the shared database."""
    with embedded_servers(tmp_path / "own") as mine:
        yield EmbeddedServers(postgres=platform.postgres, redis=mine.redis)


@pytest.mark.slow
@pytest.mark.drill
async def test_a_redis_that_comes_back_empty_is_survived_by_the_socket(
    own_servers: EmbeddedServers, person: Person, tmp_path: Path, keys: Keys
) -> None:
    with running_gateway(own_servers, tmp_path, index=7) as gateway:
        async with Client.to(gateway, person) as client:
            conversation = await client.open_new()
            await client.ask("chat.send", {"text": "one"}, conversation=conversation)
            await asyncio.to_thread(own_servers.redis.kill)
            down = await client.ask("chat.send", {"text": "two"}, conversation=conversation)
            refused = await client.ask("conversation.open", {"conversation": conversation, "seq": 0})
            await asyncio.to_thread(own_servers.redis.restart_with, None)
            news = await client.seen("conversation.opened", after=1, limit_s=30)
            await client.ask("chat.send", {"text": "three"}, conversation=conversation)
            accepted = await client.seen("turn.accepted", after=1)
            alive = await client.alive()

    # The row is the truth: without Redis a question is accepted all the same.
    assert down["type"] == "ack"
    assert (refused["data"]["code"], refused["data"]["retryable"]) == ("dependency_down", True)
    assert news["data"]["recovered"] is False
    assert (accepted["data"]["text"], accepted["seq"]) == ("three", 1)
    assert alive


@pytest.mark.slow
@pytest.mark.drill
async def test_a_revocation_is_found_even_while_redis_is_away(
    own_servers: EmbeddedServers, person: Person, tmp_path: Path, django_db_blocker: DjangoDbBlocker
) -> None:
    def take_back(token: str) -> None:
        claims = tokens.read_access(token, now=time.time())
        with django_db_blocker.unblock():
            revocations.revoke(claims.jti, expires_at=claims.expires_at)

    token = person.token()
    with running_gateway(own_servers, tmp_path, index=8) as gateway:
        async with Client.to(gateway, person, token=token) as client:
            await asyncio.to_thread(own_servers.redis.kill)
            await asyncio.sleep(1)
            await asyncio.to_thread(take_back, token)

            assert await client.close_code(limit_s=6) == 4401


@pytest.mark.slow
@pytest.mark.timeout(150)
@pytest.mark.drill
async def test_a_silent_client_is_closed_after_a_minute_and_a_pinging_one_is_not(
    gateway: GatewayProcess, person: Person
) -> None:
    async with Client.to(gateway, person) as silent, Client.to(gateway, person) as lively:
        closing = asyncio.create_task(silent.close_code(limit_s=70))
        for _ in range(3):
            await asyncio.sleep(21)
            assert await lively.alive()

        assert await closing == 4408
        assert await lively.alive()
