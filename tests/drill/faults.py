"""Everything the drill does to the world, in one table, and the player that does it by a schedule."""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import Callable, Iterable, Sequence
from typing import Final

import structlog

from tests.drill.facts import Clock, Strike
from tests.drill.faults_kind import Fault
from tests.drill.faults_links import LINK_FAULTS
from tests.drill.faults_outside import OUTSIDE_FAULTS
from tests.drill.faults_postgres import POSTGRES_FAULTS
from tests.drill.faults_processes import PROCESS_FAULTS
from tests.drill.faults_redis import REDIS_FAULTS
from tests.drill.planner import Planned, Schedule
from tests.drill.world import World

#: Another broker brings a profile of its own in place of `REDIS_FAULTS`.
FAULTS: Final[tuple[Fault, ...]] = (
    *PROCESS_FAULTS,
    *REDIS_FAULTS,
    *POSTGRES_FAULTS,
    *LINK_FAULTS,
    *OUTSIDE_FAULTS,
)
_BY_NAME: Final = {fault.kind.name: fault for fault in FAULTS}
_log = structlog.get_logger(__name__)


def chosen(names: Iterable[str]) -> list[Fault]:
    """Return the faults of these names; `kill9` stands for all that begin with `kill9-`, no name for all there are.

    Raises:
        ValueError: there is no such fault.
    """
    wanted = list(names)
    found = {name: [f for f in FAULTS if f.kind.name == name or f.kind.name.startswith(f"{name}-")] for name in wanted}
    unknown = [name for name, faults in found.items() if not faults]
    if unknown:
        raise ValueError(f"no such fault: {', '.join(unknown)}; there are {', '.join(_BY_NAME)}")
    return [f for f in FAULTS if not wanted or any(f in faults for faults in found.values())]


async def play(
    world: World, schedule: Schedule, *, clock: Clock, told: Callable[[Strike], None], rng: random.Random
) -> None:
    """Strike as the schedule says, counted from now, and return when all is healed; `told` hears of each strike.

    Strikes on the same thing wait for each other. One that would so come later than its storm lasts is left out.
    """
    began_s = clock.now()
    locks: dict[str, asyncio.Lock] = {}
    async with asyncio.TaskGroup() as strikes:
        for planned in schedule.strikes:
            one = _Playing(world, planned, schedule.storm_end_s(planned.at_s) + began_s, clock, told)
            seed = rng.getrandbits(32)
            strikes.create_task(one.run(began_s, locks, random.Random(seed)), name=f"{planned.kind} {planned.target}")


class _Playing:
    """One planned strike while it waits for its moment and its turn."""

    def __init__(
        self, world: World, planned: Planned, latest_s: float, clock: Clock, told: Callable[[Strike], None]
    ) -> None:
        self._world, self._planned, self._latest_s, self._clock, self._told = world, planned, latest_s, clock, told

    async def run(self, began_s: float, locks: dict[str, asyncio.Lock], rng: random.Random) -> None:
        planned = self._planned
        await asyncio.sleep(max(0.0, began_s + planned.at_s - self._clock.now()))
        async with contextlib.AsyncExitStack() as held:
            for name in sorted(planned.holds):
                await held.enter_async_context(locks.setdefault(name, asyncio.Lock()))
            if self._clock.now() > self._latest_s:
                self._say(self._clock.now(), failed="what it would hit was busy until the storm was over")
                return
            started_s, failed = self._clock.now(), ""
            try:
                await _BY_NAME[planned.kind].strike(self._world, planned, rng)
            except Exception as exc:  # the other strikes go on; the report says which could not be done
                failed = f"{type(exc).__name__}: {exc}"[:300]
                _log.exception("strike failed", kind=planned.kind, target=planned.target)
            self._say(started_s, failed=failed)

    def _say(self, started_s: float, *, failed: str) -> None:
        self._told(Strike(self._planned.kind, self._planned.target, started_s, self._clock.now(), failed))


def kinds(faults: Sequence[Fault]) -> list[str]:
    """Return the names of faults, in the table's order."""
    return [fault.kind.name for fault in faults]
