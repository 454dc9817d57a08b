"""Processes killed, frozen, doubled and restarted in turn."""

from __future__ import annotations

import asyncio
import random
from typing import Final

from tests.drill.faults_kind import Fault, Strike
from tests.drill.planner import Kind, Planned
from tests.drill.world import World

#: Processes by role: a kind of fault for each.
ROLES: Final[dict[str, tuple[str, ...]]] = {
    "gateway": ("gateway-0", "gateway-1"),
    "dispatcher": ("dispatcher",),
    "beat": ("beat",),
    "worker-gpu": ("worker-gpu",),
    "worker-sql": ("worker-sql",),
    "worker-rag": ("worker-rag",),
    "worker-llm": ("worker-llm",),
    "worker-jobs": ("worker-jobs",),
}
#: Those a rolling restart takes together, one after the other.
_ROUNDS: Final = (
    "gateway-0+gateway-1",
    "worker-gpu+worker-llm",
    "worker-sql+worker-rag",
    "worker-jobs+beat",
    "dispatcher+worker-llm",
    "worker-rag",
)
#: Longer than the lease of 6 s: the frozen one wakes up as a dead one.
_FROZEN_S: Final = (8.0, 10.0)


class NotLeftError(Exception):
    """A process that was told to stop outlived its grace."""


def _holds(target: str) -> frozenset[str]:
    return frozenset(f"process:{name}" for name in target.split("+"))


async def kill9(world: World, planned: Planned, rng: random.Random) -> None:
    """Kill a process as the kernel does when memory is out; it heals when the next one has been started."""
    pid = await _once_running(world, planned.target)
    world.keeper.kill(planned.target)
    await asyncio.to_thread(
        world.keeper.wait_for, planned.target, lambda state: state.pid is not None and state.pid != pid, 20
    )


async def freeze(world: World, planned: Planned, rng: random.Random) -> None:
    """Stop a process for longer than its lease and let it wake up."""
    await _once_running(world, planned.target)
    pid = world.keeper.freeze(planned.target)
    try:
        await asyncio.sleep(planned.lasts_s)
    finally:
        if pid is not None:
            world.keeper.thaw(planned.target, pid)


async def two_beats(world: World, planned: Planned, rng: random.Random) -> None:
    """Run a second beat for a while."""
    name = world.run_more("beat", index=1)
    try:
        await asyncio.sleep(planned.lasts_s)
    finally:
        await asyncio.to_thread(world.keeper.retire, name)


async def two_dispatchers(world: World, planned: Planned, rng: random.Random) -> None:
    """Run a second dispatcher, freeze the first until the other leads, and let both live on for a moment."""
    name = world.run_more("dispatcher", index=1)
    try:
        await _until_serving(world, name, 12)
        pid = world.keeper.freeze("dispatcher")
        try:
            await asyncio.sleep(rng.uniform(*_FROZEN_S))
        finally:
            if pid is not None:
                world.keeper.thaw("dispatcher", pid)
        await asyncio.sleep(2)
    finally:
        await asyncio.to_thread(world.keeper.retire, name)


async def rolling_restart(world: World, planned: Planned, rng: random.Random) -> None:
    """Tell one process after the other to leave, and go on when its successor serves.

    Raises:
        NotLeftError: one did not leave within its grace; it was killed then, as the supervisor does.
    """
    late = []
    for name in planned.target.split("+"):
        await _once_running(world, name)
        deaths = world.processes[name].deaths
        world.keeper.terminate(name)
        if not await asyncio.to_thread(world.keeper.wait_for_death, name, deaths, world.keeper.grace_s(name)):
            late.append(name)
            world.keeper.kill(name)
        await _until_serving(world, name, 30)
    if late:
        raise NotLeftError(", ".join(late))


async def _once_running(world: World, name: str) -> int | None:
    await asyncio.to_thread(world.keeper.wait_for, name, lambda state: state.alive, 20)
    return world.processes[name].pid


async def _until_serving(world: World, name: str, limit_s: float) -> bool:
    until = asyncio.get_running_loop().time() + limit_s
    while asyncio.get_running_loop().time() < until:
        if await asyncio.to_thread(world.serves, name):
            return True
        await asyncio.sleep(0.3)
    return False


def _one_each(verb: str, strike: Strike, lasts_s: tuple[float, float]) -> tuple[Fault, ...]:
    return tuple(
        Fault(Kind(name=f"{verb}-{role}", targets=names, lasts_s=lasts_s, holds=_holds), strike)
        for role, names in ROLES.items()
    )


PROCESS_FAULTS: Final = (
    *_one_each("kill9", kill9, (1.0, 3.0)),
    *_one_each("freeze", freeze, _FROZEN_S),
    Fault(Kind(name="two-beats", targets=("beat",), lasts_s=(8.0, 12.0), holds=_holds), two_beats),
    Fault(Kind(name="two-dispatchers", targets=("dispatcher",), lasts_s=(14.0, 24.0), holds=_holds), two_dispatchers),
    Fault(Kind(name="rolling-restart", targets=_ROUNDS, lasts_s=(16.0, 28.0), holds=_holds), rolling_restart),
)
