"""The chat socket as an ASGI application: a thin shell that does what its `Connection` wants.

Not one of Channels' own consumers: those run one handler at a time, so a slow
one holds up live frames, heartbeat and disconnect alike, and they join groups
through the channel layer, whose place the hub takes here. Routing, scopes and
the groups' wire format stay Channels'.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

import structlog
from django.conf import settings
from redis.exceptions import RedisError
from structlog.contextvars import bind_contextvars

from channels_app import frames
from channels_app.actions import Action, CheckLimit, Close, Join, Leave, OpenLog, RunCommand, Send
from channels_app.answering import Answering
from channels_app.auth import Handshake, Identity
from channels_app.connection import Connection, Limits
from channels_app.cursor import Live
from channels_app.frames import Goodbye
from channels_app.gateway import RECHECK_S, Gateway, gateway
from channels_app.presence import GONE_S, SENT_AWAY_S, Seat
from channels_app.readiness import READINESS
from orchestrator import catalogue, ids
from orchestrator.errors import ForbiddenError, OrchestratorError
from orchestrator.log.records import Head
from orchestrator.resilience.rate_limit import Rate, Verdict

#: A replay starts only once this much or less waits to be written, so that replays can't pile up.
_ROOM_BYTES = 262_144
#: For the client to answer a close frame.
_CLOSE_S = 12.0

Receive = Callable[[], Awaitable[dict[str, Any]]]
SendAsgi = Callable[[dict[str, Any]], Awaitable[None]]

log = structlog.get_logger(__name__)


class _GoneError(Exception):
    """The socket is closed: ends the task group."""


async def chat_socket(scope: dict[str, Any], receive: Receive, send: SendAsgi) -> None:
    """Serve one WebSocket, from its handshake to its end."""
    await receive()  # websocket.connect
    shared = gateway()
    handshake = Handshake.of(scope)
    try:
        if READINESS.draining:
            raise ForbiddenError("draining")
        identity = await shared.authenticator.admit(handshake)
    except OrchestratorError as exc:
        log.info("handshake refused", reason=str(exc), code=exc.code)
        await send({"type": "websocket.close"})  # before accept: HTTP 403
        return
    await send({"type": "websocket.accept", "subprotocol": handshake.accepts})
    # daphne encodes text anew for each socket; our launcher takes what was encoded once for all.
    encoded = "switchyard.encoded" in scope.get("extensions", {})
    socket = Socket(shared, identity, send, encoded=encoded)
    bind_contextvars(connection=socket.id, tenant=identity.claims.tenant, user=identity.claims.user)
    await socket.serve(receive)


class Socket:
    """One accepted socket: reads, writes, runs commands, each in a task of its own."""

    def __init__(self, shared: Gateway, identity: Identity, send: SendAsgi, *, encoded: bool) -> None:
        self.id = ids.new_id("con")
        self.identity = identity
        #: Which of the user's places it holds; None while Redis doesn't say.
        self.place: int | None = None
        self.recheck_at = time.monotonic() + RECHECK_S
        self.shared = shared
        self._send = send
        self._encoded = encoded
        self._rates: tuple[Rate, ...] = ()
        #: The conversations it has open, for their leases.
        self.seats: dict[str, Seat] = {}
        self._outbox: deque[Send | Close] = deque()
        self._outbox_bytes = 0
        self._wake = asyncio.Event()
        #: Set while little enough waits to be written.
        self.room = asyncio.Event()
        self.room.set()
        #: Closed by either side: nothing more is to be begun.
        self.gone = False
        self._group: asyncio.TaskGroup | None = None
        environment = settings.SWITCHYARD
        self._per_s, self._user_per_s = environment.rate_per_s, environment.user_rate_per_s
        #: What the socket is; this class only does what it wants.
        self.machine = Connection(
            id=self.id,
            now=time.monotonic(),
            wall_s=time.time(),
            token_expires_in_s=identity.expires_in_s,
            replica=shared.replica,
            say=partial(catalogue.of_error, language=identity.language),
            new_cid=partial(ids.new_id, "cid"),
            limits=Limits(rate_per_s=self._per_s),
        )
        self._answering = Answering(self)

    # --- life ---

    async def serve(self, receive: Receive) -> None:
        """Serve until the socket is closed by either side."""
        self.perform(self.machine.hello(time.monotonic()))
        if not await self._take_place():
            self.end(frames.TOO_MANY)
        self.shared.sockets.add(self)
        if self.shared.draining.is_set():
            # Let in while the others were being sent away.
            self.end(frames.DRAINING)
        try:
            async with asyncio.TaskGroup() as group:
                self._group = group
                group.create_task(self._write())
                group.create_task(self._answering.run())
                group.create_task(self._read(receive))
        except* _GoneError:
            pass
        except* Exception:  # whatever it was, the client gets a last word and the process lives on
            log.exception("socket failed")
            await self._fail()
        finally:
            self.gone = True
            self.shared.sockets.discard(self)
            self._depart()

    async def _fail(self) -> None:
        for action in self.machine.close(frames.SERVER_ERROR, time.monotonic()):
            if isinstance(action, Send):
                await self._send({"type": "websocket.send", "text": action.payload.decode()})
        await self._send({"type": "websocket.close", "code": frames.SERVER_ERROR.code})

    async def _take_place(self) -> bool:
        user, name = self.identity.claims.user, f"connection:{self.id}"
        try:
            self.place = await self.shared.presence.take_slot(user, self.id)
            if self.place is None:
                return False
            # By place, not by socket: whoever comes back finds the bucket as it was left.
            name = f"place:{user}:{self.place}"
        except (RedisError, OSError, TimeoutError) as exc:
            log.warning("place unknown", reason=type(exc).__name__)
        self._rates = (Rate(name=name, per_s=self._per_s), Rate(name=f"user:{user}", per_s=self._user_per_s))
        return True

    def _depart(self) -> None:
        for conversation in self.machine.conversations:
            self.shared.hub.leave(conversation, self)
        # Beside, because the server waits for this socket's end and Redis may not answer.
        place = None if self.place is None else (self.identity.claims.user, self.id, self.place)
        gone_s = SENT_AWAY_S if self.shared.draining.is_set() else GONE_S
        self.shared.spawn(self.shared.presence.depart(place, list(self.seats.values()), gone_s=gone_s))

    def end(self, goodbye: Goodbye) -> None:
        """Say bye and close."""
        self.perform(self.machine.close(goodbye, time.monotonic()))

    async def finish(self, goodbye: Goodbye) -> None:
        """Let the commands that were read answer, for a moment, then say bye and close."""
        try:
            async with asyncio.timeout(frames.FINISH_S):
                await self._answering.idle.wait()
        except TimeoutError:
            pass
        self.end(goodbye)

    def announce_drain(self, *, reconnect_after_ms: int, deadline_ms: int) -> None:
        """Tell the client that this process ends soon."""
        self.perform(
            self.machine.on_drain(reconnect_after_ms=reconnect_after_ms, deadline_ms=deadline_ms, now=time.monotonic())
        )

    def tick(self, now: float) -> None:
        """Let the machine do what is due."""
        self.perform(self.machine.on_tick(now))

    def on_live(self, live: Live) -> None:
        """Take a published frame from the hub."""
        self.perform(self.machine.on_live(live, time.monotonic()))

    def on_head(self, conversation: str, head: Head) -> None:
        """Take a log's head from the hub."""
        self.perform(self.machine.on_head(conversation, head))

    # --- what the machine wants, as far as it needs no waiting ---

    def perform(self, actions: list[Action]) -> None:
        """Do what the machine wants."""
        for action in actions:
            match action:
                case Send():
                    self._outbox.append(action)
                    self._outbox_bytes += len(action.payload)
                    self._wake.set()
                case Close():
                    if action.code == frames.TOO_SLOW.code:
                        self._drop_unsent()
                    self._outbox.append(action)
                    self._wake.set()
                case OpenLog():
                    if self._group is not None and not self.gone:
                        self._group.create_task(self._answering.look(action.look))
                case Leave():
                    self.shared.hub.leave(action.conversation, self)
                    seat = self.seats.pop(action.conversation, None)
                    if seat is not None:
                        self.shared.spawn(self.shared.presence.depart(None, [seat]))
                case CheckLimit() | RunCommand() | Join():
                    raise TypeError(f"{type(action).__name__} needs its task")
        if self._outbox_bytes > _ROOM_BYTES:
            self.room.clear()

    def _drop_unsent(self) -> None:
        """Keep only the last word: a reader that is too slow would never get to it."""
        bye = self._outbox.pop()
        self._outbox.clear()
        self._outbox.append(bye)

    # --- the three tasks ---

    async def _read(self, receive: Receive) -> None:
        while True:
            message = await receive()
            if message["type"] == "websocket.disconnect":
                log.info("socket closed", code=message.get("code"))
                self.gone = True
                raise _GoneError
            now = time.monotonic()
            text = message.get("text")
            actions = self.machine.on_binary(now) if text is None else self.machine.on_text(text, now)
            for action in actions:
                match action:
                    case CheckLimit():
                        verdict = await self._within_rate()
                        for next_action in self.machine.on_limit(action, verdict, time.monotonic()):
                            await self._queue(next_action)
                    case _:
                        await self._queue(action)

    async def _queue(self, action: Action) -> None:
        if isinstance(action, RunCommand):
            await self._answering.put(action)
        else:
            self.perform([action])

    async def _within_rate(self) -> Verdict:
        return await self.shared.limiter.take(*self._rates, now=time.monotonic())

    async def _write(self) -> None:
        while True:
            while not self._outbox:
                self._wake.clear()
                await self._wake.wait()
            item = self._outbox.popleft()
            if isinstance(item, Close):
                log.info("closing", code=item.code)
                await self._send({"type": "websocket.close", "code": item.code})
                # The reader hears of the end; a client that never answers is not waited for.
                await asyncio.sleep(_CLOSE_S)
                self.gone = True
                raise _GoneError
            if self._encoded:
                await self._send({"type": "websocket.send", "encoded": item.payload})
            else:
                await self._send({"type": "websocket.send", "text": item.payload.decode()})
            self.machine.on_written(item)
            self._outbox_bytes -= len(item.payload)
            if self._outbox_bytes <= _ROOM_BYTES:
                self.room.set()
