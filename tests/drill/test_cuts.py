"""Sockets cut at random in the middle of answers, over two servers: the client ends with the very text."""

from __future__ import annotations

import asyncio
import os
import random

import pytest

from tests.client import ChatClient, TurnView
from tests.stack import Stack

pytestmark = pytest.mark.drill

#: The issue's figure is 100; the short drill of CI makes fewer.
CUTS = int(os.environ.get("DRILL_CUTS", "30"))
CUTS_A_TURN = 3


async def cut_up(stack: Stack, token: str, rng: random.Random) -> list[TurnView]:
    """Ask until `CUTS` cuts were made, each followed by a resume at a server chosen at random."""
    views, made = [], 0
    async with ChatClient(stack.base_urls, token) as client:
        await client.open()
        while made < CUTS:
            turn = (await client.send("tell me something long", route="chat"))["data"]["turn"]
            for _ in range(min(CUTS_A_TURN, CUTS - made)):
                try:
                    async with asyncio.timeout(rng.uniform(0.05, 0.7)):
                        await client.until_ended(turn)
                except TimeoutError:
                    made += 1
                await client.cut()
                await asyncio.sleep(rng.uniform(0, 0.3))
                await client.connect(rng.randrange(2))
            views.append(await client.until_ended(turn))
    return views


def test_after_random_cuts_the_text_is_the_completed_one_byte_for_byte(stack: Stack, token: str) -> None:
    views = asyncio.run(cut_up(stack, token, random.Random(20261120)))

    assert all(view.text.encode() == view.ending["data"]["text"].encode() for view in views if view.ending)
    assert [view.endings for view in views] == [1] * len(views)
