"""Links that delay, cut, half-open and trickle."""

from __future__ import annotations

import asyncio
import random
from typing import Final

from tests.drill.faults_kind import Fault
from tests.drill.planner import Kind, Planned
from tests.drill.proxy import Link
from tests.drill.world import GROUPS, World

_LINKS: Final = (
    *(f"{group}-{server}" for group in GROUPS for server in ("postgres", "redis", "broker")),
    "workers-warehouse",
    "workers-llm",
)


async def delay(world: World, planned: Planned, rng: random.Random) -> None:
    """Let everything arrive later, by a fixed and a random part."""
    world.links[planned.target].delay(rng.uniform(20, 200), rng.uniform(0, 200))
    await _heal(world.links[planned.target], planned)


async def cut(world: World, planned: Planned, rng: random.Random) -> None:
    """Reset all connections and refuse new ones for a while, or at once take them again."""
    link = world.links[planned.target]
    if rng.random() < 0.7:
        link.refuse()
    link.cut()
    await _heal(link, planned)


async def half_open(world: World, planned: Planned, rng: random.Random) -> None:
    """Let bytes vanish, in both directions or in one, or be late by the whole time; connections stay open."""
    link = world.links[planned.target]
    match rng.choice(("both", "both", "up", "down", "hold")):
        case "both":
            link.half_open()
        case "up":
            link.half_open("up")
        case "down":
            link.half_open("down")
        case _:
            link.hold()
    await _heal(link, planned)


async def trickle(world: World, planned: Planned, rng: random.Random) -> None:
    """Let through so few bytes a second that a frame takes its time."""
    world.links[planned.target].trickle(rng.randrange(400, 4_000))
    await _heal(world.links[planned.target], planned)


async def _heal(link: Link, planned: Planned) -> None:
    try:
        await asyncio.sleep(planned.lasts_s)
    finally:
        link.pass_()


def _holds(target: str) -> frozenset[str]:
    return frozenset({f"link:{target}"})


def _kind(name: str, lasts_s: tuple[float, float]) -> Kind:
    return Kind(name=name, targets=_LINKS, lasts_s=lasts_s, holds=_holds)


LINK_FAULTS: Final = (
    Fault(_kind("link-delay", (6.0, 12.0)), delay),
    Fault(_kind("link-cut", (0.5, 5.0)), cut),
    Fault(_kind("link-half-open", (4.0, 11.0)), half_open),
    Fault(_kind("link-trickle", (5.0, 9.0)), trickle),
)
