"""Real worker processes for the core's tests, with the scripted engines, and looks into what they did."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import orjson
from redis import Redis

from orchestrator.chat import turns
from orchestrator.chat.wake import signal_cancel, wake_dispatcher
from orchestrator.log.keys import Keys
from tests.integration.core import kit
from tests.integration.core.kit import Person
from tests.stack import Stack, running_stack

WORKERS = ("worker-gpu", "worker-sql", "worker-rag", "worker-llm", "worker-jobs")
PIECES, PACE_S = 100, 0.02
#: What the scripted writer writes, in about two seconds.
ANSWER = "".join(f"word{n} " for n in range(1, PIECES + 1))
ENDINGS = ("message.completed", "turn.failed", "turn.cancelled")


@contextmanager
def running_workers(logs: Path, *names: str, **more: str) -> Iterator[Stack]:
    """Run the dispatcher and the named workers until the block ends, `more` in their environment."""
    environ = {
        "SWITCHYARD_ENGINES": "scripted",
        "SWITCHYARD_LLM_SCRIPT": f"pieces={PIECES} pace_s={PACE_S}",
        "SWITCHYARD_MODE": "test",
        **more,
    }
    with running_stack(logs, environ, names=("dispatcher", *names), gateways=0) as stack:
        stack.wait_serving()
        yield stack


class Desk:
    """Asks as a gateway does, over one conversation, and reads what came of it."""

    def __init__(self, who: Person, redis: Redis, keys: Keys) -> None:
        self.who, self.redis, self.keys = who, redis, keys
        self.conversation = kit.conversation(who)

    def ask(self, text: str = "hello there", **more: Any) -> str:
        """Accept a question and wake the dispatcher."""
        turn = kit.ask(self.who, self.conversation, text=text, **more).turn
        wake_dispatcher(self.redis, self.keys)
        return turn

    def cancel(self, turn: str, *, signalled: bool = True) -> None:
        """Ask for a cancel, with or without its signal."""
        turns.request_cancel(tenant=self.who.tenant, user=self.who.user, turn=turn)
        if signalled:
            signal_cancel(self.redis, self.keys, turn)

    def frames(self) -> list[dict[str, Any]]:
        """Return the conversation's log."""
        return kit.frames(self.redis, self.keys, self.conversation)

    def types(self, turn: str) -> list[str]:
        """Return the types of a turn's events, deltas as one."""
        found = kit.types_of(self.frames(), turn)
        return [kind for at, kind in enumerate(found) if kind != "message.delta" or found[at - 1] != kind]

    def text(self, turn: str) -> str:
        """Return the text that a reader of the log's deltas has, the last attempt's."""
        shown = ""
        for frame in self.frames():
            if frame["data"].get("turn") != turn:
                continue
            if frame["type"] == "message.started":
                shown = ""
            elif frame["type"] == "message.delta":
                shown = shown[: frame["data"]["index"]] + frame["data"]["text"]
        return shown

    def ending(self, turn: str) -> dict[str, Any]:
        """Return the one ending of a turn in the log.

        Raises:
            AssertionError: there is none, or more than one.
        """
        found = [f for f in self.frames() if f["data"].get("turn") == turn and f["type"] in ENDINGS]
        assert len(found) == 1, [f["type"] for f in found]
        return found[0]

    def until_streaming(self, turn: str, limit_s: float = 20) -> None:
        """Return once text of a turn is in the log."""
        until(lambda: "message.delta" in kit.types_of(self.frames(), turn), limit_s)

    def until_ended(self, turn: str, limit_s: float = 30) -> dict[str, Any]:
        """Return a turn's row once it has ended and its ending is in the log."""
        until(lambda: kit.turn_row(turn)["ended_at"], limit_s)
        until(lambda: kit.outbox(turn)[0]["done_at"], limit_s)
        return dict(kit.turn_row(turn))


def until(true: Any, limit_s: float) -> None:
    """Wait until `true()` holds; a store that is away counts as "not yet".

    Raises:
        AssertionError: it did not in time.
    """
    until_s = time.monotonic() + limit_s
    while True:
        try:
            if true():
                return
        except Exception as exc:
            if time.monotonic() > until_s:
                raise AssertionError(f"it did not happen within {limit_s} s") from exc
        assert time.monotonic() < until_s, f"it did not happen within {limit_s} s"
        time.sleep(0.05)


def lines(stack: Stack, key: str) -> list[dict[str, Any]]:
    """Return what a process has logged; every line must be a JSON object, but for Celery's own word on leaving."""
    return [
        orjson.loads(line)
        for line in stack.log(key).splitlines()
        if line and not line.startswith("worker: Warm shutdown")
    ]


def about(stack: Stack, key: str, turn: str) -> list[dict[str, Any]]:
    """Return a process' lines about a turn."""
    return [line for line in lines(stack, key) if line.get("turn") == turn]


def restarted(stack: Stack, name: str) -> None:
    """Start a worker anew and return once it takes work."""
    before = {row["incarnation"] for row in kit.look("SELECT incarnation FROM switchyard_process")}
    stack.start(name)
    until(
        lambda: any(
            row["incarnation"] not in before
            for row in kit.look("SELECT incarnation FROM switchyard_process WHERE name LIKE :name", name=name + "%")
        ),
        60,
    )
