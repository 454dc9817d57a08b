"""What the drill does to Redis, and the only place that knows that Redis is the broker too."""

from __future__ import annotations

import asyncio
import random
import shutil
from collections.abc import Callable
from typing import Final

from redis import Redis

from tests.drill.faults_kind import Fault
from tests.drill.planner import Kind, Planned
from tests.drill.world import World


async def client_kill(world: World, planned: Planned, rng: random.Random) -> None:
    """End every connection of the broker, the log and pub/sub at once: each unacknowledged task runs again."""

    def kill() -> None:
        with Redis.from_url(world.redis_url, socket_timeout=5) as client:
            for kind in ("pubsub", "normal"):
                client.client_kill_filter(_type=kind, skipme=True)

    await asyncio.to_thread(kill)


async def restart(world: World, planned: Planned, rng: random.Random) -> None:
    """Crash Redis, leave it down, and start it with all that it had written."""
    await world.by_hand("redis", world.redis.kill)
    await _after(world, planned.lasts_s, world.redis.start)


async def restart_older(world: World, planned: Planned, rng: random.Random) -> None:
    """Crash Redis and start it with what it held some seconds before."""
    kept = await asyncio.to_thread(world.redis.keep)
    try:
        await asyncio.sleep(rng.uniform(2.0, 5.0))
        await world.by_hand("redis", world.redis.kill)
        await _after(world, planned.lasts_s, lambda: world.redis.restart_with(kept))
    finally:
        shutil.rmtree(kept, ignore_errors=True)


async def restart_empty(world: World, planned: Planned, rng: random.Random) -> None:
    """Crash Redis and start it with nothing."""
    await world.by_hand("redis", world.redis.kill)
    await _after(world, planned.lasts_s, lambda: world.redis.restart_with(None))


async def flushall(world: World, planned: Planned, rng: random.Random) -> None:
    """Empty the running Redis."""

    def empty() -> None:
        with Redis.from_url(world.redis_url, socket_timeout=5) as client:
            client.flushall()

    await asyncio.to_thread(empty)


async def _after(world: World, pause_s: float, start: Callable[[], None]) -> None:
    try:
        await asyncio.sleep(pause_s)
    finally:
        await world.by_hand("redis", start)


def _holds(target: str) -> frozenset[str]:
    return frozenset({"redis"})


def _kind(name: str, lasts_s: tuple[float, float]) -> Kind:
    return Kind(name=name, targets=("redis",), lasts_s=lasts_s, holds=_holds)


REDIS_FAULTS: Final = (
    Fault(_kind("client-kill", (0.1, 0.2)), client_kill),
    Fault(_kind("redis-restart", (0.3, 4.0)), restart),
    Fault(_kind("redis-older", (0.3, 3.0)), restart_older),
    Fault(_kind("redis-empty", (0.3, 3.0)), restart_empty),
    Fault(_kind("flushall", (0.1, 0.2)), flushall),
)
