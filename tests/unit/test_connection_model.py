"""Whatever the channel drops, repeats, delays or reorders: what a client is told adds up.

A real log is replaced by the simplest thing that keeps its promises; publications
travel over a channel that hypothesis breaks; answers to looks come when
hypothesis says, or never. The client checks what the contract lets it check.
"""

from __future__ import annotations

from typing import Any

import orjson
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from channels_app.actions import Action, CheckLimit, Close, Leave, OpenLog, RunCommand, Send
from channels_app.connection import Admitted, Connection
from channels_app.cursor import Live, Look
from orchestrator.errors import StoreDownError
from orchestrator.log.records import Head, LiveFrame, Opened, Position
from orchestrator.resilience.rate_limit import ALLOWED

KEPT = 6


class Log:
    """A conversation's log: numbered within an epoch, trimmed at the old end."""

    def __init__(self) -> None:
        self.epochs = 1
        self.top = 0

    @property
    def epoch(self) -> str:
        return f"e{self.epochs}"

    def body(self, seq: int) -> str:
        return orjson.dumps({"type": "t", "epoch": self.epoch, "seq": seq}).decode()

    def append(self) -> Live:
        self.top += 1
        text = self.body(self.top)
        frame = LiveFrame(conversation="c", frame=text, seq=self.top, epoch=self.epoch, type="t")
        return Live(frame=frame, payload=text.encode())

    def renew(self) -> None:
        self.epochs += 1
        self.top = 0

    def open(self, position: Position | None) -> Opened:
        after = position.seq if position else 0
        elsewhere = position is not None and position.epoch != self.epoch
        if elsewhere or after > self.top or self.top - after > KEPT:
            return Opened(epoch=self.epoch, top=self.top, recovered=False)
        frames = tuple((n, self.body(n)) for n in range(after + 1, self.top + 1))
        return Opened(epoch=self.epoch, top=self.top, recovered=True, frames=frames)


class Client:
    """What the contract lets a client check, checked."""

    def __init__(self) -> None:
        self.epoch: str | None = None
        self.last = 0
        self.opens = 0
        self.unasked = 0
        self.answers: list[str] = []

    def take(self, frame: dict[str, Any]) -> None:
        if "re" in frame:
            self.answers.append(frame["re"])
        if frame["type"] == "conversation.opened":
            self.opened(frame)
        elif "seq" in frame:
            assert (frame["epoch"], frame["seq"]) == (self.epoch, self.last + 1)
            self.last += 1

    def opened(self, frame: dict[str, Any]) -> None:
        news = frame["data"]
        if news["recovered"]:
            assert "re" in frame
            assert news["top"] - news["replayed"] == self.asked_from(news)
        else:
            assert news["replayed"] == 0
        self.epoch, self.last = news["epoch"], news["top"] - news["replayed"]

    def asked_from(self, news: dict[str, Any]) -> int:
        position = self.position
        if position is None:
            return 0
        assert position.epoch == news["epoch"]
        return position.seq

    position: Position | None = None


class Socket(RuleBasedStateMachine):
    """One connection reading one conversation over a channel that can't be trusted."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0
        self.log = Log()
        self.channel: list[Live] = []
        self.looks: list[tuple[Look, Opened | None]] = []
        self.client = Client()
        self.sent_ids: list[str] = []
        self.connection = Connection(
            id="con",
            now=0.0,
            wall_s=0.0,
            token_expires_in_s=10**9,
            replica="r",
            say=lambda error: f"error.{error.code}",
            new_cid=lambda: "cid",
        )
        self.joined = False

    def perform(self, actions: list[Action]) -> None:
        for action in actions:
            match action:
                case Send():
                    self.client.take(orjson.loads(action.payload))
                    self.connection.on_written(action)
                case OpenLog():
                    # The log is read some time between the question and the answer: here or when it is answered.
                    self.looks.append((action.look, None))
                case Leave():
                    self.joined = False
                case Close():
                    raise AssertionError("closed")
                case _:
                    self.joined = True

    @rule()
    def append(self) -> None:
        live = self.log.append()
        if self.joined:
            self.channel.append(live)

    @rule()
    def append_unheard(self) -> None:
        self.log.append()

    @rule()
    def renew_the_epoch(self) -> None:
        self.log.renew()

    @rule(data=st.data())
    def deliver(self, data: st.DataObject) -> None:
        if self.channel:
            place = data.draw(st.integers(0, len(self.channel) - 1))
            self.perform(self.connection.on_live(self.channel.pop(place), self.now))

    @rule()
    def deliver_in_order(self) -> None:
        if self.channel:
            self.perform(self.connection.on_live(self.channel.pop(0), self.now))

    @rule(data=st.data())
    def repeat(self, data: st.DataObject) -> None:
        if self.channel:
            self.perform(self.connection.on_live(data.draw(st.sampled_from(self.channel)), self.now))

    @rule()
    def lose_what_is_under_way(self) -> None:
        self.channel.clear()

    @rule(position=st.sampled_from(["start", "where it is", "behind", "elsewhere"]))
    def ask_to_open(self, position: str) -> None:
        # The shell runs a socket's commands one after the other, so an open ends before the next begins.
        while len(self.client.answers) < len(self.sent_ids):
            self.answer_a_look()
        here = self.client.epoch
        wanted = {
            "start": None,
            "where it is": Position(epoch=here, seq=self.client.last) if here else None,
            "behind": Position(epoch=here, seq=max(0, self.client.last - 2)) if here else None,
            "elsewhere": Position(epoch="e999", seq=3),
        }[position]
        self.client.position = wanted
        data = {"epoch": wanted.epoch, "seq": wanted.seq} if wanted else {"seq": 0}
        id = f"open-{len(self.sent_ids)}"
        self.sent_ids.append(id)
        text = orjson.dumps({"type": "conversation.open", "id": id, "conversation": "c", "data": data}).decode()
        (check,) = self.connection.on_text(text, self.now)
        assert isinstance(check, CheckLimit)
        (command,) = self.connection.on_limit(check, ALLOWED, self.now)
        assert isinstance(command, RunCommand)
        self.perform(self.connection.on_admitted(command, Admitted(conversation="c", first_turn=None), self.now))

    @precondition(lambda self: self.looks)
    @rule()
    def read_the_log(self) -> None:
        look, _ = self.looks.pop(0)
        self.looks.insert(0, (look, self.log.open(look.position)))

    @precondition(lambda self: self.looks)
    @rule()
    def answer_a_look(self) -> None:
        look, seen = self.looks.pop(0)
        self.perform(self.connection.on_opened(look, seen or self.log.open(look.position), self.now))

    @precondition(lambda self: self.looks)
    @rule()
    def fail_a_look(self) -> None:
        look, _ = self.looks.pop(0)
        self.perform(self.connection.on_look_failed(look, StoreDownError("down", dependency="redis"), self.now))

    def answer_all(self) -> None:
        while self.looks:
            self.answer_a_look()

    @rule()
    def tick(self) -> None:
        self.now += 2.0
        self.perform(self.connection.on_text('{"type":"ping"}', self.now))
        self.perform(self.connection.on_tick(self.now))

    @rule()
    def compare_the_head(self) -> None:
        self.perform(self.connection.on_head("c", Head(epoch=self.log.epoch, top=self.log.top)))

    @invariant()
    def every_open_has_at_most_one_answer(self) -> None:
        assert len(set(self.client.answers)) == len(self.client.answers)

    def teardown(self) -> None:
        """In the end, once the channel works and heads are compared, the client has everything."""
        self.channel.clear()
        for _ in range(4):
            self.answer_all()
            self.tick()
            self.compare_the_head()
        self.answer_all()
        assert sorted(self.client.answers) == sorted(self.sent_ids)
        if self.joined:
            assert (self.client.epoch, self.client.last) == (self.log.epoch, self.log.top)


TestSocket = Socket.TestCase
TestSocket.settings = settings(max_examples=150, stateful_step_count=40, deadline=None)
