"""The language model's server misbehaves, and the disk for logs is full."""

from __future__ import annotations

import asyncio
import random
from typing import Final

from tests.drill.faults_kind import Fault
from tests.drill.planner import Kind, Planned
from tests.drill.world import World

#: Fault to what the fake server calls it.
_BEHAVIOURS: Final = {
    "llm-stall": "stall",
    "llm-cut": "cut",
    "llm-429": "rate_limited",
    "llm-500": "error_500",
    "llm-garbage": "garbage",
}


async def misbehave(world: World, planned: Planned, rng: random.Random) -> None:
    """Let every request that comes meanwhile meet the fault; streams that have begun go on as they began."""
    await asyncio.to_thread(world.llm.set_behaviour, _BEHAVIOURS[planned.kind])
    try:
        await asyncio.sleep(planned.lasts_s)
    finally:
        await asyncio.to_thread(world.llm.set_behaviour)


async def fill_disk(world: World, planned: Planned, rng: random.Random) -> None:
    """Let no process write a byte to a file: not to its log, not anywhere."""
    world.keeper.fill_disk(full=True)
    try:
        await asyncio.sleep(planned.lasts_s)
    finally:
        world.keeper.fill_disk(full=False)


def _kind(name: str, target: str, lasts_s: tuple[float, float]) -> Kind:
    return Kind(name=name, targets=(target,), lasts_s=lasts_s, holds=lambda held: frozenset({held}))


OUTSIDE_FAULTS: Final = (
    *(Fault(_kind(name, "llm", (8.0, 10.0)), misbehave) for name in _BEHAVIOURS),
    Fault(_kind("disk-full-logs", "disk", (6.0, 12.0)), fill_disk),
)
