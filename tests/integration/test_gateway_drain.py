"""A gateway that is told to stop: who leaves when, with what words, and what the next one takes over."""

from __future__ import annotations

import asyncio
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import orjson
import pytest
from pytest_django.plugin import DjangoDbBlocker
from redis import Redis
from websockets.exceptions import InvalidStatus

from deploy.testservers import EmbeddedServers
from orchestrator.log.keys import Keys
from orchestrator.log.writer import LogWriter
from orchestrator.store import processes
from orchestrator.store.engine import rw
from orchestrator.store.rows import Row
from tests.integration.api.kit import Worker, bearer
from tests.integration.api.proxy import Proxy
from tests.integration.gateway_kit import Client, GatewayProcess, Person, a_person, running_gateway


@pytest.fixture
def person(platform: EmbeddedServers, django_db_blocker: DjangoDbBlocker) -> Person:
    return a_person(django_db_blocker)


@pytest.fixture
def gateway(platform: EmbeddedServers, tmp_path: Path) -> Iterator[GatewayProcess]:
    with running_gateway(platform, tmp_path, index=22) as running:
        yield running


@pytest.fixture
def worker(redis_client: Redis, keys: Keys) -> Worker:
    return Worker(writer=LogWriter(redis_client, keys))


def stop(gateway: GatewayProcess) -> float:
    """Tell a gateway to stop and return when that was."""
    gateway.process.send_signal(signal.SIGTERM)
    return time.monotonic()


async def ended(gateway: GatewayProcess) -> int:
    """Return the exit code once the process has ended."""
    return await asyncio.to_thread(gateway.process.wait, 20)


async def asked(client: Client) -> tuple[str, str]:
    """Ask in a new conversation; return it and the turn."""
    conversation = await client.open_new()
    ack = await client.ask("chat.send", {"text": "hi"}, conversation=conversation)
    return conversation, ack["data"]["turn"]


async def test_a_gateway_is_among_the_living_until_it_leaves(
    gateway: GatewayProcess, platform: EmbeddedServers
) -> None:
    def rows() -> list[Row]:
        return [row for row in processes.alive(rw()) if row["pid"] == gateway.process.pid]

    async with asyncio.timeout(10):
        while not rows():  # noqa: ASYNC110 - the row comes from another process
            await asyncio.sleep(0.05)
    (row,) = rows()
    stop(gateway)
    await ended(gateway)

    assert (row["name"], row["role"], row["queues"], row["draining"]) == ("gateway-22", "gateway", [], False)
    assert rows() == []


async def test_idle_sockets_leave_first_and_a_running_answer_is_heard_to_its_end(
    gateway: GatewayProcess, person: Person, worker: Worker
) -> None:
    async with Client.to(gateway, person) as busy, Client.to(gateway, person) as idle:
        conversation, turn = await asked(busy)
        await idle.open_new()
        message = worker.start(conversation, turn)
        stop(gateway)
        idle_code = await idle.close_code()
        worker.write(conversation, turn, message, "after all", 0)
        told = await busy.until("message.delta")
        worker.complete(conversation, turn, message, "after all")
        busy_code = await busy.close_code()
        code = await ended(gateway)

    assert (idle_code, busy_code, code) == (4012, 4012, 0)
    assert [frame["type"] for frame in idle.frames[-2:]] == ["server.drain", "bye"]
    assert told["data"]["text"] == "after all"
    assert [frame["type"] for frame in busy.frames[-3:]] == ["message.completed", "server.drain", "bye"]
    assert sorted(busy.frames[-2]["data"]) == ["deadline_ms", "reconnect_after_ms"]


async def test_a_leaving_gateway_lets_nobody_in(gateway: GatewayProcess, person: Person) -> None:
    async with Client.to(gateway, person) as client:
        await asked(client)
        stop(gateway)
        await asyncio.sleep(0.5)
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{gateway.port}") as http:
            ready = await http.get("/readyz")
        with pytest.raises(InvalidStatus) as refused:
            async with Client.to(gateway, person):
                pass
        still = await client.alive()
        gateway.process.send_signal(signal.SIGTERM)

    assert (ready.status_code, ready.headers["Connection"]) == (503, "close")
    assert refused.value.response.status_code == 403
    assert still


async def test_a_second_signal_ends_at_once(gateway: GatewayProcess, person: Person) -> None:
    async with Client.to(gateway, person) as client:
        await asked(client)
        stop(gateway)
        await asyncio.sleep(0.5)
        second = stop(gateway)
        code = await ended(gateway)

    assert code == 0
    # The answer is still running: without the second signal it would have been waited for.
    assert time.monotonic() - second < 8


async def test_a_question_just_read_is_answered_before_its_socket_leaves(
    gateway: GatewayProcess, person: Person
) -> None:
    async with Client.to(gateway, person) as client:
        conversation = await client.open_new()
        for number in range(10):
            await client.say("chat.send", {"text": "hi"}, conversation=conversation, id=f"q-{number}")
        stop(gateway)
        answers = [await client.answer(f"q-{number}", limit_s=10) for number in range(10)]
        gateway.process.send_signal(signal.SIGTERM)

    assert {answer["type"] for answer in answers} == {"ack"}


@pytest.mark.drill
async def test_an_answer_that_does_not_end_is_left_at_the_limit_and_goes_on_elsewhere(
    gateway: GatewayProcess, platform: EmbeddedServers, person: Person, worker: Worker, tmp_path: Path
) -> None:
    with running_gateway(platform, tmp_path, index=23) as other:
        async with Client.to(gateway, person) as client:
            conversation, turn = await asked(client)
            message = worker.start(conversation, turn)
            began = stop(gateway)
            code = await client.close_code(limit_s=18)
            took_s = time.monotonic() - began
            exit_code = await ended(gateway)
            last = [frame for frame in client.frames if "seq" in frame][-1]
        worker.write(conversation, turn, message, "late", 0)
        worker.complete(conversation, turn, message, "late")
        async with Client.to(other, person) as client:
            await client.ask(
                "conversation.open", {"conversation": conversation, "epoch": last["epoch"], "seq": last["seq"]}
            )
            completed = await client.until("message.completed")

    assert (code, exit_code) == (4012, 0)
    assert 11 < took_s < 15
    assert [frame["seq"] for frame in client.frames if "seq" in frame] == [last["seq"] + 1, last["seq"] + 2]
    assert completed["data"]["text"] == "late"


@pytest.mark.drill
async def test_a_streamed_answer_ends_with_a_word_and_goes_on_elsewhere(
    gateway: GatewayProcess, platform: EmbeddedServers, person: Person, worker: Worker, tmp_path: Path
) -> None:
    headers = bearer(person) | {"Idempotency-Key": "k1"}
    body = {"text": "hi", "stream": True}
    with running_gateway(platform, tmp_path, index=23) as other:
        async with httpx.AsyncClient(headers=headers, timeout=30) as http:
            made = await http.post(f"http://127.0.0.1:{gateway.port}/api/conversations", json={})
            path = f"/api/conversations/{made.json()['id']}/turns"
            async with http.stream("POST", f"http://127.0.0.1:{gateway.port}{path}", json=body) as answer:
                turn = answer.headers["X-Turn"]
                message = worker.start(made.json()["id"], turn)
                worker.write(made.json()["id"], turn, message, "one ", 0)
                stop(gateway)
                first = [line async for line in answer.aiter_lines()]
            worker.write(made.json()["id"], turn, message, "two", 4)
            worker.complete(made.json()["id"], turn, message, "one two")
            last = [line.removeprefix("id: ") for line in first if line.startswith("id: ")][-1]
            more = {"Last-Event-ID": last}
            async with http.stream("POST", f"http://127.0.0.1:{other.port}{path}", json=body, headers=more) as answer:
                second = [line async for line in answer.aiter_lines()]

    events = [line.removeprefix("event: ") for line in first + second if line.startswith("event: ")]
    data = [orjson.loads(line.removeprefix("data: ")) for line in first if line.startswith("data: ")]
    assert data[-1]["data"]["reconnect"] is True
    assert events == [
        "turn.accepted",
        "message.started",
        "message.delta",
        "bye",
        "message.delta",
        "message.completed",
    ]


@pytest.mark.drill
async def test_without_the_database_nobody_is_sent_away_early_or_without_a_word(
    platform: EmbeddedServers, person: Person, tmp_path: Path
) -> None:
    proxy = Proxy(platform.postgres.server.port)
    url = platform.database_url.replace(f":{platform.postgres.server.port}/", f":{proxy.port}/")
    with running_gateway(platform, tmp_path, index=22, DATABASE_URL=url) as gateway:
        async with Client.to(gateway, person) as client:
            await asked(client)
            proxy.close()
            began = stop(gateway)
            code = await client.close_code(limit_s=18)
            took_s = time.monotonic() - began
            exit_code = await ended(gateway)

    assert (code, exit_code) == (4012, 0)
    assert took_s > 11


async def test_a_gateway_that_nobody_has_used_ends_by_itself(gateway: GatewayProcess) -> None:
    # Its hub is still connecting then, and redis-py swallows a cancellation.
    stop(gateway)

    assert await ended(gateway) == 0
