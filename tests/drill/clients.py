"""People who ask through whatever happens: each in one conversation, over as many sockets as it takes."""

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

from tests.drill.facts import Breach, Clock, Closed, Facts, Question
from tests.drill.people import Login
from tests.drill.questions import DEADLINE_MS, Asking, compose, number_of
from tests.drill.wire import View

_CONNECT_S: Final = 10.0
#: A frame that nobody answered for so long is sent again under the same id.
_ANSWER_S: Final = 8.0
#: Silence after which the client asks whether anybody is there, and how long it then waits.
_QUIET_S: Final = 10.0
#: Turns of one conversation; then it begins another.
_TURNS_A_CONVERSATION: Final = 25
#: `on_disconnect: cancel` acts after 10 s.
_AWAY_S: Final = 14.0
#: Codes after which the contract lets a client come back.
_COME_BACK: Final = frozenset({1006, 1000, 1001, 1011, 1012, 4402, 4408, 4429, 4490, 4500, 4503, 4012})


class Pace:
    """Hands out the moments at which somebody asks: a Poisson process, whoever is free takes the next."""

    def __init__(self, per_s: float, rng: random.Random) -> None:
        self._per_s, self._rng = per_s, rng
        self._next_s = 0.0
        self._numbers = 0

    async def next(self) -> int:
        """Wait for the next moment and return its question's number, from 1."""
        loop = asyncio.get_running_loop()
        self._next_s = max(loop.time(), self._next_s) + self._rng.expovariate(self._per_s)
        self._numbers += 1
        number = self._numbers
        await asyncio.sleep(self._next_s - loop.time())
        return number


@dataclass(slots=True)
class Crowd:
    """What all clients share."""

    base_urls: tuple[str, ...]
    facts: Facts
    clock: Clock
    pace: Pace
    http: httpx.AsyncClient
    counts: Counter[str] = field(default_factory=Counter)
    #: Set when nobody asks any more.
    closing: asyncio.Event = field(default_factory=asyncio.Event)
    #: Set when nobody waits any more.
    over: asyncio.Event = field(default_factory=asyncio.Event)


class Client:
    """One person: a socket that is kept up, a conversation, and one question after another."""

    def __init__(self, crowd: Crowd, login: Login, *, index: int, rng: random.Random) -> None:
        self._crowd, self._login = crowd, login
        self.index = index
        self._rng = rng
        #: A few clients want their turns ended when they go away.
        self._leaves = index % 8 == 7
        self._server = index
        self._socket: ClientConnection | None = None
        self._up = asyncio.Event()
        #: Cleared while the person is away.
        self._home = asyncio.Event()
        self._home.set()
        self._answers: dict[str, asyncio.Future[dict[str, Any]]] = {}
        self._asked: dict[str, Question] = {}
        self._changed = asyncio.Event()
        self._begin_conversation()

    async def run(self) -> None:
        """Ask until the crowd closes, then wait for what is open until it is over."""
        keeping = asyncio.create_task(self._keep_connected())
        try:
            while not self._crowd.closing.is_set():
                if self._turns >= _TURNS_A_CONVERSATION and not self.open_turns():
                    await self._new_conversation()
                number = await self._crowd.pace.next()
                if self._crowd.closing.is_set():
                    break
                await self._ask(compose(number, self._rng, may_leave=self._leaves))
            await self._crowd.over.wait()
        finally:
            keeping.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await keeping

    def open_turns(self) -> list[Question]:
        """Return the questions whose ending this client has not heard."""
        return [question for turn, question in self._asked.items() if turn not in self._view.ended]

    # --- the socket ---

    def _begin_conversation(self) -> None:
        self._view = View(self._crowd.facts, client=self.index, now=self._crowd.clock.now)
        self._turns = 0
        self._asked = {}

    async def _new_conversation(self) -> None:
        self._begin_conversation()
        if self._socket is not None:
            await self._socket.close()
        self._up.clear()
        await self._up.wait()

    async def _keep_connected(self) -> None:
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
                self._up.clear()
            # A good client backs off, and asks another server than the one it lost.
            delay_s = 0.2 if self._crowd.clock.now() - began_s > 5 else min(3.0, delay_s * 1.7)
            await asyncio.sleep(self._rng.uniform(0.1, delay_s))
            await self._home.wait()
            self._server += 1

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
            self._up.set()
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
            self._up.clear()
            socket.transport.abort()
            self._socket = None

    def _note_close(self, server: int, code: int | None) -> None:
        """Write down how a socket ended; None: this client gave it up."""
        own = code in (None, 1000) or not self._home.is_set() or self._crowd.over.is_set()
        self._crowd.facts.closed.append(Closed(self._crowd.clock.now(), self.index, server, code or 1006, own))
        if code is not None and code not in _COME_BACK:
            self._breach("closed", "", f"closed with {code}")

    async def _open(self) -> None:
        """Open or resume the conversation; a refusal that can't pass is a breach."""
        while True:
            data: dict[str, Any] = {"on_disconnect": "cancel"} if self._leaves else {}
            if self._view.conversation is not None:
                data["conversation"] = self._view.conversation
            if self._view.epoch is not None:
                data |= {"epoch": self._view.epoch, "seq": self._view.seq}
            answer = await self._request("conversation.open", data, uuid.uuid4().hex)
            if answer["type"] != "error":
                return
            error = answer["data"]
            self._crowd.counts[f"open refused: {error['code']}"] += 1
            if not error["retryable"]:
                self._breach("refused", "", f"conversation.open: {error['code']}")
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
            if self._view.opened(data):
                self._crowd.counts["snapshots"] += 1
                asyncio.create_task(self._rebuild(self._view))  # noqa: RUF006 - it ends by itself, and holds the view
        elif frame.get("seq") is not None:
            if frame.get("conversation") == self._view.conversation:
                self._view.numbered(frame)
        elif kind in ("server.drain", "auth.expiring", "bye"):
            self._crowd.counts[kind] += 1
        waiting = self._answers.get(frame.get("re") or "")
        if waiting is not None and not waiting.done():
            waiting.set_result(frame)
        self._changed.set()

    async def _rebuild(self, view: View) -> None:
        """Ask for snapshots until one belongs to the epoch that is open."""
        server = self.index
        while view is self._view and view.holding:
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
                    self._changed.set()
                    return
            await asyncio.sleep(0.5)

    async def _request(self, kind: str, data: dict[str, Any], id: str) -> dict[str, Any]:
        """Send a frame on the present socket and return its answer.

        Raises:
            TimeoutError: none came; the frame may have arrived.
            ConnectionClosed: the socket went.
        """
        frame: dict[str, Any] = {"v": 1, "type": kind, "id": id, "data": data}
        if self._view.conversation is not None:
            frame["conversation"] = self._view.conversation
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

    # --- one question ---

    async def _ask(self, asking: Asking) -> None:
        await self._up.wait()
        view = self._view
        assert view.conversation is not None
        question = Question(
            number=asking.number,
            client=self.index,
            client_id=uuid.uuid4().hex,
            conversation=view.conversation,
            route=asking.route,
            classified=asking.classified,
            told=asking.told,
            may_leave=self._leaves,
            sent_at_s=self._crowd.clock.now(),
        )
        self._crowd.facts.questions.append(question)
        self._turns += 1
        if not await self._sent(asking, question):
            return
        assert question.turn is not None
        self._asked[question.turn] = question
        if asking.told == "cancel":
            await self._heard(question.turn, asking.after_s)
            await self._cancel(question)
        elif asking.told == "walk_away":
            await self._heard(question.turn, asking.after_s)
            await self._walk_away(question)
        # A turn that outlives its deadline is the judge's business; the next question need not wait for it.
        if await self._heard(question.turn, DEADLINE_MS / 1000 + 15):
            self._compare(asking, question)
        view.began_in_order(question.turn, sent_at_s=question.sent_at_s)

    async def _sent(self, asking: Asking, question: Question) -> bool:
        """Send the question under one id until it is acknowledged; False when it is refused for good or all is over."""
        while not self._crowd.over.is_set():
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(1.0):
                    await self._up.wait()
            if not self._up.is_set():
                continue
            question.sends += 1
            try:
                answer = await self._request("chat.send", asking.data(), question.client_id)
            except (TimeoutError, ConnectionClosed, OSError):
                self._crowd.counts["sends repeated"] += 1
                # Sending on a closed socket fails without giving way to the task that opens the next one.
                await asyncio.sleep(0.2)
                continue
            data = answer["data"]
            if answer["type"] == "ack":
                question.turn, question.acked_at_s = data["turn"], self._crowd.clock.now()
                self._crowd.counts["acks of a repeat"] += bool(data["duplicate"])
                return True
            self._crowd.counts[f"send refused: {data['code']}"] += 1
            if not data["retryable"]:
                question.refused = data["code"]
                self._breach("refused", "", f"chat.send: {data['code']} {data['message']}")
                return False
            await asyncio.sleep(data.get("retry_after_ms", 500) / 1000)
        return False

    async def _heard(self, turn: str, limit_s: float) -> bool:
        """Wait until the turn's ending was heard; False when it was not in `limit_s`."""
        until_s = self._crowd.clock.now() + limit_s
        while turn not in self._view.ended:
            left_s = until_s - self._crowd.clock.now()
            if left_s <= 0 or self._crowd.over.is_set():
                return False
            self._changed.clear()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(min(left_s, 1.0)):
                    await self._changed.wait()
        return True

    async def _cancel(self, question: Question) -> None:
        question.cancel_at_s = self._crowd.clock.now()
        for _ in range(10):
            if question.turn in self._view.ended:
                return
            try:
                answer = await self._request("chat.cancel", {"turn": question.turn}, uuid.uuid4().hex)
            except (TimeoutError, ConnectionClosed, OSError):
                await asyncio.sleep(0.5)
                continue
            if answer["type"] == "ack" or not answer["data"]["retryable"]:
                return
            await asyncio.sleep(answer["data"].get("retry_after_ms", 500) / 1000)

    async def _walk_away(self, question: Question) -> None:
        question.left_at_s = self._crowd.clock.now()
        self._home.clear()
        if self._socket is not None:
            self._socket.transport.abort()
        await asyncio.sleep(_AWAY_S)
        self._home.set()

    def _compare(self, asking: Asking, question: Question) -> None:
        assert question.turn is not None
        ending = self._view.ended[question.turn]
        # Only the language-model server repeats what it was asked; the scripted writer does not.
        wanted = {asking.number} if asking.route == "sql" else {asking.number, None}
        if ending.state == "completed" and number_of(ending.text) not in wanted:
            self._breach("answer", question.turn, f"question {asking.number} was answered by {ending.text[:80]!r}")

    def _breach(self, kind: str, turn: str, detail: str) -> None:
        self._crowd.facts.breaches.append(Breach(self._crowd.clock.now(), kind, self.index, turn, detail))
