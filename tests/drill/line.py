"""One person's line to the platform: a socket that is kept up whatever happens, and a conversation that is resumed."""

from __future__ import annotations

import asyncio
import contextlib
import random
import uuid
from collections import Counter
from dataclasses import dataclass, field
from typing import Any, Final

import httpx
import orjson
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus, WebSocketException

from tests.drill.facts import Breach, Clock, Closed, Facts
from tests.drill.people import Login
from tests.drill.wire import View

_CONNECT_S: Final = 10.0
#: A frame that nobody answered for so long is given up; it may have arrived.
_ANSWER_S: Final = 8.0
#: Silence after which the client asks whether anybody is there, and how long it then waits.
_QUIET_S: Final = 10.0
#: Codes after which the contract lets a client come back.
_COME_BACK: Final = frozenset({1006, 1000, 1001, 1011, 1012, 4402, 4408, 4429, 4490, 4500, 4503, 4012})


@dataclass(slots=True)
class Crowd:
    """What all clients share."""

    base_urls: tuple[str, ...]
    facts: Facts
    clock: Clock
    http: httpx.AsyncClient
    counts: Counter[str] = field(default_factory=Counter)
    #: Set when nobody asks any more.
    closing: asyncio.Event = field(default_factory=asyncio.Event)
    #: Set when nobody waits any more.
    over: asyncio.Event = field(default_factory=asyncio.Event)

    def breach(self, kind: str, client: int, turn: str, detail: str) -> None:
        """Write down something that the contract forbids."""
        self.facts.breaches.append(Breach(self.clock.now(), kind, client, turn, detail))


class Line:
    """One conversation over as many sockets as it takes."""

    def __init__(self, crowd: Crowd, login: Login, *, index: int, rng: random.Random, leaves: bool) -> None:
        self._crowd, self._login, self._index, self._rng = crowd, login, index, rng
        #: The conversation's turns are to end when the person goes away.
        self.leaves = leaves
        self.view = View(crowd.facts, client=index, now=crowd.clock.now)
        #: Set while requests can be sent.
        self.up = asyncio.Event()
        #: Set by each frame that came.
        self.changed = asyncio.Event()
        self._server = index
        self._socket: ClientConnection | None = None
        #: Cleared while the person is away.
        self._home = asyncio.Event()
        self._home.set()
        self._answers: dict[str, asyncio.Future[dict[str, Any]]] = {}

    async def keep(self) -> None:
        """Connect, again and again, until cancelled."""
        delay_s = 0.2
        while True:
            began_s = self._crowd.clock.now()
            try:
                await self._live_through_one_socket()
            except (OSError, WebSocketException, TimeoutError) as exc:
                self._crowd.counts[f"not connected: {type(exc).__name__}"] += 1
                if isinstance(exc, InvalidStatus) and exc.response.status_code == 403:
                    await self._login.token(fresh=True)
            finally:
                self.up.clear()
            # A good client backs off, and asks another server than the one it lost.
            delay_s = 0.2 if self._crowd.clock.now() - began_s > 5 else min(3.0, delay_s * 1.7)
            await asyncio.sleep(self._rng.uniform(0.1, delay_s))
            await self._home.wait()
            self._server += 1

    async def begin(self) -> None:
        """Leave the conversation for a new one."""
        self.view = View(self._crowd.facts, client=self._index, now=self._crowd.clock.now)
        if self._socket is not None:
            await self._socket.close()
        self.up.clear()
        await self.up.wait()

    async def leave(self, away_s: float) -> None:
        """Lose the socket as a closed laptop does, and come back after `away_s`."""
        self._home.clear()
        if self._socket is not None:
            self._socket.transport.abort()
        await asyncio.sleep(away_s)
        self._home.set()

    async def request(self, kind: str, data: dict[str, Any], id: str) -> dict[str, Any]:
        """Send a frame on the present socket and return its answer.

        Raises:
            TimeoutError: none came; the frame may have arrived.
            OSError, ConnectionClosed: the socket went.
        """
        frame: dict[str, Any] = {"v": 1, "type": kind, "id": id, "data": data}
        if self.view.conversation is not None:
            frame["conversation"] = self.view.conversation
        if self._socket is None:
            raise TimeoutError("no socket")
        answer = self._answers[id] = asyncio.get_running_loop().create_future()
        try:
            await self._socket.send(orjson.dumps(frame).decode())
            async with asyncio.timeout(_ANSWER_S):
                found: dict[str, Any] = await answer
                return found
        finally:
            self._answers.pop(id, None)

    async def _live_through_one_socket(self) -> None:
        token = await self._login.token()
        server = self._server % len(self._crowd.base_urls)
        url = self._crowd.base_urls[server].replace("http", "ws", 1) + "/ws/chat/"
        socket = await connect(
            url,
            subprotocols=["chat.v1", f"bearer.{token}"],  # type: ignore[list-item]  # websockets' NewType of str
            max_size=None,
            open_timeout=_CONNECT_S,
            ping_interval=None,
            close_timeout=2.0,
        )
        self._crowd.counts["sockets"] += 1
        self._socket = socket
        reading = asyncio.create_task(self._read(socket))
        try:
            await self._open()
            self.up.set()
            code = await reading
            self._note_close(server, code)
        except ConnectionError:
            self._note_close(server, await reading)
            raise
        except TimeoutError:
            self._note_close(server, None)
            raise
        finally:
            reading.cancel()
            self.up.clear()
            socket.transport.abort()
            self._socket = None

    def _note_close(self, server: int, code: int | None) -> None:
        """Write down how a socket ended; None: this client gave it up."""
        own = code in (None, 1000) or not self._home.is_set() or self._crowd.over.is_set()
        self._crowd.facts.closed.append(Closed(self._crowd.clock.now(), self._index, server, code or 1006, own))
        if code is not None and code not in _COME_BACK:
            self._crowd.breach("closed", self._index, "", f"closed with {code}")

    async def _open(self) -> None:
        """Open or resume the conversation; a refusal that can't pass is a breach."""
        while True:
            data: dict[str, Any] = {"on_disconnect": "cancel"} if self.leaves else {}
            if self.view.conversation is not None:
                data["conversation"] = self.view.conversation
            if (asked := self.view.asks()) is not None:
                data |= {"epoch": asked[0], "seq": asked[1]}
            answer = await self.request("conversation.open", data, uuid.uuid4().hex)
            if answer["type"] != "error":
                return
            error = answer["data"]
            self._crowd.counts[f"open refused: {error['code']}"] += 1
            if not error["retryable"]:
                self._crowd.breach("refused", self._index, "", f"conversation.open: {error['code']}")
            await asyncio.sleep(error.get("retry_after_ms", 500) / 1000)

    async def _read(self, socket: ClientConnection) -> int | None:
        """Take frames until the socket ends; return its close code, None when it was given up as silent."""
        try:
            return await self._read_on(socket)
        finally:
            for waiting in self._answers.values():
                if not waiting.done():
                    waiting.set_exception(ConnectionError("the socket went"))

    async def _read_on(self, socket: ClientConnection) -> int | None:
        asked_alive = False
        while True:
            try:
                async with asyncio.timeout(_QUIET_S):
                    text = await socket.recv()
            except TimeoutError:
                if asked_alive:
                    self._crowd.counts["silent sockets cut"] += 1
                    return None
                asked_alive = True
                with contextlib.suppress(ConnectionClosed):
                    await socket.send(orjson.dumps({"v": 1, "type": "ping", "data": {"t": 1}}).decode())
                continue
            except ConnectionClosed as exc:
                return exc.rcvd.code if exc.rcvd else 1006
            asked_alive = False
            self._take(orjson.loads(text))

    def _take(self, frame: dict[str, Any]) -> None:
        kind, data = frame["type"], frame["data"]
        if kind == "conversation.opened":
            if self.view.opened(data):
                self._crowd.counts["snapshots"] += 1
                asyncio.create_task(self._rebuild(self.view))  # noqa: RUF006 - it ends by itself, and holds the view
        elif frame.get("seq") is not None:
            if frame.get("conversation") == self.view.conversation:
                self.view.numbered(frame)
        elif kind in ("server.drain", "auth.expiring", "bye"):
            self._crowd.counts[kind] += 1
        waiting = self._answers.get(frame.get("re") or "")
        if waiting is not None and not waiting.done():
            waiting.set_result(frame)
        self.changed.set()

    async def _rebuild(self, view: View) -> None:
        """Ask for snapshots until one belongs to the epoch that is open."""
        server = self._index
        while view is self.view and view.holding:
            server += 1
            with contextlib.suppress(httpx.HTTPError, ValueError, KeyError):
                token = await self._login.token()
                answer = await self._crowd.http.get(
                    f"{self._crowd.base_urls[server % len(self._crowd.base_urls)]}"
                    f"/api/conversations/{view.conversation}/snapshot",
                    headers={"Authorization": f"Bearer {token}"},
                )
                answer.raise_for_status()
                if view.snapshot(answer.json()):
                    self.changed.set()
                    return
            await asyncio.sleep(0.5)
