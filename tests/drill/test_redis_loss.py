"""Redis restarted, restarted with older data, or emptied in the middle of an answer: the right text, one ending."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest
from redis import Redis

from deploy.testservers import EmbeddedServers
from orchestrator.store.engine import rw
from orchestrator.store.rows import Row, one_row
from tests.client import ChatClient, TurnView
from tests.stack import Stack

pytestmark = pytest.mark.drill

Fault = Callable[[EmbeddedServers, Path], None]


def restarted(servers: EmbeddedServers, kept: Path) -> None:
    """Crash Redis and start it again with what it had written."""
    servers.redis.kill()
    servers.redis.start()


def restarted_with_older_data(servers: EmbeddedServers, kept: Path) -> None:
    """Crash Redis and start it with a copy from before the question."""
    servers.redis.restart_with(kept)


def restarted_with_nothing(servers: EmbeddedServers, kept: Path) -> None:
    """Crash Redis and start it without any data."""
    servers.redis.restart_with(None)


def emptied(servers: EmbeddedServers, kept: Path) -> None:
    """Empty the running Redis, which is this test's own."""
    Redis.from_url(servers.redis_url).flushall()


async def ask_through(fault: Fault, stack: Stack, servers: EmbeddedServers, token: str) -> tuple[str, TurnView]:
    """Ask, let the fault strike once text flows, and follow the answer to its end, resuming when the socket dies."""
    async with ChatClient(stack.base_urls, token) as client:
        await client.open()
        kept = servers.redis.keep()
        turn = (await client.send("tell me something long", route="chat"))["data"]["turn"]
        while len(client.view(turn).text) < 200:
            await client.next()
        # In this thread: the kernel ends a server together with the thread that started it.
        fault(servers, kept)
        return turn, await client.until_ended(turn, 45)


def row_of(turn: str) -> Row | None:
    """Return the answer in the row and how many endings left it."""
    return one_row(
        rw(),
        "SELECT t.state, t.answer, (SELECT count(*) FROM switchyard_outbox o WHERE o.key = t.id) AS endings"
        " FROM switchyard_turn t WHERE t.id = :turn",
        turn=turn,
    )


@pytest.mark.parametrize("fault", [restarted, restarted_with_older_data, restarted_with_nothing, emptied])
def test_the_client_ends_with_the_right_text_and_one_ending(
    fault: Fault, stack: Stack, platform: EmbeddedServers, token: str
) -> None:
    turn, view = asyncio.run(ask_through(fault, stack, platform, token))

    assert row_of(turn) == {"state": "completed", "answer": view.text, "endings": 1}
    assert view.endings <= 1
    assert view.ending is not None


@pytest.mark.parametrize("fault", [restarted_with_older_data, emptied])
def test_the_next_question_is_answered_as_if_nothing_had_been(
    fault: Fault, stack: Stack, platform: EmbeddedServers, token: str
) -> None:
    asyncio.run(ask_through(fault, stack, platform, token))

    turn, view = asyncio.run(ask_through(lambda *_: None, stack, platform, token))

    assert row_of(turn) == {"state": "completed", "answer": view.text, "endings": 1}
