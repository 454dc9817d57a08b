"""Which sockets a user has, and which conversations they have open, over all gateways; in Redis, on leases.

All of it is a convenience that Redis may lose: then nobody is counted until
the next renewal, and nothing that was accepted is harmed. What Redis does not
take of a departure is said again with the next renewal.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from redis.asyncio import Redis
from redis.exceptions import RedisError

from channels_app.protocol import OnDisconnect

#: A gateway that dies without a word is forgotten after this long.
LEASE_S = 45
RENEW_S = 15
#: Contract: `cancel` acts when the last socket is gone for 10 s.
GONE_S = 10
#: Whoever is sent away by a gateway that leaves may take longer to find another one.
SENT_AWAY_S = 30
#: Departures that Redis has not taken yet; more are left to the end of their lease.
_OWED = 10_000
#: A gateway that dies while it cancels leaves the rest to another one after this long.
_RETRY_S = 30
MOST_SOCKETS = 20

_HERE = Path(__file__).parent
_TAKE_DUE = """
local clock = redis.call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)
local due = redis.call('ZRANGEBYSCORE', KEYS[1], 0, now, 'LIMIT', 0, 20)
for _, member in ipairs(due) do redis.call('ZADD', KEYS[1], now + ARGV[1], member) end
return due
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Seat:
    """One open conversation of one socket."""

    tenant: str
    user: str
    conversation: str
    connection: str
    on_disconnect: OnDisconnect

    @property
    def member(self) -> str:
        """Return how it is named in the set of what is due."""
        return f"{self.tenant} {self.user} {self.conversation}"


#: A socket's place among its user's: user, connection, number.
Place = tuple[str, str, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Deserted:
    """A conversation that nobody has open any more, though somebody asked that its turns then stop."""

    tenant: str
    user: str
    conversation: str


class Presence:
    """Counts sockets and open conversations; what Redis does not answer is left out."""

    def __init__(self, redis: Redis, prefix: str) -> None:
        self._redis = redis
        self._prefix = prefix
        self._seats = redis.register_script((_HERE / "presence.lua").read_text())
        self._slots = redis.register_script((_HERE / "slots.lua").read_text())
        self._take_due = redis.register_script(_TAKE_DUE)
        self._owed: deque[Seat] = deque(maxlen=_OWED)

    async def take_slot(self, user: str, connection: str) -> int | None:
        """Return the lowest free one of the user's places, or None when all are taken.

        Raises:
            RedisError, OSError, TimeoutError: Redis does not answer.
        """
        async with asyncio.timeout(1):
            place = int(await self._slot("take", user, connection, 0))
        return place if place >= 0 else None

    def _slot(self, verb: str, user: str, connection: str, place: int, client: Redis | None = None):  # type: ignore[no-untyped-def]  # redis-py's own awaitable
        key = f"{self._prefix}:sockets:{user}"
        return self._slots(keys=[key], args=[verb, connection, LEASE_S * 1000, MOST_SOCKETS, place], client=client)

    async def join(self, seat: Seat) -> None:
        """Note that a socket has a conversation open."""
        await _soft(self._seat("join", seat))

    def _seat(self, verb: str, seat: Seat, client: Redis | None = None, *, gone_s: int = GONE_S):  # type: ignore[no-untyped-def]  # redis-py's own awaitable
        forgotten_ms = (GONE_S + RENEW_S) * 1000
        asked = [seat.member, seat.on_disconnect]
        return self._seats(
            keys=[f"{self._prefix}:presence:{seat.conversation}", self._due],
            args=[verb, seat.connection, LEASE_S * 1000, gone_s * 1000, *asked, forgotten_ms],
            client=client,
        )

    @property
    def _due(self) -> str:
        return f"{self._prefix}:presence-due"

    async def renew(self, places: Iterable[Place], seats: Iterable[Seat]) -> None:
        """Renew the leases of this gateway's sockets and of the conversations they have open."""
        await self._say("keep", "keep", places, seats)
        owed = list(self._owed)
        self._owed.clear()
        if owed:
            await self.depart(None, owed)

    async def depart(self, place: Place | None, seats: Iterable[Seat], *, gone_s: int = GONE_S) -> None:
        """Give back what a socket had; whoever asked for it has `gone_s` to come back."""
        left = list(seats)
        if not await self._say("free", "leave", [] if place is None else [place], left, gone_s=gone_s):
            self._owed.extend(seat for seat in left if seat.on_disconnect == "cancel")

    async def _say(
        self, slot: str, seat: str, places: Iterable[Place], seats: Iterable[Seat], *, gone_s: int = GONE_S
    ) -> bool:
        async def pipelined() -> None:
            async with self._redis.pipeline(transaction=False) as pipe:
                for user, connection, number in places:
                    await self._slot(slot, user, connection, number, client=pipe)
                for one in seats:
                    await self._seat(seat, one, client=pipe, gone_s=gone_s)
                if len(pipe):
                    await pipe.execute()

        return await _soft(pipelined(), limit_s=5)

    async def deserted(self) -> list[Deserted]:
        """Return conversations whose turns are to stop now; each comes again until it is `settled`."""
        try:
            async with asyncio.timeout(2):
                members = await self._take_due(keys=[self._due], args=[_RETRY_S * 1000])
        except (RedisError, OSError, TimeoutError):
            return []
        found = []
        for member in members:
            tenant, user, conversation = member.decode().split(" ")
            found.append(Deserted(tenant=tenant, user=user, conversation=conversation))
        return found

    async def settled(self, deserted: Deserted) -> None:
        """Forget a conversation whose turns have been told to stop."""
        member = f"{deserted.tenant} {deserted.user} {deserted.conversation}"
        await _soft(self._redis.zrem(self._due, member))


async def _soft(call, *, limit_s: float = 1.0) -> bool:  # type: ignore[no-untyped-def]  # redis-py's own awaitables
    try:
        async with asyncio.timeout(limit_s):
            await call
    except (RedisError, OSError, TimeoutError):
        return False
    return True
