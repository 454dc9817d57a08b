"""How a gateway leaves: idle sockets first, then those whose answer runs, nobody without a word.

An open turn's row says that an answer runs, so nothing is counted while the
process serves. When PostgreSQL can't say, whoever has a conversation open is
let stay until the limit.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Collection
from dataclasses import dataclass
from typing import TYPE_CHECKING

import structlog

from channels_app import frames
from orchestrator.chat import turns
from orchestrator.errors import OrchestratorError

if TYPE_CHECKING:
    from channels_app.consumer import Socket
    from channels_app.gateway import Gateway

_LOOK_S = 0.25
_ROW_S = 2.0
_SLICE = 500
#: An ending is committed a moment before it is delivered, so one look that finds no open turn is not enough.
_QUIET_LOOKS = 2

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class DrainLimits:
    """How long a leaving gateway takes over what."""

    #: Idle sockets sent away in a second, so that their clients don't all come back in one instant.
    closes_per_s: int = 200
    spread_s: float = 6.0
    #: For answers that run, from the beginning of the drain.
    answers_s: float = 12.0
    #: For sending away whoever's answer still runs then.
    last_s: float = 1.0


class Drain:
    """Sends away every socket and stream of one gateway."""

    def __init__(self, shared: Gateway, limits: DrainLimits | None = None) -> None:
        self._shared = shared
        self._limits = limits or DrainLimits()

    async def run(self) -> None:
        """Return once everybody has been told to leave."""
        shared, limits = self._shared, self._limits
        until = time.monotonic() + limits.answers_s
        # Set before the sockets are listed: whoever is accepted later is sent away by its own task.
        shared.draining.set()
        sockets = set(shared.sockets)
        working = await self._working(sockets)
        log.info("draining", sockets=len(sockets), working=len(working), streams=len(shared.streams))
        idle = sockets - working
        async with asyncio.TaskGroup() as group:
            group.create_task(self._send_away(idle, min(limits.spread_s, len(idle) / limits.closes_per_s)))
            group.create_task(self._let_finish(working, until))
        await self._let_streams_finish(until)

    async def _let_finish(self, working: Collection[Socket], until: float) -> None:
        quiet = dict.fromkeys(working, 0)
        async with asyncio.TaskGroup() as group:
            while quiet and time.monotonic() < until:
                await asyncio.sleep(_LOOK_S)
                still = await self._working(set(quiet))
                for socket in list(quiet):
                    quiet[socket] = 0 if socket in still else quiet[socket] + 1
                    if socket not in self._shared.sockets:
                        del quiet[socket]
                    elif quiet[socket] >= _QUIET_LOOKS:
                        del quiet[socket]
                        group.create_task(self._send_away([socket], 0))
            if quiet:
                log.info("answers still running", sockets=len(quiet))
            group.create_task(self._send_away(quiet, self._limits.last_s))

    async def _let_streams_finish(self, until: float) -> None:
        while self._shared.streams and time.monotonic() < until:  # noqa: ASYNC110 - ends by itself, told to nobody
            await asyncio.sleep(_LOOK_S)
        for stream in list(self._shared.streams):
            stream.send_away()

    async def _send_away(self, sockets: Collection[Socket], spread_s: float) -> None:
        """Announce the end to all at once, each with its own time, then close one after the other."""
        step_s = spread_s / max(1, len(sockets))
        for number, socket in enumerate(sockets, start=1):
            socket.announce_drain(
                reconnect_after_ms=random.randint(100, 1_000 + round(spread_s * 1000)),
                deadline_ms=round((number * step_s + frames.FINISH_S) * 1000),
            )
        async with asyncio.TaskGroup() as group:
            for socket in sockets:
                await asyncio.sleep(step_s)
                group.create_task(socket.finish(frames.DRAINING))

    async def _working(self, sockets: Collection[Socket]) -> set[Socket]:
        """Return the sockets that have a conversation with an open turn open."""
        names = list({name for socket in sockets for name in socket.machine.conversations})
        found: set[str] = set()
        try:
            async with asyncio.timeout(_ROW_S):
                for start in range(0, len(names), _SLICE):
                    found |= await self._shared.executor.run(turns.working, names[start : start + _SLICE])
        except (OrchestratorError, TimeoutError) as exc:
            log.warning("open turns unknown", reason=type(exc).__name__)
            found = set(names)
        return {socket for socket in sockets if not found.isdisjoint(socket.machine.conversations)}
