"""Accepting when something breaks between the question and its answer: no silence, no loss, never two turns."""

from __future__ import annotations

import asyncio
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest
from redis import Redis
from websockets.exceptions import InvalidHandshake

from deploy.testservers import EmbeddedServers, embedded_servers
from orchestrator.log.keys import Keys
from orchestrator.store.engine import rw
from orchestrator.store.rows import all_rows
from orchestrator.tenants.accounts import account
from orchestrator.tenants.models import User
from tests.integration.api.proxy import Proxy
from tests.integration.core import kit
from tests.integration.gateway_kit import Client, GatewayProcess, Person, running_gateway
from tests.stack import Stack

pytestmark = [pytest.mark.drill, pytest.mark.timeout(240)]
FAST = {"SWITCHYARD_RATE_PER_S": "1000", "SWITCHYARD_USER_RATE_PER_S": "1000"}


@pytest.fixture
def somebody(person: User) -> Person:
    """Return the drill's user as the gateway's tests know people."""
    found = account(person.pk)
    assert found is not None
    return Person(account=found)


@pytest.fixture
def wire(platform: EmbeddedServers) -> Iterator[Proxy]:
    """Return a wire to PostgreSQL."""
    proxy = Proxy(platform.postgres.server.port)
    yield proxy
    proxy.close()


@pytest.fixture
def gateway(platform: EmbeddedServers, wire: Proxy, tmp_path: Path) -> Iterator[GatewayProcess]:
    """Run a gateway that reaches PostgreSQL over the wire."""
    url = platform.database_url.replace(f":{platform.postgres.server.port}/", f":{wire.port}/")
    with running_gateway(platform, tmp_path, index=28, DATABASE_URL=url, **FAST) as running:
        yield running


def turns_of(who: Person, conversation: str) -> list[dict[str, Any]]:
    """Return the turns of a conversation, the oldest first."""
    statement = "SELECT * FROM switchyard_turn WHERE user_id = :user AND conversation_id = :c ORDER BY created_at, id"
    return [dict(row) for row in all_rows(rw(), statement, user=who.account.user, c=conversation)]


async def until(true: Callable[[], object], limit_s: float = 15) -> None:
    """Wait until something holds."""
    async with asyncio.timeout(limit_s):
        while not await asyncio.to_thread(true):  # noqa: ASYNC110 - rows tell nobody of a change
            await asyncio.sleep(0.05)


async def ask(client: Client, conversation: str, id: str, **data: Any) -> dict[str, Any]:
    """Ask under an id and return the answer, however long it takes."""
    since = len(client.frames)
    return await client.answer(await say(client, conversation, id, **data), since=since, limit_s=40)


async def say(client: Client, conversation: str, id: str, **data: Any) -> str:
    """Ask under an id of this conversation, and return the whole id."""
    return await client.say("chat.send", {"text": "hi", **data}, conversation=conversation, id=f"{conversation}-{id}")


# --- PostgreSQL ---


async def test_without_the_database_nothing_is_accepted_and_the_client_is_told(
    gateway: GatewayProcess, wire: Proxy, somebody: Person
) -> None:
    async with Client.to(gateway, somebody) as client:
        conversation = await client.open_new()
        wire.refusing = True
        wire.cut()
        refused = [await ask(client, conversation, "q1") for _ in range(3)]
        before = turns_of(somebody, conversation)
        wire.refusing = False
        await asyncio.sleep(2)
        accepted = await ask(client, conversation, "q1")

    facts = refused[0]["data"]
    assert {answer["data"]["code"] for answer in refused} == {"dependency_down"}
    assert (facts["retryable"], facts["retry_after_ms"] > 0) == (True, True)
    assert facts["message"] == "The database does not answer at the moment. Try again soon."
    assert before == []
    assert (accepted["type"], accepted["data"]["duplicate"]) == ("ack", False)


@pytest.mark.parametrize("mode", ["enqueue", "interrupt"])
async def test_a_commit_whose_answer_is_lost_is_found_by_its_id(
    gateway: GatewayProcess, wire: Proxy, somebody: Person, mode: str
) -> None:
    async with Client.to(gateway, somebody) as client:
        conversation = await client.open_new()
        await ask(client, conversation, "q0")
        wire.answers.clear()
        since = len(client.frames)
        q1 = await say(client, conversation, "q1", when_busy=mode)
        if mode == "enqueue":
            await until(lambda: len(turns_of(somebody, conversation)) == 2)
        else:
            # A transaction stands still at its first answer: let it come to its commit and lose that one's.
            wire.answers.set()
        wire.cut()
        wire.answers.set()
        first = await client.answer(q1, since=since, limit_s=40)
        again = await ask(client, conversation, "q1", when_busy=mode)

    made = turns_of(somebody, conversation)
    assert len(made) == 2
    assert again["type"] == "ack"
    assert again["data"]["turn"] == made[1]["id"]
    if mode == "enqueue":
        assert first["data"]["code"] == "dependency_down"
        assert again["data"]["duplicate"] is True


async def test_a_silent_database_is_told_and_lost_connections_cost_no_place_for_ever(
    gateway: GatewayProcess, wire: Proxy, somebody: Person
) -> None:
    async with AsyncExitStack() as stack:
        clients = [await stack.enter_async_context(Client.to(gateway, somebody)) for _ in range(12)]
        conversations = [await client.open_new() for client in clients]

        async def all_ask(id: str) -> list[dict[str, Any]]:
            both = zip(clients, conversations, strict=True)
            return await asyncio.gather(*(ask(client, conversation, id) for client, conversation in both))

        # At once, so that every connection of the pool is there and then lost.
        await all_ask("warm")
        wire.lose()
        began = time.monotonic()
        told = await all_ask("lost")
        took_s = time.monotonic() - began
        answers = told
        while {answer["type"] for answer in answers} != {"ack"} and time.monotonic() - began < 60:
            await asyncio.sleep(1)
            answers = await all_ask("lost")
        print(f"told within {took_s:.1f} s, all accepted after {time.monotonic() - began:.1f} s")

    assert "dependency_down" in {answer["data"].get("code") for answer in told}
    assert took_s < 30
    assert {answer["type"] for answer in answers} == {"ack"}


async def test_connections_that_are_lost_keep_nobody_out_for_ever(
    gateway: GatewayProcess, wire: Proxy, somebody: Person
) -> None:
    for _ in range(4):
        async with Client.to(gateway, somebody):
            pass
    wire.lose()
    began, refused = time.monotonic(), 0
    while time.monotonic() - began < 90:
        try:
            async with Client.to(gateway, somebody) as client:
                assert await client.alive()
                break
        except (InvalidHandshake, TimeoutError, OSError):
            refused += 1
    print(f"let in after {time.monotonic() - began:.1f} s, {refused} attempts before")

    assert time.monotonic() - began < 90


# --- the gateway, between commit and ack ---


async def test_a_turn_whose_gateway_died_before_its_ack_runs_and_is_found_by_its_id(
    stack: Stack, platform: EmbeddedServers, somebody: Person, redis_client: Redis, keys: Keys, tmp_path: Path
) -> None:
    wire = Proxy(platform.redis.server.port)
    url = platform.redis_url.replace(f":{platform.redis.server.port}", f":{wire.port}")
    other = GatewayProcess(port=stack.port, process=stack.running["gateway-0"], log=stack.logs / "gateway-0.log")
    with running_gateway(platform, tmp_path, index=29, REDIS_URL=url, **FAST) as gateway:
        async with Client.to(other, somebody) as reader, Client.to(gateway, somebody) as client:
            conversation = await reader.open_new()
            # Nothing reaches Redis any more: the turn is committed, and its announcement, before the ack, is not made.
            wire.requests.clear()
            q1 = await say(client, conversation, "q1", route="chat")
            await until(lambda: turns_of(somebody, conversation))
            gateway.process.send_signal(signal.SIGKILL)
            code = await client.close_code()
            again = await ask(reader, conversation, "q1", route="chat")
            await reader.seen("message.completed", limit_s=30)
    wire.close()

    (turn,) = turns_of(somebody, conversation)
    types = kit.types_of(kit.frames(redis_client, keys, conversation), turn["id"])
    assert (code, [frame for frame in client.frames if frame.get("re") == q1]) == (1006, [])
    assert again["data"] == {"accepted": True, "turn": turn["id"], "duplicate": True}
    assert (types[0], types.count("turn.accepted"), types[-1]) == ("turn.accepted", 1, "message.completed")
    assert turn["state"] == "completed"


@pytest.mark.parametrize("acks", [1, 5, 12])
async def test_questions_under_way_as_a_gateway_is_killed_are_turns_exactly_once(
    stack: Stack,
    platform: EmbeddedServers,
    somebody: Person,
    redis_client: Redis,
    keys: Keys,
    tmp_path: Path,
    acks: int,
) -> None:
    other = GatewayProcess(port=stack.port, process=stack.running["gateway-0"], log=stack.logs / "gateway-0.log")
    with running_gateway(platform, tmp_path, index=29, **FAST) as gateway:
        async with Client.to(other, somebody) as reader, Client.to(gateway, somebody) as client:
            conversation = await reader.open_new()
            for number in range(20):
                await say(client, conversation, f"{number}", text=f"{number}")
            for _ in range(acks):
                await client.until("ack")
            gateway.process.send_signal(signal.SIGKILL)
            await client.close_code()
            acked = {frame["re"] for frame in client.frames if frame["type"] == "ack"}
            committed = len(turns_of(somebody, conversation))
            again = [await ask(reader, conversation, f"{number}", text=f"{number}") for number in range(20)]
    print(f"{len(acked)} acked, {committed} committed at the kill")

    made = turns_of(somebody, conversation)
    duplicates = [answer["data"]["duplicate"] for answer in again]
    assert len(made) == 20
    assert sum(duplicates) >= committed >= len(acked) >= acks
    assert sorted(answer["data"]["turn"] for answer in again) == sorted(row["id"] for row in made)
    for row in made:
        all_rows(rw(), "UPDATE switchyard_turn SET deadline_at = now() WHERE id = :turn", turn=row["id"])


# --- Redis ---


@pytest.fixture
def servers_of_mine(tmp_path: Path, platform: EmbeddedServers) -> Iterator[EmbeddedServers]:
    """Run a Redis that this test alone may break, beside the shared database."""
    with embedded_servers(tmp_path / "own") as mine:
        yield EmbeddedServers(postgres=platform.postgres, redis=mine.redis)


@pytest.mark.parametrize("how", ["kill", "pause"])
async def test_without_redis_questions_are_accepted_and_the_rate_is_kept(
    servers_of_mine: EmbeddedServers, somebody: Person, tmp_path: Path, how: str
) -> None:
    with running_gateway(servers_of_mine, tmp_path, index=28) as gateway:
        async with Client.to(gateway, somebody) as client:
            conversation = await client.open_new()
            await ask(client, conversation, f"{how}-before")
            getattr(servers_of_mine.redis, how)()
            waits = []
            for number in range(6):
                began = time.monotonic()
                answer = await ask(client, conversation, f"{how}-{number}")
                waits.append(round(time.monotonic() - began, 2))
                assert answer["type"] == "ack", answer
            print(f"{how}: acks after {waits} s")
            for number in range(40):
                await client.say("chat.cancel", {"turn": f"trn_nobody{number}"})
            code = await client.close_code(limit_s=30)
            if how == "pause":
                servers_of_mine.redis.resume()

    limited = [frame for frame in client.frames if frame["type"] == "error" and frame["data"]["code"] == "rate_limited"]
    assert (code, len(limited)) == (4429, 3)
    assert len(turns_of(somebody, conversation)) == 7
    assert max(waits) < 10
