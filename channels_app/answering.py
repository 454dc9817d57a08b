"""A socket's commands, run one after the other, each with its one answer.

A task of its own beside the reader and the writer: whatever a row or the log
takes, live frames, pings and the heartbeat go on meanwhile.
"""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

import structlog
from redis.exceptions import RedisError
from structlog.contextvars import bound_contextvars

from channels_app import frames
from channels_app.actions import Join, OpenLog, RunCommand
from channels_app.commands import Caller, store_down
from channels_app.cursor import Look
from channels_app.gateway import RECHECK_S
from channels_app.presence import Seat
from channels_app.protocol import (
    CancelPayload,
    FeedbackPayload,
    OnDisconnect,
    OpenPayload,
    RefreshPayload,
    RegeneratePayload,
    SendPayload,
)
from orchestrator.errors import EngineError, ForbiddenError, OrchestratorError

if TYPE_CHECKING:
    from channels_app.consumer import Socket

#: Commands that may wait for the one that runs; with more, the socket's frames are not read either.
_WAITING = 32
_LOG_S = 5.0

log = structlog.get_logger(__name__)


class Answering:
    """Runs the commands of one socket."""

    def __init__(self, socket: Socket) -> None:
        self._socket = socket
        self._shared = socket.shared
        self._machine = socket.machine
        self._commands: asyncio.Queue[RunCommand] = asyncio.Queue(maxsize=_WAITING)
        #: Set while no command waits or runs.
        self.idle = asyncio.Event()
        self.idle.set()

    async def put(self, command: RunCommand) -> None:
        """Add a command; wait while too many do."""
        self.idle.clear()
        await self._commands.put(command)

    async def run(self) -> None:
        """Run commands until cancelled."""
        # Not for ever: redis-py may swallow the cancellation that comes with the socket's end.
        while not self._socket.gone:
            if self._commands.empty():
                self.idle.set()
            command = await self._commands.get()
            with bound_contextvars(cid=command.cid):
                try:
                    await self._run(command)
                except OrchestratorError as error:
                    log.info("command refused", type=command.frame.type, code=error.code, reason=str(error))
                    self._fail(command, error)
                except Exception:  # the client gets its one answer whatever happened
                    log.exception("command failed", type=command.frame.type)
                    self._fail(command, EngineError("unexpected", engine="gateway"))

    def _fail(self, command: RunCommand, error: OrchestratorError) -> None:
        self._socket.perform(self._machine.on_failed(command, error, time.monotonic()))

    @property
    def _caller(self) -> Caller:
        identity = self._socket.identity
        return Caller(tenant=identity.claims.tenant, user=identity.claims.user, language=identity.language)

    async def _run(self, command: RunCommand) -> None:
        commands, frame = self._shared.commands, command.frame
        match frame.payload:
            case OpenPayload():
                await self._open(command)
            case SendPayload() as question:
                seat = self._socket.seats.get(frame.conversation or "")
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
                    when_busy=question.when_busy,
                )
                self._done(command, turn=accepted.turn, duplicate=accepted.duplicate)
            case RegeneratePayload() as again:
                accepted = await commands.regenerate(
                    self._caller,
                    turn=again.turn,
                    conversation=frame.conversation,
                    text=again.text,
                    client_id=frame.id,
                    cid=command.cid,
                )
                self._done(command, turn=accepted.turn, duplicate=accepted.duplicate)
            case CancelPayload() as stop:
                await commands.cancel(self._caller, stop.turn)
                self._done(command, turn=stop.turn)
            case FeedbackPayload() as thought:
                await commands.rate(
                    self._caller,
                    turn=thought.turn,
                    rating=thought.rating,
                    reason=thought.reason,
                    comment=thought.comment,
                )
                self._done(command, turn=thought.turn)
            case RefreshPayload() as newer:
                await self._refresh(command, newer.token)
            case _:
                raise TypeError(f"no use case for {frame.type}")

    def _done(self, command: RunCommand, *, turn: str, duplicate: bool = False) -> None:
        self._socket.perform(self._machine.on_done(command, time.monotonic(), turn=turn, duplicate=duplicate))

    async def _refresh(self, command: RunCommand, token: str) -> None:
        socket = self._socket
        try:
            socket.identity = await self._shared.authenticator.refresh(socket.identity, token)
        except ForbiddenError as error:
            self._fail(command, error)
            socket.end(frames.NOT_ALLOWED)
            return
        socket.recheck_at = time.monotonic() + RECHECK_S
        expires_in_s = socket.identity.expires_in_s
        self._socket.perform(self._machine.on_refreshed(command, expires_in_s=expires_in_s, now=time.monotonic()))

    async def _open(self, command: RunCommand) -> None:
        await self._socket.room.wait()
        admitted = await self._shared.commands.open(self._caller, command.frame.conversation)
        failure: OrchestratorError | None = None
        for action in self._machine.on_admitted(command, admitted, time.monotonic()):
            match action:
                case Join():
                    failure = await self._join(action)
                case OpenLog():
                    await self.look(action.look, failure)
                case _:
                    self._socket.perform([action])

    async def _join(self, join: Join) -> OrchestratorError | None:
        try:
            await self._shared.hub.join(join.conversation, self._socket)
        except OrchestratorError as error:
            return error
        claims = self._socket.identity.claims
        seat = Seat(
            tenant=claims.tenant,
            user=claims.user,
            conversation=join.conversation,
            connection=self._socket.id,
            on_disconnect=join.on_disconnect,
        )
        self._socket.seats[join.conversation] = seat
        await self._shared.presence.join(seat)
        return None

    async def look(self, look: Look, failure: OrchestratorError | None = None) -> None:
        """Read the log for a cursor, or tell it why that failed."""
        await self._socket.room.wait()
        if failure is None:
            try:
                async with asyncio.timeout(_LOG_S):
                    opened = await self._shared.reader.open(look.conversation, look.position)
            except (RedisError, OSError, TimeoutError) as exc:
                failure = store_down(exc)
            else:
                self._socket.perform(self._machine.on_opened(look, opened, time.monotonic()))
                return
        self._socket.perform(self._machine.on_look_failed(look, failure, time.monotonic()))
