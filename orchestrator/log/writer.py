"""The workers' side of the log: one synchronous round trip an event."""

from __future__ import annotations

import time
from collections.abc import Sequence

from redis import Redis

from orchestrator.events import Event
from orchestrator.log import calls
from orchestrator.log.frames import ephemeral
from orchestrator.log.keys import Keys
from orchestrator.log.records import Append, Appended


class LogWriter:
    """Appends over one synchronous client (`decode_responses` off); thread-safe, as redis-py's pool is."""

    def __init__(self, redis: Redis, keys: Keys) -> None:
        self._redis = redis
        self._keys = keys
        self._append = redis.register_script(calls.APPEND)

    def append(self, conversation: str, event: Event, *, fence: int, cid: str, asserted: bool = False) -> Appended:
        """Append one durable event; a repeat is answered DUP.

        Args:
            conversation: whose log.
            event: what happened.
            fence: the attempt it belongs to.
            cid: the correlation id of the frame.
            asserted: the caller has just read or written `fence` in PostgreSQL, so the log may believe it.

        Raises:
            redis.exceptions.RedisError: Redis does not answer; whether the event was kept is unknown, so say it again.
        """
        names, values = calls.append_arguments(
            self._keys, conversation, event, fence=fence, cid=cid, asserted=asserted, now_ms=_now_ms()
        )
        return calls.read_appended(self._append(keys=names, args=values))

    def append_all(self, appends: Sequence[Append]) -> list[Appended]:
        """Append events of many conversations, each asserted by a row just read, in one round trip.

        Raises:
            redis.exceptions.RedisError: as for `append`.
        """
        if not appends:
            return []
        with self._redis.pipeline(transaction=False) as pipe:
            for one in appends:
                names, values = calls.append_arguments(
                    self._keys,
                    one.conversation,
                    one.event,
                    fence=one.fence,
                    cid=one.cid,
                    asserted=True,
                    now_ms=_now_ms(),
                )
                self._append(keys=names, args=values, client=pipe)
            return [calls.read_appended(reply) for reply in pipe.execute()]

    def publish_all(self, hints: Sequence[tuple[str, Event, str]]) -> None:
        """Send events that may be lost, each with its conversation and cid, in one round trip."""
        if not hints:
            return
        with self._redis.pipeline(transaction=False) as pipe:
            for conversation, event, cid in hints:
                message = ephemeral(event, conversation=conversation, cid=cid, now_ms=_now_ms())
                pipe.publish(self._keys.channel(conversation), message)
            pipe.execute()

    def publish_ephemeral(self, conversation: str, event: Event, *, cid: str) -> None:
        """Send an event that may be lost."""
        message = ephemeral(event, conversation=conversation, cid=cid, now_ms=_now_ms())
        self._redis.publish(self._keys.channel(conversation), message)


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
