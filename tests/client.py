"""A client of the wire contract, written against `docs/protocol.md` alone: it trusts nothing and checks the numbers."""

from __future__ import annotations

import asyncio
import uuid
from collections import Counter
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self

import httpx
import orjson
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

ENDINGS = ("message.completed", "turn.failed", "turn.cancelled")


@dataclass(slots=True)
class TurnView:
    """What a client knows of one turn."""

    text: str = ""
    attempt: int = 0
    ending: dict[str, Any] | None = None
    #: Endings seen in live frames and replays.
    endings: int = 0
    types: list[str] = field(default_factory=list)


class ProtocolError(AssertionError):
    """The server broke the contract."""


class ChatClient:
    """One user in one conversation, over as many sockets as it takes."""

    def __init__(self, base_urls: tuple[str, ...], token: str) -> None:
        self._urls = base_urls
        self._token = token
        self._socket: ClientConnection | None = None
        self.conversation: str | None = None
        self.epoch: str | None = None
        self.seq = 0
        self.turns: dict[str, TurnView] = {}
        self.answers: dict[str, dict[str, Any]] = {}
        self.counts: Counter[str] = Counter()
        self.hello: dict[str, Any] = {}

    async def __aenter__(self) -> Self:
        """Connect to the first server."""
        await self.connect(0)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the socket."""
        if self._socket is not None:
            await self._socket.close()

    async def connect(self, server: int = 0) -> None:
        """Open a socket to one of the servers and, if there is a conversation, resume it."""
        url = self._urls[server % len(self._urls)].replace("http", "ws", 1) + "/ws/chat/"
        self._socket = await connect(url, subprotocols=["chat.v1", f"bearer.{self._token}"], max_size=None)  # type: ignore[list-item]  # websockets' NewType of str
        self.hello = await self._receive()
        if self.conversation is not None:
            await self.open()

    async def cut(self) -> None:
        """Lose the connection as a network does: no closing handshake."""
        if self._socket is not None:
            self._socket.transport.abort()
            self._socket = None

    async def open(self, **more: Any) -> dict[str, Any]:
        """Open or resume the conversation and return the answer."""
        data: dict[str, Any] = dict(more)
        if self.conversation is not None:
            data |= {"conversation": self.conversation}
        if self.epoch is not None:
            data |= {"epoch": self.epoch, "seq": self.seq}
        answer = await self.request("conversation.open", data)
        return answer

    async def send(self, text: str, *, id: str | None = None, **more: Any) -> dict[str, Any]:
        """Ask and return the `ack` or `error`."""
        return await self.request("chat.send", {"text": text, **more}, id=id)

    async def request(self, kind: str, data: dict[str, Any], *, id: str | None = None) -> dict[str, Any]:
        """Send a frame with an id and return the frame that answers it; events on the way are taken in."""
        name = id or uuid.uuid4().hex
        frame = {"v": 1, "type": kind, "id": name, "data": data}
        if self.conversation is not None:
            frame["conversation"] = self.conversation
        await self.raw(orjson.dumps(frame).decode())
        async with asyncio.timeout(30):
            while name not in self.answers:
                self.take(await self._receive())
        return self.answers.pop(name)

    async def raw(self, text: str | bytes) -> None:
        """Send whatever."""
        if self._socket is None:
            raise ConnectionError("no socket")
        await self._socket.send(text)

    async def until_ended(self, turn: str, limit_s: float = 60) -> TurnView:
        """Take frames until the turn has ended."""
        async with asyncio.timeout(limit_s):
            while self.view(turn).ending is None:
                self.take(await self._receive())
        return self.view(turn)

    async def next(self, limit_s: float = 10) -> dict[str, Any]:
        """Take and return the next frame."""
        async with asyncio.timeout(limit_s):
            frame = await self._receive()
        self.take(frame)
        return frame

    def view(self, turn: str) -> TurnView:
        """Return what is known of a turn."""
        return self.turns.setdefault(turn, TurnView())

    def take(self, frame: dict[str, Any]) -> None:
        """Apply one frame, checking numbers and indexes.

        Raises:
            ProtocolError: a number is missing, repeated or out of its epoch, or text does not fit.
        """
        kind, data = frame["type"], frame["data"]
        self.counts[kind] += 1
        if "re" in frame and frame["re"] is not None:
            self.answers[frame["re"]] = frame
        if kind == "conversation.opened":
            self._opened(data)
        elif frame.get("seq") is not None:
            self._numbered(frame)

    def _opened(self, data: dict[str, Any]) -> None:
        self.conversation = data["conversation"]
        if not data["recovered"]:
            self._rebuild(data)
        elif self.epoch is None:
            self.epoch, self.seq = data["epoch"], data["top"] - data["replayed"]
        elif data["epoch"] != self.epoch or data["top"] - data["replayed"] != self.seq:
            raise ProtocolError(f"recovered from {self.epoch}:{self.seq} to {data}")

    def _rebuild(self, data: dict[str, Any]) -> None:
        """Take the snapshot over HTTP; what it misses follows live from its own top."""
        self.counts["snapshots"] += 1
        answer = httpx.get(
            f"{self._urls[0]}/api/conversations/{self.conversation}/snapshot",
            headers={"Authorization": f"Bearer {self._token}"},
            timeout=10,
        )
        answer.raise_for_status()
        snapshot = answer.json()
        self.epoch, self.seq = data["epoch"], data["top"]
        if snapshot["epoch"] == self.epoch:
            self.seq = max(self.seq, snapshot["top"])
        for turn in snapshot["turns"]:
            view = self.view(turn["id"])
            view.text = turn.get("answer") or turn.get("partial") or ""
            view.attempt = turn["attempt"]
            if turn["state"] in ("completed", "failed", "cancelled") and view.ending is None:
                view.ending = {"type": f"snapshot.{turn['state']}", "data": {**turn, "text": turn.get("answer")}}

    def _numbered(self, frame: dict[str, Any]) -> None:
        if frame["epoch"] != self.epoch:
            raise ProtocolError(f"epoch {frame['epoch']} came without conversation.opened, ours is {self.epoch}")
        if frame["seq"] <= self.seq:
            self.counts["dropped"] += 1
            return
        if frame["seq"] != self.seq + 1:
            raise ProtocolError(f"seq {frame['seq']} after {self.seq}")
        self.seq = frame["seq"]
        data, kind = frame["data"], frame["type"]
        view = self.view(data["turn"])
        view.types.append(kind)
        if kind == "message.started":
            view.text, view.attempt = "", data["attempt"]
        elif kind == "message.delta":
            self._delta(view, data)
        elif kind in ENDINGS:
            view.endings += 1
            view.ending = frame

    def _delta(self, view: TurnView, data: dict[str, Any]) -> None:
        if data["index"] > len(view.text):
            raise ProtocolError(f"delta at {data['index']} but only {len(view.text)} code points are known")
        view.text = view.text[: data["index"]] + data["text"]

    async def _receive(self) -> dict[str, Any]:
        if self._socket is None:
            raise ConnectionError("no socket")
        frame: dict[str, Any] = orjson.loads(await self._socket.recv())
        return frame


async def sign_in(base_url: str, username: str, password: str) -> str:
    """Return an access token."""
    async with httpx.AsyncClient(timeout=10) as http:
        answer = await http.post(f"{base_url}/api/auth/token", json={"username": username, "password": password})
        answer.raise_for_status()
        token: str = answer.json()["access"]
        return token


__all__ = ["ENDINGS", "ChatClient", "ConnectionClosed", "ProtocolError", "TurnView", "sign_in"]
