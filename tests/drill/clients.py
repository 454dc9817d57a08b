"""People who ask through whatever happens: each in one conversation after the other, one question at a time."""

from __future__ import annotations

import asyncio
import contextlib
import random
import uuid
from typing import Final

import httpx
from websockets.exceptions import ConnectionClosed

from tests.drill.facts import Question
from tests.drill.line import Crowd, Line
from tests.drill.people import Login
from tests.drill.questions import DEADLINE_MS, FIRST, Asking, compose, number_of

#: Turns of one conversation; then it begins another.
_TURNS_A_CONVERSATION: Final = 25
#: `on_disconnect: cancel` acts after 10 s.
_AWAY_S: Final = 14.0


class Pace:
    """Hands out the moments at which somebody asks: a Poisson process, whoever is free takes the next."""

    def __init__(self, per_s: float, rng: random.Random) -> None:
        self._per_s, self._rng = per_s, rng
        self._next_s = 0.0
        self._numbers = FIRST

    async def next(self) -> int:
        """Wait for the next moment and return its question's number, from `FIRST` on."""
        loop = asyncio.get_running_loop()
        self._next_s = max(loop.time(), self._next_s) + self._rng.expovariate(self._per_s)
        self._numbers += 1
        number = self._numbers
        await asyncio.sleep(self._next_s - loop.time())
        return number


class Client:
    """One person: a line, and one question after another."""

    def __init__(self, crowd: Crowd, login: Login, pace: Pace, *, index: int, rng: random.Random) -> None:
        self._crowd, self._login, self._pace = crowd, login, pace
        self.index = index
        self._rng = rng
        # A few want their turns ended when they go away.
        self._line = Line(crowd, login, index=index, rng=rng, leaves=index % 8 == 7)
        #: Of the present conversation, by turn.
        self._asked: dict[str, Question] = {}

    async def run(self) -> None:
        """Ask until the crowd closes, then wait for what is open until it is over."""
        keeping = asyncio.create_task(self._line.keep())
        try:
            while not self._crowd.closing.is_set():
                if len(self._asked) >= _TURNS_A_CONVERSATION and not self.open_turns():
                    self._asked = {}
                    await self._line.begin()
                number = await self._pace.next()
                if self._crowd.closing.is_set():
                    break
                await self._ask(compose(number, self._rng, may_leave=self._line.leaves))
            await self._crowd.over.wait()
        finally:
            keeping.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await keeping

    def open_turns(self) -> list[Question]:
        """Return the questions whose ending this client has not heard."""
        return [question for turn, question in self._asked.items() if turn not in self._line.view.ended]

    async def _ask(self, asking: Asking) -> None:
        await self._line.up.wait()
        view = self._line.view
        assert view.conversation is not None
        question = Question(
            number=asking.number,
            client=self.index,
            client_id=uuid.uuid4().hex,
            conversation=view.conversation,
            route=asking.route,
            classified=asking.classified,
            told=asking.told,
            may_leave=self._line.leaves,
            sent_at_s=self._crowd.clock.now(),
        )
        self._crowd.facts.questions.append(question)
        twin = asyncio.create_task(self._send_twin(asking, question)) if asking.twin else None
        if not await self._sent(asking, question):
            return
        assert question.turn is not None
        self._asked[question.turn] = question
        if asking.told == "cancel":
            await self._heard(question.turn, asking.after_s)
            await self._cancel(question)
        elif asking.told == "walk_away":
            await self._heard(question.turn, asking.after_s)
            question.left_at_s = self._crowd.clock.now()
            await self._line.leave(_AWAY_S)
        # A turn that outlives its deadline is the judge's business; the next question need not wait for it.
        if await self._heard(question.turn, DEADLINE_MS / 1000 + 15):
            self._compare(asking, question)
        other = await twin if twin is not None else None
        if other is not None and other != question.turn:
            self._breach("copy", question.turn, f"the same id made {other} too")
        view.began_in_order(question.turn, sent_at_s=question.sent_at_s)

    async def _sent(self, asking: Asking, question: Question) -> bool:
        """Send the question under one id until it is acknowledged; False when it is refused for good or all is over."""
        while not self._crowd.over.is_set():
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(1.0):
                    await self._line.up.wait()
            if not self._line.up.is_set():
                continue
            question.sends += 1
            try:
                answer = await self._line.request("chat.send", asking.data(), question.client_id)
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
        while turn not in self._line.view.ended:
            left_s = until_s - self._crowd.clock.now()
            if left_s <= 0 or self._crowd.over.is_set():
                return False
            self._line.changed.clear()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(min(left_s, 1.0)):
                    await self._line.changed.wait()
        return True

    async def _cancel(self, question: Question) -> None:
        question.cancel_at_s = self._crowd.clock.now()
        for _ in range(10):
            if question.turn in self._line.view.ended:
                return
            try:
                answer = await self._line.request("chat.cancel", {"turn": question.turn}, uuid.uuid4().hex)
            except (TimeoutError, ConnectionClosed, OSError):
                await asyncio.sleep(0.5)
                continue
            if answer["type"] == "ack" or not answer["data"]["retryable"]:
                return
            await asyncio.sleep(answer["data"].get("retry_after_ms", 500) / 1000)

    async def _send_twin(self, asking: Asking, question: Question) -> str | None:
        """Send the same question under the same id from another place; return its turn, None when nobody answered."""
        with contextlib.suppress(httpx.HTTPError, ValueError, KeyError):
            answer = await self._crowd.http.post(
                f"{self._crowd.base_urls[(self.index + 1) % len(self._crowd.base_urls)]}"
                f"/api/conversations/{question.conversation}/turns",
                json=asking.data(),
                headers={"Authorization": f"Bearer {await self._login.token()}", "Idempotency-Key": question.client_id},
            )
            answer.raise_for_status()
            return str(answer.json()["turn"])
        return None

    def _compare(self, asking: Asking, question: Question) -> None:
        assert question.turn is not None
        ending = self._line.view.ended[question.turn]
        # Only the language-model server repeats what it was asked; the scripted writer does not.
        wanted = {asking.number} if asking.route == "sql" else {asking.number, None}
        if ending.state == "completed" and number_of(ending.text) not in wanted:
            self._breach("answer", question.turn, f"question {asking.number} was answered by {ending.text[:80]!r}")

    def _breach(self, kind: str, turn: str, detail: str) -> None:
        self._crowd.breach(kind, self.index, turn, detail)
