"""Ask over the chat socket: the same frames as the page, resumed after a cut, stopped by Ctrl-C."""

from __future__ import annotations

import asyncio
import json
import random
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidStatus
from websockets.typing import Subprotocol

from channels_app.cli.api import Api, ProblemError
from channels_app.cli.turn_view import TurnView

#: Attempts to come back before giving up; the turn itself goes on in any case.
_TRIES = 8
#: The same while nothing has answered at all: a gateway that is being replaced is back after a second or two.
_FIRST_TRIES = 3
_CANCEL_S = 10.0
_OPEN_S = 15.0
_NO_RETURN = frozenset({4000, 4401, 4403, 4409, 4413})


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What is asked, and how."""

    text: str
    conversation: str | None = None
    route: str | None = None
    deadline_ms: int | None = None


class _CutError(Exception):
    """The connection is gone; another one may do."""


@dataclass(slots=True)
class Asker:
    """Carries one question to its ending; `changed` is called after each event."""

    api: Api
    question: Question
    changed: Callable[[], None]
    view: TurnView = field(default_factory=TurnView)
    #: What a person should read about the connection; empty while all is well.
    note: str = ""
    _id: str = field(default_factory=lambda: f"cli-{uuid.uuid4().hex}")
    _epoch: str | None = None
    _seq: int = 0
    _opened: asyncio.Event = field(default_factory=asyncio.Event)
    _cancelled: bool = False
    _socket: ClientConnection | None = None

    async def run(self) -> TurnView:
        """Return the turn once it has ended.

        Raises:
            SignInError: the credentials are no longer good.
            ProblemError: the server refuses the question, or can't be reached any more.
        """
        self.view.conversation = self.question.conversation
        failures = 0
        while self.view.ending is None:
            try:
                await self._connection()
                failures = 0
            except _CutError as exc:
                failures += 1
                if self._epoch is None and failures > _FIRST_TRIES:
                    raise self.api.unreachable() from exc
                if failures > _TRIES:
                    raise ProblemError("unreachable", f"The connection is lost: {exc}") from exc
                self._say(f"the connection is lost, coming back … ({exc})")
                await asyncio.sleep(min(8.0, 0.3 * 2**failures) * random.uniform(0.5, 1.0))
        return self.view

    async def cancel(self) -> None:
        """Ask the server to stop the turn; its ending comes as an event."""
        if self._cancelled:
            return
        self._cancelled = True
        self._say("stopping …")
        if self._socket is not None and self.view.turn is not None:
            try:
                await self._send("chat.cancel", {"turn": self.view.turn})
            except ConnectionClosed:
                return  # said again once the connection is back

    async def _connection(self) -> None:
        """Live through one connection: return when the turn has ended."""
        try:
            async with asyncio.timeout(_OPEN_S):
                socket = await self._connect()
        except (OSError, TimeoutError, InvalidHandshake) as exc:
            raise _CutError(type(exc).__name__) from exc
        self._socket = socket
        self._opened.clear()
        try:
            async with socket:
                await self._follow(socket)
        except ConnectionClosed as exc:
            code = exc.rcvd.code if exc.rcvd is not None else 1006
            if code in _NO_RETURN:
                raise ProblemError("forbidden", f"The server closed the connection ({code}).") from exc
            raise _CutError(f"code {code}") from exc
        finally:
            self._socket = None

    async def _connect(self) -> ClientConnection:
        url = self.api.server.replace("http", "ws", 1) + "/ws/chat/"
        headers = {"Accept-Language": self.api.language}
        token = await asyncio.to_thread(self.api.token)
        try:
            if token is None:
                ticket = await asyncio.to_thread(self.api.ticket)
                return await connect(f"{url}?ticket={quote(ticket)}", additional_headers=headers, max_size=None)
            offered = [Subprotocol("chat.v1"), Subprotocol(f"bearer.{token}")]
            return await connect(url, subprotocols=offered, additional_headers=headers, max_size=None)
        except InvalidStatus as exc:
            if exc.response.status_code == 403:
                # The handshake may not say why; the ticket call does, and renews a token that has ended.
                await asyncio.to_thread(self.api.ticket)
            raise

    async def _follow(self, socket: ClientConnection) -> None:
        heartbeat: asyncio.Task[None] | None = None
        try:
            async for text in socket:
                frame = json.loads(text)
                if frame["type"] == "hello":
                    heartbeat = asyncio.create_task(self._beat(frame["data"].get("heartbeat_ms", 30_000) / 1000))
                    await self._open()
                else:
                    await self._take(frame)
                if self.view.ending is not None:
                    return
            raise _CutError("closed")
        finally:
            if heartbeat is not None:
                heartbeat.cancel()

    async def _open(self) -> None:
        data: dict[str, Any] = {}
        if self.view.conversation is not None:
            data["conversation"] = self.view.conversation
        if self._epoch is not None:
            data |= {"epoch": self._epoch, "seq": self._seq}
        await self._send("conversation.open", data)

    async def _take(self, frame: dict[str, Any]) -> None:
        data = frame.get("data", {})
        match frame["type"]:
            case "conversation.opened":
                await self._on_opened(data)
            case "ack" if frame.get("re") == self._id:
                self.view.turn = str(data["turn"])
                if self._cancelled:
                    await self._send("chat.cancel", {"turn": self.view.turn})
                if data.get("duplicate"):
                    await self._restore()
            case "error" if frame.get("re") == self._id or not self._opened.is_set():
                await self._on_error(data)
            case "auth.expiring":
                token = await asyncio.to_thread(self.api.token, fresh=True)
                if token is not None:
                    await self._send("auth.refresh", {"token": token})
            case "turn.accepted" if self.view.turn is None and data.get("text") == self.question.text.strip():
                # It comes before the `ack`, and what follows it must not be missed.
                self.view.turn = str(data["turn"])
        if "seq" in frame:
            self._epoch, self._seq = frame["epoch"], frame["seq"]
        self.view.apply(frame)
        self.changed()

    async def _on_opened(self, data: dict[str, Any]) -> None:
        self.view.conversation = data["conversation"]
        if not data["recovered"] or self._epoch is None:
            self._epoch, self._seq = data["epoch"], data["top"]
        self.note = ""
        if self.view.turn is None:
            # The same id again, if a first `ack` was lost: the server then knows the question.
            await self._ask()
        elif not data["recovered"]:
            await self._restore()
        self._opened.set()
        if self._cancelled and self.view.turn is not None:
            await self._send("chat.cancel", {"turn": self.view.turn})

    async def _ask(self) -> None:
        data: dict[str, Any] = {"text": self.question.text}
        if self.question.route is not None:
            data["route"] = self.question.route
        if self.question.deadline_ms is not None:
            data["deadline_ms"] = self.question.deadline_ms
        await self._send("chat.send", data, id=self._id)

    async def _on_error(self, data: dict[str, Any]) -> None:
        if data.get("code") == "rate_limited":
            await asyncio.sleep((data.get("retry_after_ms") or 1_000) / 1000)
            await (self._ask() if self._opened.is_set() else self._open())
            return
        raise ProblemError(str(data.get("code")), str(data.get("message")))

    async def _restore(self) -> None:
        """Read the turn where its events can't be had."""
        turn = await asyncio.to_thread(self.api.call, "GET", f"/api/turns/{self.view.turn}")
        self.view.restore(turn)

    async def _send(self, kind: str, data: dict[str, Any], *, id: str | None = None) -> None:
        if self._socket is None:
            return
        frame = {"v": 1, "type": kind, "id": id or uuid.uuid4().hex, "data": data}
        if self.view.conversation is not None:
            frame["conversation"] = self.view.conversation
        await self._socket.send(json.dumps(frame))

    async def _beat(self, heartbeat_s: float) -> None:
        while True:
            await asyncio.sleep(heartbeat_s * 0.8)
            try:
                await self._send("ping", {"t": 0})
            except ConnectionClosed:
                return  # the reader meets the same end

    def _say(self, note: str) -> None:
        self.note = note
        self.changed()
