"""One subscription for a whole process: live frames from Redis to the sockets that read them.

The messages have the format of Channels' `RedisPubSubChannelLayer`, so any
Channels consumer could join the same groups; they are not received through it,
because its dispatch costs about ten times as much a delivery and it hides its
reconnections, during which messages are lost. Here each reconnection, and every
`COMPARE_S`, is followed by a comparison of heads, and the sockets that are
behind read the log.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable, Collection
from dataclasses import asdict, dataclass, field
from typing import Any, Protocol

import structlog
from redis.asyncio import Redis
from redis.asyncio.connection import AbstractConnection
from redis.exceptions import RedisError

from channels_app.cursor import Live
from orchestrator.errors import StoreDownError
from orchestrator.log.frames import parse_live
from orchestrator.log.keys import Keys
from orchestrator.log.reader import LogReader
from orchestrator.log.records import Head
from orchestrator.resilience.retry import next_delay_s

COMPARE_S = 15.0
_BATCH = 200
#: What is published just before a head is read may still be on its way here.
_SETTLE_S = 0.2
_PING_S = 5.0
#: Without a sign of life for this long the connection is given up; a half-open one says nothing for ever.
_DEAD_S = 12.0
_CONFIRM_S = 3.0
#: A channel that nobody reads is kept for this long: sockets that reconnect come back within it.
_LINGER_S = 5.0
_BURST = 64

log = structlog.get_logger(__name__)


class Reader(Protocol):
    """Whoever takes live frames; neither method may block or raise."""

    def on_live(self, live: Live) -> None:
        """Take a published frame."""

    def on_head(self, conversation: str, head: Head) -> None:
        """Compare with the log's head as it was a moment ago."""


@dataclass(slots=True)
class Counters:
    """What the hub has seen; read by the metrics."""

    messages: int = 0
    deliveries: int = 0
    reconnects: int = 0
    comparisons: int = 0
    failures: int = 0
    #: Milliseconds from a frame's `ts` to its delivery: the last and the longest.
    lag_ms: int = 0
    lag_most_ms: int = 0


@dataclass(slots=True)
class _Channel:
    readers: set[Reader] = field(default_factory=set)
    #: Done once Redis has confirmed the subscription on the connection of today.
    confirmed: asyncio.Future[None] = field(default_factory=lambda: asyncio.get_running_loop().create_future())
    deserted_at: float | None = None


class Hub:
    """Joins readers to conversations over one connection that is mended for ever."""

    def __init__(self, redis: Redis, reader: LogReader, keys: Keys) -> None:
        self._redis = redis
        self._log = reader
        self._keys = keys
        self._conversations: dict[str, _Channel] = {}
        self._listeners: dict[bytes, Callable[[bytes], None]] = {}
        self._connection: AbstractConnection | None = None
        self._on_connected: list[Callable[[], None]] = []
        self._compare_now = asyncio.Event()
        self._writing = asyncio.Lock()
        self._rng = random.Random()
        self.counters = Counters()

    @property
    def connected(self) -> bool:
        """Return whether the subscription is up."""
        return self._connection is not None

    def figures(self) -> dict[str, Any]:
        """Return the counters for the metrics."""
        return {**asdict(self.counters), "conversations": len(self._conversations), "connected": self.connected}

    def listen(self, channel: str, callback: Callable[[bytes], None]) -> None:
        """Have every message of a plain channel given to `callback`; called before `run`."""
        self._listeners[channel.encode()] = callback

    def after_connecting(self, callback: Callable[[], None]) -> None:
        """Call back after each (re)connection: messages may have been lost before it."""
        self._on_connected.append(callback)

    async def join(self, conversation: str, reader: Reader) -> None:
        """Give `reader` the conversation's frames from now on; returns once Redis has confirmed it.

        Raises:
            StoreDownError: Redis does not answer.
        """
        channel = self._conversations.get(conversation)
        if channel is None:
            channel = self._conversations[conversation] = _Channel()
            await self._say("SUBSCRIBE", [self._keys.channel(conversation)])
        channel.readers.add(reader)
        channel.deserted_at = None
        try:
            async with asyncio.timeout(_CONFIRM_S):
                await asyncio.shield(channel.confirmed)
        except TimeoutError as exc:
            raise StoreDownError("subscription not confirmed", dependency="redis") from exc

    def leave(self, conversation: str, reader: Reader) -> None:
        """Take a join back."""
        channel = self._conversations.get(conversation)
        if channel is None:
            return
        channel.readers.discard(reader)
        if not channel.readers:
            channel.deserted_at = time.monotonic()

    async def run(self) -> None:
        """Listen and compare until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._listen_for_ever())
            group.create_task(self._compare_for_ever())

    # --- the subscription ---

    async def _listen_for_ever(self) -> None:
        delay_s = 0.05
        while True:
            began = time.monotonic()
            try:
                await self._session()
            except (RedisError, OSError, TimeoutError, asyncio.IncompleteReadError) as exc:
                log.warning("subscription lost", reason=type(exc).__name__)
            except Exception:  # a background loop must survive what nobody thought of
                self.counters.failures += 1
                log.exception("subscription failed")
            finally:
                self._forget_connection()
            if time.monotonic() - began > 30:
                delay_s = 0.05
            delay_s = next_delay_s(delay_s, base_s=0.05, cap_s=2.0, rng=self._rng)
            await asyncio.sleep(delay_s)

    def _forget_connection(self) -> None:
        self._connection = None
        for channel in self._conversations.values():
            if channel.confirmed.done():
                channel.confirmed = asyncio.get_running_loop().create_future()

    async def _session(self) -> None:
        # redis-py's own subscriptions reconnect without a word; here a lost connection must be heard of.
        connection: AbstractConnection = self._redis.connection_pool.make_connection()  # type: ignore[no-untyped-call]
        try:
            async with asyncio.timeout(5):
                await connection.connect()  # type: ignore[no-untyped-call]
            self._connection = connection
            self.counters.reconnects += 1
            names = [self._keys.channel(name) for name in self._conversations]
            await self._say("SUBSCRIBE", [*(name.decode() for name in self._listeners), *names])
            for callback in self._on_connected:
                callback()
            self._compare_now.set()
            await self._receive(connection)
        finally:
            await connection.disconnect(nowait=True)

    async def _receive(self, connection: AbstractConnection) -> None:
        heard_at = swept_at = time.monotonic()
        burst = 0
        while True:
            reply = await connection.read_response(timeout=_PING_S, disconnect_on_error=False)
            now = time.monotonic()
            if reply is None:
                if now - heard_at > _DEAD_S:
                    raise TimeoutError
                async with self._writing:
                    await connection.send_command("PING", check_health=False)
            else:
                heard_at = now
                self._take(reply)
                burst += 1
            if now - swept_at >= _LINGER_S:
                swept_at = now
                await self._sweep(now)
            if burst >= _BURST:
                # Replies that lie ready are read without a pause, and the sockets need one to write.
                burst = 0
                await asyncio.sleep(0)

    async def _say(self, verb: str, channels: list[str]) -> None:
        """Send a (un)subscription if there is a connection; a new connection subscribes to all by itself."""
        connection = self._connection
        if connection is None or not channels:
            return
        try:
            # In the order of the calls: an UNSUBSCRIBE must not overtake the SUBSCRIBE that came after it.
            async with self._writing:
                for start in range(0, len(channels), _BATCH):
                    await connection.send_command(verb, *channels[start : start + _BATCH], check_health=False)
        except (RedisError, OSError, TimeoutError):
            return  # the receiver meets the same end and mends it

    async def _sweep(self, now: float) -> None:
        gone = [
            name
            for name, channel in self._conversations.items()
            if channel.deserted_at is not None and now - channel.deserted_at > _LINGER_S
        ]
        for name in gone:
            del self._conversations[name]
        await self._say("UNSUBSCRIBE", [self._keys.channel(name) for name in gone])

    def _take(self, reply: object) -> None:
        if not isinstance(reply, list | tuple) or len(reply) != 3:
            return  # the answer to a PING
        kind, name, body = reply
        if kind == b"subscribe":
            channel = self._conversations.get(_conversation(name))
            if channel is not None and not channel.confirmed.done():
                channel.confirmed.set_result(None)
        elif kind == b"message":
            self.counters.messages += 1
            callback = self._listeners.get(name)
            try:
                callback(body) if callback is not None else self._deliver(name, body)
            except Exception:  # one message that nobody understands must not stop the others
                self.counters.failures += 1
                log.exception("message not delivered")

    def _deliver(self, name: bytes, body: bytes) -> None:
        frame = parse_live(name, body)
        channel = self._conversations.get(frame.conversation) if frame is not None else None
        if frame is None or channel is None:
            return
        live = Live(frame=frame, payload=frame.frame.encode())
        for reader in list(channel.readers):
            try:
                reader.on_live(live)
            except Exception:  # one reader's failure must not cost the others the frame
                self.counters.failures += 1
                log.exception("frame not taken")
            self.counters.deliveries += 1
        self._note_lag(live.payload)

    def _note_lag(self, payload: bytes) -> None:
        start = payload.find(b'"ts":', 0, 200)
        digits = payload[start + 5 : start + 18]
        if start >= 0 and digits.isdigit():
            self.counters.lag_ms = max(0, time.time_ns() // 1_000_000 - int(digits))
            self.counters.lag_most_ms = max(self.counters.lag_most_ms, self.counters.lag_ms)

    # --- the comparison ---

    async def _compare_for_ever(self) -> None:
        while True:
            try:
                async with asyncio.timeout(COMPARE_S * self._rng.uniform(0.9, 1.1)):
                    await self._compare_now.wait()
            except TimeoutError:
                pass
            self._compare_now.clear()
            try:
                await self.compare([name for name, channel in self._conversations.items() if channel.readers])
            except (RedisError, OSError, TimeoutError) as exc:
                log.warning("heads not compared", reason=type(exc).__name__)
                await asyncio.sleep(1)
                self._compare_now.set()
            except Exception:  # a background loop must survive what nobody thought of
                self.counters.failures += 1
                log.exception("comparison failed")

    async def compare(self, conversations: Collection[str]) -> None:
        """Tell the readers of these conversations how far their logs are.

        Raises:
            RedisError, OSError, TimeoutError: Redis does not answer.
        """
        names = list(conversations)
        for start in range(0, len(names), _BATCH):
            async with asyncio.timeout(5):
                heads = await self._log.heads(names[start : start + _BATCH])
            await asyncio.sleep(_SETTLE_S)
            for name, head in heads.items():
                channel = self._conversations.get(name)
                for reader in list(channel.readers) if channel is not None else ():
                    reader.on_head(name, head)
            self.counters.comparisons += len(heads)


def _conversation(channel: bytes) -> str:
    return channel.decode().rsplit("__group__conv.", 1)[-1]
