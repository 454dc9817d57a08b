"""`on_disconnect: cancel` when things break: a gateway killed, Redis emptied or away, a client that comes back."""

from __future__ import annotations

import asyncio
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from pytest_django.plugin import DjangoDbBlocker
from redis import Redis

from channels_app.presence import LEASE_S
from deploy.testservers import EmbeddedServers, embedded_servers
from orchestrator.store.engine import rw
from orchestrator.store.rows import one_row
from tests.integration.gateway_kit import Client, GatewayProcess, Person, a_person, running_gateway

pytestmark = [pytest.mark.drill, pytest.mark.timeout(180)]
Pair = tuple[GatewayProcess, GatewayProcess]


@pytest.fixture
def person(platform: EmbeddedServers, django_db_blocker: DjangoDbBlocker) -> Person:
    return a_person(django_db_blocker)


@pytest.fixture
def servers_of_mine(tmp_path: Path, platform: EmbeddedServers) -> Iterator[EmbeddedServers]:
    """Run a Redis that this test alone may break, beside the shared database."""
    with embedded_servers(tmp_path / "own") as mine:
        yield EmbeddedServers(postgres=platform.postgres, redis=mine.redis)


@pytest.fixture
def pair(servers_of_mine: EmbeddedServers, tmp_path: Path) -> Iterator[Pair]:
    with (
        running_gateway(servers_of_mine, tmp_path, index=26, SWITCHYARD_GATEWAYS="2") as first,
        running_gateway(servers_of_mine, tmp_path, index=27, SWITCHYARD_GATEWAYS="2") as second,
    ):
        yield first, second


async def state_within(turn: str, state: str, limit_s: float) -> str:
    """Return the turn's state once it is `state`, or what it is at the limit."""
    until = time.monotonic() + limit_s
    while True:
        row = one_row(rw(), "SELECT state FROM switchyard_turn WHERE id = :turn", turn=turn)
        assert row is not None
        if row["state"] == state or time.monotonic() > until:
            return str(row["state"])
        await asyncio.sleep(0.2)


async def asked(client: Client) -> tuple[str, str]:
    """Open a conversation with the wish, ask in it, return it and the turn."""
    opened = await client.ask("conversation.open", {"on_disconnect": "cancel"})
    conversation = opened["data"]["conversation"]
    ack = await client.ask("chat.send", {"text": "hi"}, conversation=conversation)
    return conversation, ack["data"]["turn"]


async def test_a_killed_gateways_conversations_are_stopped_by_another(pair: Pair, person: Person) -> None:
    async with Client.to(pair[0], person) as client:
        _, turn = await asked(client)
        pair[0].process.send_signal(signal.SIGKILL)
        began = time.monotonic()
        state = await state_within(turn, "cancelled", LEASE_S + 15)
        print(f"stopped {time.monotonic() - began:.1f} s after the kill")

    assert state == "cancelled"


async def test_a_client_of_a_killed_gateway_that_comes_back_keeps_its_turn(pair: Pair, person: Person) -> None:
    async with Client.to(pair[0], person) as client:
        conversation, turn = await asked(client)
        pair[0].process.send_signal(signal.SIGKILL)
    async with Client.to(pair[1], person) as client:
        await client.ask("conversation.open", {"conversation": conversation, "on_disconnect": "cancel"})
        while_here = await state_within(turn, "cancelled", LEASE_S + 15)
    after = await state_within(turn, "cancelled", 14)

    assert (while_here, after) == ("queued", "cancelled")


async def test_coming_back_within_ten_seconds_keeps_the_turn(pair: Pair, person: Person) -> None:
    async with Client.to(pair[0], person) as client:
        conversation, turn = await asked(client)
    await asyncio.sleep(7)
    async with Client.to(pair[1], person) as client:
        await client.ask("conversation.open", {"conversation": conversation, "on_disconnect": "cancel"})
        while_here = await state_within(turn, "cancelled", 8)

    assert while_here == "queued"


async def test_an_emptied_redis_forgets_nobody_who_is_here(
    pair: Pair, person: Person, servers_of_mine: EmbeddedServers
) -> None:
    async with Client.to(pair[0], person) as client:
        _, turn = await asked(client)
        Redis.from_url(servers_of_mine.redis_url).flushall()
        while_here = await state_within(turn, "cancelled", 30)
    after = await state_within(turn, "cancelled", 14)

    assert (while_here, after) == ("queued", "cancelled")


async def test_a_redis_emptied_right_before_the_last_one_leaves_stops_the_turn_all_the_same(
    pair: Pair, person: Person, servers_of_mine: EmbeddedServers
) -> None:
    async with Client.to(pair[0], person) as client:
        _, turn = await asked(client)
        Redis.from_url(servers_of_mine.redis_url).flushall()
    state = await state_within(turn, "cancelled", 30)

    assert state == "cancelled"


async def test_a_redis_that_was_away_for_longer_than_a_lease_takes_nobody_for_gone(
    pair: Pair, person: Person, servers_of_mine: EmbeddedServers
) -> None:
    async with Client.to(pair[0], person) as client:
        _, turn = await asked(client)
        servers_of_mine.redis.pause()
        for _ in range(3):
            await asyncio.sleep(LEASE_S / 3 + 3)
            await client.alive()
        servers_of_mine.redis.resume()
        while_here = await state_within(turn, "cancelled", 25)
        alive = await client.alive()

    assert (while_here, alive) == ("queued", True)


async def test_a_rolling_restart_leaves_time_to_find_the_other_gateway(pair: Pair, person: Person) -> None:
    async with Client.to(pair[0], person) as client:
        conversation, turn = await asked(client)
        pair[0].process.send_signal(signal.SIGTERM)
        await client.close_code(limit_s=20)
    kept = await state_within(turn, "cancelled", 13)
    async with Client.to(pair[1], person) as client:
        await client.ask("conversation.open", {"conversation": conversation, "on_disconnect": "cancel"})
        while_here = await state_within(turn, "cancelled", 25)

    assert (kept, while_here) == ("queued", "queued")
