"""What the drill does to the platform's PostgreSQL; the customer's is left alone."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from typing import Final

from tests.drill.faults_kind import Fault
from tests.drill.planner import Kind, Planned
from tests.drill.world import World


async def restart(world: World, planned: Planned, rng: random.Random) -> None:
    """Shut PostgreSQL down in order, which ends every session, leave it down, and start it."""
    await _down(world, world.postgres.stop, planned.lasts_s)


async def kill(world: World, planned: Planned, rng: random.Random) -> None:
    """Kill PostgreSQL, leave it down, and let it recover from its log."""
    await _down(world, world.postgres.kill, planned.lasts_s)


async def _down(world: World, end: Callable[[], None], for_s: float) -> None:
    await world.by_hand("postgres", end)
    try:
        await asyncio.sleep(for_s)
    finally:
        await world.by_hand("postgres", world.postgres.start)


def _holds(target: str) -> frozenset[str]:
    return frozenset({"postgres"})


def _kind(name: str) -> Kind:
    return Kind(name=name, targets=("postgres",), lasts_s=(0.5, 4.0), holds=_holds)


POSTGRES_FAULTS: Final = (Fault(_kind("postgres-restart"), restart), Fault(_kind("postgres-kill"), kill))
