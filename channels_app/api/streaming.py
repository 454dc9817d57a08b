"""A turn's events as Server-Sent Events: joined live first, then replayed, then merged, as for a socket."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import orjson
import structlog
from redis.exceptions import RedisError

from channels_app import frames
from channels_app.api.shared import Shared, shared
from channels_app.commands import Caller, store_down
from channels_app.cursor import Cursor, Found, Live, Look
from channels_app.gateway import gateway
from orchestrator import ids
from orchestrator.chat import turns
from orchestrator.errors import InvalidInputError, OrchestratorError
from orchestrator.log.records import Head, Position

HEARTBEAT_S = 15.0
_LOG_S = 5.0
_TRIES = 5
#: A client that reads this far behind the turn is cut off, and comes back with `Last-Event-ID`.
_UNREAD = 4_096
#: The last thing that a stream of a leaving process reads.
_AWAY = Found()
_ENDINGS = frozenset({"message.completed", "turn.failed", "turn.cancelled"})

log = structlog.get_logger(__name__)


def resume_from(last_event_id: str | None) -> Position | None:
    """Return the position that a `Last-Event-ID` names.

    Raises:
        InvalidInputError: it is not `epoch:seq`.
    """
    if not last_event_id:
        return None
    epoch, colon, seq = last_event_id.strip().rpartition(":")
    if not colon or not epoch.isalnum() or len(epoch) > 64 or not seq.isdecimal() or len(seq) > 15:
        raise InvalidInputError("not epoch:seq", field="Last-Event-ID", detail_key="error.invalid_field")
    return Position(epoch=epoch, seq=int(seq))


class TurnStream:
    """One reader of the hub, for one response."""

    def __init__(self, here: Shared, caller: Caller, conversation: str) -> None:
        self._here = here
        self._caller = caller
        self._conversation = conversation
        self._cursor = Cursor(conversation=conversation)
        self._inbox: asyncio.Queue[Found] = asyncio.Queue(maxsize=_UNREAD)
        self._overrun = False
        self._resumed = False
        # A response that is dropped before its first byte would otherwise be read to for ever.
        self._unread = asyncio.get_running_loop().call_later(_LOG_S * 2 * _TRIES, self.leave)

    @classmethod
    async def join(cls, caller: Caller, conversation: str, position: Position | None) -> TurnStream:
        """Return a stream that misses nothing from now on; without a position, from the log's top.

        Raises:
            StoreDownError: Redis does not answer.
        """
        here = shared()
        stream = cls(here, caller, conversation)
        await here.hub.join(conversation, stream)
        try:
            stream._resumed = position is not None
            await stream._begin(position)
        except BaseException:
            stream.leave()
            raise
        return stream

    def leave(self) -> None:
        """Take the join back."""
        self._unread.cancel()
        self._here.hub.leave(self._conversation, self)

    # --- what the hub calls ---

    def on_live(self, live: Live) -> None:
        """Take a published frame."""
        self._put(self._cursor.on_live(live))

    def on_head(self, conversation: str, head: Head) -> None:
        """Look when the log is ahead of this stream."""
        look = self._cursor.on_head(head)
        if look is not None:
            self._put(Found(look=look))

    def send_away(self) -> None:
        """Have the response end with a `bye`: the process leaves before the turn has ended."""
        try:
            self._inbox.put_nowait(_AWAY)
        except asyncio.QueueFull:
            self._overrun = True

    def _put(self, found: Found) -> None:
        if not (found.lost or found.frames or found.look):
            return
        try:
            self._inbox.put_nowait(found)
        except asyncio.QueueFull:
            self._overrun = True

    # --- what the response reads ---

    async def events(self, turn: str, *, duplicate: bool) -> AsyncIterator[bytes]:
        """Yield the turn's events until its ending; a comment every 15 s while nothing happens."""
        self._unread.cancel()
        gateway().streams.add(self)
        try:
            # A sign of life at once: proxies and clients then know that the stream stands.
            yield b": turn " + turn.encode() + b"\n\n"
            if gateway().draining.is_set():
                self.send_away()
            if duplicate and not self._resumed:
                # The question came before: tell it from the start of what the log still has.
                epoch = await self._epoch()
                self._cursor, self._inbox = Cursor(conversation=self._conversation), asyncio.Queue(maxsize=_UNREAD)
                await self._begin(Position(epoch=epoch, seq=0))
            while not self._overrun:
                found = await self._next()
                if found is _AWAY:
                    yield self._bye()
                    return
                if found is None:
                    ending = await self._ended_unseen(turn)
                    if ending is not None:
                        yield ending
                        return
                    yield b": waiting\n\n"
                    continue
                if found.lost:
                    yield self._opened_anew()
                    ending = await self._ended_unseen(turn)
                    if ending is not None:
                        yield ending
                        return
                for payload in found.frames:
                    frame = orjson.loads(payload)
                    if frame["data"].get("turn") != turn:
                        continue
                    yield _event(frame, payload)
                    if frame["type"] in _ENDINGS:
                        return
                if found.look is not None:
                    await self._look(found.look)
        except OrchestratorError as exc:
            # The status is long sent: the client meets the end and resumes.
            log.warning("stream cut", code=exc.code, reason=str(exc), turn=turn)
        finally:
            gateway().streams.discard(self)
            self.leave()

    async def _next(self) -> Found | None:
        try:
            async with asyncio.timeout(HEARTBEAT_S):
                return await self._inbox.get()
        except TimeoutError:
            return None

    async def _begin(self, position: Position | None) -> None:
        if position is None:
            async with _answering():
                head = await self._here.reader.head(self._conversation, partials=False)
            position = Position(epoch=head.epoch, seq=head.top)
        # Frames that arrive from here on are held by the cursor until the log has answered.
        self._cursor.epoch, self._cursor.last = position.epoch, position.seq
        await self._look(self._cursor.start(position))

    async def _epoch(self) -> str:
        async with _answering():
            return (await self._here.reader.head(self._conversation, partials=False)).epoch

    async def _look(self, look: Look) -> None:
        for attempt in range(_TRIES):
            try:
                async with _answering():
                    opened = await self._here.reader.open(look.conversation, look.position)
            except OrchestratorError:
                if attempt == _TRIES - 1:
                    raise
                await asyncio.sleep(1.0)
                continue
            self._put(self._cursor.on_opened(opened, recovered=opened.recovered))
            return

    async def _ended_unseen(self, turn: str) -> bytes | None:
        """Return the ending as the row tells it, when the turn has ended and the log says nothing more."""
        try:
            shape = await self._here.executor.run(
                turns.read_turn, tenant=self._caller.tenant, user=self._caller.user, turn=turn
            )
        except OrchestratorError:
            return None
        if shape["state"] not in ("completed", "failed", "cancelled"):
            return None
        look = self._cursor.catch_up()
        if look is not None:
            await self._look(look)
        # What the log had after all comes first; if the ending is not in it, the next silence leads here again.
        return None if not self._inbox.empty() else _unnumbered(shape, self._conversation)

    def _bye(self) -> bytes:
        away = frames.DRAINING
        data = {"code": away.code, "reason": away.reason, "reconnect": away.reconnect, "retry_after_ms": 0}
        body = frames.frame(
            "bye", data, id=ids.new_id("evt"), ts=time.time_ns() // 1_000_000, conversation=self._conversation
        )
        # Without an id: the last one that the client has read is where it goes on from.
        return _record("bye", body, id=None)

    def _opened_anew(self) -> bytes:
        body = frames.frame(
            "conversation.opened",
            {
                "conversation": self._conversation,
                "recovered": False,
                "epoch": self._cursor.epoch,
                "top": self._cursor.last,
                "replayed": 0,
                "snapshot_url": frames.snapshot_url(self._conversation),
            },
            id=ids.new_id("evt"),
            ts=time.time_ns() // 1_000_000,
            conversation=self._conversation,
        )
        return _record("conversation.opened", body, id=f"{self._cursor.epoch}:{self._cursor.last}")


@asynccontextmanager
async def _answering() -> AsyncIterator[None]:
    """Bound a call to Redis, and say its failure as ours."""
    try:
        async with asyncio.timeout(_LOG_S):
            yield
    except (RedisError, OSError, TimeoutError) as exc:
        raise store_down(exc) from exc


def _event(frame: dict[str, Any], payload: bytes) -> bytes:
    numbered = "seq" in frame
    return _record(frame["type"], payload, id=f"{frame['epoch']}:{frame['seq']}" if numbered else None)


def _record(kind: str, payload: bytes, *, id: str | None) -> bytes:
    # JSON holds no raw line breaks, so one `data:` line is enough.
    head = f"id: {id}\n".encode() if id is not None else b""
    return head + b"event: " + kind.encode() + b"\ndata: " + payload + b"\n\n"


def _unnumbered(shape: dict[str, Any], conversation: str) -> bytes:
    """Return the ending of a turn as its event would have been, from the row."""
    data: dict[str, Any] = {"turn": shape["id"], "timeline": shape["timeline"]}
    if shape["state"] == "completed":
        kind = "message.completed"
        data |= {
            "attempt": shape["attempt"],
            "message": shape["message"],
            "text": shape["answer"],
            "citations": shape["citations"],
            "usage": shape["usage"],
        }
    else:
        kind = f"turn.{shape['state']}"
        data |= shape["error"]
    body = frames.frame(kind, data, id=ids.new_id("evt"), ts=time.time_ns() // 1_000_000, conversation=conversation)
    return _record(kind, body, id=None)
