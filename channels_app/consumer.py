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
from structlog.contextvars import bind_contextvars, bound_contextvars

from channels_app import frames
from channels_app.actions import Action, CheckLimit, Close, Join, Leave, OpenLog, RunCommand, Send
from channels_app.auth import Handshake, Identity
from channels_app.commands import Caller, store_down
from channels_app.connection import Connection, Limits
from channels_app.cursor import Live, Look
from channels_app.frames import Goodbye
from channels_app.gateway import RECHECK_S, Gateway, gateway
from channels_app.presence import Seat
from channels_app.protocol import CancelPayload, OnDisconnect, OpenPayload, RefreshPayload, SendPayload
from channels_app.readiness import READINESS
from orchestrator import catalogue, ids
from orchestrator.errors import EngineError, ForbiddenError, OrchestratorError
from orchestrator.log.records import Head
from orchestrator.resilience.rate_limit import Rate, Verdict

#: Commands of one socket that may wait for the one that runs; then its frames are not read either.
_COMMANDS = 32
_LOG_S = 5.0
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
        self._shared = shared
        self._send = send
        self._encoded = encoded
        self._rates: tuple[Rate, ...] = ()
        self._seats: dict[str, Seat] = {}
        self._outbox: deque[Send | Close] = deque()
        self._outbox_bytes = 0
        self._wake = asyncio.Event()
        self._room = asyncio.Event()
        self._room.set()
        self._commands: asyncio.Queue[RunCommand] = asyncio.Queue(maxsize=_COMMANDS)
        self._idle = asyncio.Event()
        self._idle.set()
        self._ended = False
        self._group: asyncio.TaskGroup | None = None
        environment = settings.SWITCHYARD
        self._per_s, self._user_per_s = environment.rate_per_s, environment.user_rate_per_s
        self._machine = Connection(
            id=self.id,
            now=time.monotonic(),
            wall_s=time.time(),
            token_expires_in_s=identity.expires_in_s,
            replica=shared.replica,
            say=partial(catalogue.of_error, language=identity.language),
            new_cid=partial(ids.new_id, "cid"),
            limits=Limits(rate_per_s=self._per_s),
        )

    @property
    def seats(self) -> tuple[Seat, ...]:
        """Return the conversations it has open, for their leases."""
        return tuple(self._seats.values())

    # --- life ---

    async def serve(self, receive: Receive) -> None:
        """Serve until the socket is closed by either side."""
        self._perform(self._machine.hello(time.monotonic()))
        if not await self._take_place():
            self.end(frames.TOO_MANY)
        self._shared.sockets.add(self)
        try:
            async with asyncio.TaskGroup() as group:
                self._group = group
                group.create_task(self._write())
                group.create_task(self._work())
                group.create_task(self._read(receive))
        except* _GoneError:
            pass
        except* Exception:  # whatever it was, the client gets a last word and the process lives on
            log.exception("socket failed")
            await self._fail()
        finally:
            self._ended = True
            self._shared.sockets.discard(self)
            self._depart()

    async def _fail(self) -> None:
        for action in self._machine.close(frames.SERVER_ERROR, time.monotonic()):
            if isinstance(action, Send):
                await self._send({"type": "websocket.send", "text": action.payload.decode()})
        await self._send({"type": "websocket.close", "code": frames.SERVER_ERROR.code})

    async def _take_place(self) -> bool:
        user, name = self.identity.claims.user, f"connection:{self.id}"
        try:
            self.place = await self._shared.presence.take_slot(user, self.id)
            if self.place is None:
                return False
            # By place, not by socket: whoever comes back finds the bucket as it was left.
            name = f"place:{user}:{self.place}"
        except (RedisError, OSError, TimeoutError) as exc:
            log.warning("place unknown", reason=type(exc).__name__)
        self._rates = (Rate(name=name, per_s=self._per_s), Rate(name=f"user:{user}", per_s=self._user_per_s))
        return True

    def _depart(self) -> None:
        for conversation in self._machine.conversations:
            self._shared.hub.leave(conversation, self)
        # Beside, because the server waits for this socket's end and Redis may not answer.
        place = None if self.place is None else (self.identity.claims.user, self.id, self.place)
        self._shared.spawn(self._shared.presence.depart(place, self.seats))

    def end(self, goodbye: Goodbye) -> None:
        """Say bye and close."""
        self._perform(self._machine.close(goodbye, time.monotonic()))

    async def finish(self, goodbye: Goodbye) -> None:
        """Let the commands that were read answer, for a moment, then say bye and close."""
        try:
            async with asyncio.timeout(1.0):
                await self._idle.wait()
        except TimeoutError:
            pass
        self.end(goodbye)

    def announce_drain(self, *, reconnect_after_ms: int, deadline_ms: int) -> None:
        """Tell the client that this process ends soon."""
        self._perform(
            self._machine.on_drain(reconnect_after_ms=reconnect_after_ms, deadline_ms=deadline_ms, now=time.monotonic())
        )

    def tick(self, now: float) -> None:
        """Let the machine do what is due."""
        self._perform(self._machine.on_tick(now))

    def on_live(self, live: Live) -> None:
        """Take a published frame from the hub."""
        self._perform(self._machine.on_live(live, time.monotonic()))

    def on_head(self, conversation: str, head: Head) -> None:
        """Take a log's head from the hub."""
        self._perform(self._machine.on_head(conversation, head))

    # --- what the machine wants, as far as it needs no waiting ---

    def _perform(self, actions: list[Action]) -> None:
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
                    if self._group is not None and not self._ended:
                        self._group.create_task(self._look(action.look))
                case Leave():
                    self._shared.hub.leave(action.conversation, self)
                    seat = self._seats.pop(action.conversation, None)
                    if seat is not None:
                        self._shared.spawn(self._shared.presence.depart(None, [seat]))
                case CheckLimit() | RunCommand() | Join():
                    raise TypeError(f"{type(action).__name__} needs its task")
        if self._outbox_bytes > _ROOM_BYTES:
            self._room.clear()

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
                raise _GoneError
            now = time.monotonic()
            text = message.get("text")
            actions = self._machine.on_binary(now) if text is None else self._machine.on_text(text, now)
            for action in actions:
                match action:
                    case CheckLimit():
                        verdict = await self._within_rate()
                        for next_action in self._machine.on_limit(action, verdict, time.monotonic()):
                            await self._queue(next_action)
                    case _:
                        await self._queue(action)

    async def _queue(self, action: Action) -> None:
        if isinstance(action, RunCommand):
            self._idle.clear()
            await self._commands.put(action)
        else:
            self._perform([action])

    async def _within_rate(self) -> Verdict:
        return await self._shared.limiter.take(*self._rates, now=time.monotonic())

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
                raise _GoneError
            if self._encoded:
                await self._send({"type": "websocket.send", "encoded": item.payload})
            else:
                await self._send({"type": "websocket.send", "text": item.payload.decode()})
            self._machine.on_written(item)
            self._outbox_bytes -= len(item.payload)
            if self._outbox_bytes <= _ROOM_BYTES:
                self._room.set()

    async def _work(self) -> None:
        while True:
            if self._commands.empty():
                self._idle.set()
            command = await self._commands.get()
            with bound_contextvars(cid=command.cid):
                try:
                    await self._run(command)
                except OrchestratorError as error:
                    log.info("command refused", type=command.frame.type, code=error.code, reason=str(error))
                    self._perform(self._machine.on_failed(command, error, time.monotonic()))
                except Exception:  # the client gets its one answer whatever happened
                    log.exception("command failed", type=command.frame.type)
                    failure = EngineError("unexpected", engine="gateway")
                    self._perform(self._machine.on_failed(command, failure, time.monotonic()))

    # --- commands ---

    @property
    def _caller(self) -> Caller:
        claims = self.identity.claims
        return Caller(tenant=claims.tenant, user=claims.user, language=self.identity.language)

    async def _run(self, command: RunCommand) -> None:
        commands, frame = self._shared.commands, command.frame
        match frame.payload:
            case OpenPayload():
                await self._open(command)
            case SendPayload() as question:
                seat = self._seats.get(frame.conversation or "")
                mode: OnDisconnect = seat.on_disconnect if seat is not None else "continue"
                accepted = await commands.send(
                    self._caller,
                    conversation=frame.conversation or "",
                    text=question.text,
                    client_id=frame.id,
                    cid=command.cid,
                    route=question.route,
                    deadline_ms=question.deadline_ms,
                    on_disconnect=mode,
                )
                self._done(command, turn=accepted.turn, duplicate=accepted.duplicate)
            case CancelPayload() as stop:
                await commands.cancel(self._caller, stop.turn)
                self._done(command, turn=stop.turn)
            case RefreshPayload() as newer:
                await self._refresh(command, newer.token)
            case _:
                raise TypeError(f"no use case for {frame.type}")

    def _done(self, command: RunCommand, *, turn: str, duplicate: bool = False) -> None:
        self._perform(self._machine.on_done(command, time.monotonic(), turn=turn, duplicate=duplicate))

    async def _refresh(self, command: RunCommand, token: str) -> None:
        try:
            self.identity = await self._shared.authenticator.refresh(self.identity, token)
        except ForbiddenError as error:
            self._perform(self._machine.on_failed(command, error, time.monotonic()))
            self.end(frames.NOT_ALLOWED)
            return
        self.recheck_at = time.monotonic() + RECHECK_S
        expires_in_s = self.identity.expires_in_s
        self._perform(self._machine.on_refreshed(command, expires_in_s=expires_in_s, now=time.monotonic()))

    async def _open(self, command: RunCommand) -> None:
        await self._room.wait()
        admitted = await self._shared.commands.open(self._caller, command.frame.conversation)
        failure: OrchestratorError | None = None
        for action in self._machine.on_admitted(command, admitted, time.monotonic()):
            match action:
                case Join():
                    failure = await self._join(action)
                case OpenLog():
                    await self._look(action.look, failure)
                case _:
                    self._perform([action])

    async def _join(self, join: Join) -> OrchestratorError | None:
        try:
            await self._shared.hub.join(join.conversation, self)
        except OrchestratorError as error:
            return error
        claims = self.identity.claims
        seat = Seat(
            tenant=claims.tenant,
            user=claims.user,
            conversation=join.conversation,
            connection=self.id,
            on_disconnect=join.on_disconnect,
        )
        self._seats[join.conversation] = seat
        await self._shared.presence.join(seat)
        return None

    async def _look(self, look: Look, failure: OrchestratorError | None = None) -> None:
        await self._room.wait()
        if failure is None:
            try:
                async with asyncio.timeout(_LOG_S):
                    opened = await self._shared.reader.open(look.conversation, look.position)
            except (RedisError, OSError, TimeoutError) as exc:
                failure = store_down(exc)
            else:
                self._perform(self._machine.on_opened(look, opened, time.monotonic()))
                return
        self._perform(self._machine.on_look_failed(look, failure, time.monotonic()))
