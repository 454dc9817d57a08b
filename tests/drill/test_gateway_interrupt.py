"""A question in place of the one that is being answered, with real workers."""

from __future__ import annotations

import asyncio
import time

import pytest

from tests.client import ChatClient
from tests.stack import Stack

pytestmark = [pytest.mark.drill, pytest.mark.timeout(180)]


async def interrupted(client: ChatClient) -> tuple[list[str], float]:
    """Interrupt an answer once it flows; return the endings in their order and how long the first one took."""
    old = (await client.send("tell me something long", route="chat"))["data"]["turn"]
    while len(client.view(old).text) < 50:
        await client.next()
    began = time.monotonic()
    new = (await client.send("rather this", route="chat", when_busy="interrupt"))["data"]["turn"]
    stopped = await client.until_ended(old, 20)
    took_s = time.monotonic() - began
    # Late, and by name: it must not touch the one that runs now.
    stale = await client.request("chat.cancel", {"turn": old})
    answered = await client.until_ended(new, 60)
    assert stale["data"]["code"] == "conflict"
    assert (stopped.ending or {})["data"]["reached"] == ["llm"]
    assert answered.types[0] == "turn.accepted"
    return [(view.ending or {})["type"] for view in (stopped, answered)], took_s


def test_an_answer_that_flows_stops_and_the_new_one_is_given(stack: Stack, token: str) -> None:
    async def five() -> list[tuple[list[str], float]]:
        async with ChatClient(stack.base_urls, token) as client:
            await client.open()
            return [await interrupted(client) for _ in range(5)]

    seen = asyncio.run(five())

    print("stopped after", [round(took_s * 1000) for _, took_s in seen], "ms")
    assert [endings for endings, _ in seen] == [["turn.cancelled", "message.completed"]] * 5
