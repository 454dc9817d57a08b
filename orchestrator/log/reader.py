"""The gateway's side of the log: open, replay, compare, and the few appends a gateway makes."""

from __future__ import annotations

import time
from collections.abc import Sequence

from redis.asyncio import Redis

from orchestrator.events import Event
from orchestrator.log import calls
from orchestrator.log.frames import ephemeral
from orchestrator.log.keys import Keys
from orchestrator.log.records import Appended, Head, Opened, Position


class LogReader:
    """Reads logs over one asynchronous client (`decode_responses` off); every method is one round trip."""

    def __init__(self, redis: Redis, keys: Keys) -> None:
        self._redis = redis
        self._keys = keys
        self._open = redis.register_script(calls.OPEN)
        self._append = redis.register_script(calls.APPEND)

    async def open(self, conversation: str, position: Position | None) -> Opened:
        """Return everything after `position`, all or nothing; a missing log begins a new epoch with top 0."""
        names, values = calls.open_arguments(self._keys, conversation, position, replay=True, partials=False)
        return calls.read_opened(await self._open(keys=names, args=values))

    async def head(self, conversation: str, *, partials: bool = True) -> Head:
        """Return epoch, top and the running texts of one instant; call it *before* reading rows for a snapshot."""
        names, values = calls.open_arguments(self._keys, conversation, None, replay=False, partials=partials)
        return calls.read_head(await self._open(keys=names, args=values))

    async def heads(self, conversations: Sequence[str]) -> dict[str, Head]:
        """Return the heads of many conversations, without texts, in one pipeline."""
        if not conversations:
            return {}
        async with self._redis.pipeline(transaction=False) as pipe:
            for conversation in conversations:
                names, values = calls.open_arguments(self._keys, conversation, None, replay=False, partials=False)
                await self._open(keys=names, args=values, client=pipe)
            replies = await pipe.execute()
        return {name: calls.read_head(reply) for name, reply in zip(conversations, replies, strict=True)}

    async def between(self, conversation: str, epoch: str, after: int, upto: int) -> list[tuple[int, str]] | None:
        """Return the frames in (after, upto], or None when they are trimmed or another epoch began."""
        opened = await self.open(conversation, Position(epoch=epoch, seq=after))
        if not opened.recovered:
            return None
        return [(seq, frame) for seq, frame in opened.frames if seq <= upto]

    async def append(self, conversation: str, event: Event, *, fence: int, cid: str) -> Appended:
        """Append an event whose fence the caller has just read or written in PostgreSQL."""
        names, values = calls.append_arguments(
            self._keys, conversation, event, fence=fence, cid=cid, asserted=True, now_ms=_now_ms()
        )
        return calls.read_appended(await self._append(keys=names, args=values))

    async def publish_ephemeral(self, conversation: str, event: Event, *, cid: str) -> None:
        """Send an event that may be lost."""
        message = ephemeral(event, conversation=conversation, cid=cid, now_ms=_now_ms())
        await self._redis.publish(self._keys.channel(conversation), message)


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
