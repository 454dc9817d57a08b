"""Messages that nobody can read, and turns that kill whoever runs them: the others are answered."""

from __future__ import annotations

import base64
import json
import random
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import orjson
import pytest
from pytest_django.plugin import DjangoDbBlocker

from deploy.process import Phase, Process
from orchestrator.queues import PROCESSES, command
from tests.drill.scene import QUESTIONS, Scene, set_scene, told_once
from tests.drill.world_keeper import Keeper
from tests.integration.core import kit
from tests.integration.core.kit import Person
from tests.integration.core.workers import Desk, until
from tests.stack import CHECKOUT

pytestmark = [pytest.mark.drill, pytest.mark.timeout(240)]
DEADLY = "kaboom"


@pytest.fixture
def scene(tmp_path: Path, django_db_blocker: DjangoDbBlocker) -> Iterator[Scene]:
    with django_db_blocker.unblock(), set_scene(tmp_path, SWITCHYARD_LLM_SCRIPT="pieces=20 pace_s=0.05") as made:
        yield made


@pytest.fixture
def anna(scene: Scene) -> Person:
    return kit.person()


def envelope(**fields: object) -> dict[str, object]:
    """Return a message as Celery puts one into its queue, with other fields."""
    body = base64.b64encode(orjson.dumps([[], {}, {"callbacks": None, "errbacks": None, "chain": None}])).decode()
    return {
        "body": body,
        "content-encoding": "utf-8",
        "content-type": "application/json",
        "headers": {"lang": "py", "task": "stages.llm", "id": "poison", "root_id": "poison", "argsrepr": "()"},
        "properties": {
            "correlation_id": "poison",
            "delivery_mode": 2,
            "delivery_info": {"exchange": "", "routing_key": "llm"},
            "priority": 0,
            "body_encoding": "base64",
            "delivery_tag": "poison",
        },
    } | fields


def kwargs_body(**kwargs: object) -> str:
    # Not orjson, which refuses the number that no integer column holds.
    return base64.b64encode(json.dumps([[], kwargs, {}]).encode()).decode()


NOBODYS = {"turn": "trn_nobodys", "fence": 1, "dispatch_no": 1}
GARBAGE: dict[str, bytes] = {
    "no JSON": b"\xff\x00 this is no message",
    "an empty one": b"",
    "another shape": b"[1, 2, 3]",
    "no properties": orjson.dumps({"body": "e30=", "headers": {}}),
    "bad base64": orjson.dumps(envelope(body="!!! this is not base64 !!!")),
    "a body that is no JSON": orjson.dumps(envelope(body=base64.b64encode(b"\xff\xfe{{{").decode())),
    "pickle": orjson.dumps(envelope(**{"content-type": "application/x-python-serialize"})),
    "an unknown task": orjson.dumps(envelope(headers={"lang": "py", "task": "no.such.task", "id": "poison-1"})),
    "no arguments": orjson.dumps(envelope()),
    "arguments too many": orjson.dumps(envelope(body=kwargs_body(**NOBODYS, more="x"))),
    "wrong types": orjson.dumps(envelope(body=kwargs_body(turn=[1], fence="one", dispatch_no=None))),
    "a number out of range": orjson.dumps(envelope(body=kwargs_body(turn="trn_x", fence=2**70, dispatch_no=1))),
    "a turn that is not there": orjson.dumps(envelope(body=kwargs_body(**NOBODYS))),
    "a null character": orjson.dumps(envelope(body=kwargs_body(turn="trn_\x00", fence=1, dispatch_no=1))),
    "twenty megabytes": orjson.dumps(envelope(body=kwargs_body(turn="x" * 20_000_000, fence=1, dispatch_no=1))),
}


def test_a_worker_outlives_messages_that_nobody_can_read(scene: Scene, anna: Person) -> None:
    scene.start("dispatcher-0", "worker-gpu-0", "worker-llm-0")
    pid = scene.stack.running["worker-llm-0"].pid
    answered = {}

    for name, message in GARBAGE.items():
        scene.redis.lpush(f"{scene.keys.prefix}:broker:llm", message)
        desk = Desk(anna, scene.redis, scene.keys)
        answered[name] = told_once(desk, desk.ask(QUESTIONS["chat"].format(n=1)))["fence"]

    assert answered == dict.fromkeys(GARBAGE, 1)
    assert scene.stack.running["worker-llm-0"].poll() is None
    assert [row["pid"] for row in kit.look("SELECT pid FROM switchyard_process WHERE name LIKE 'worker-llm%'")] == [pid]
    until(lambda: left_in_broker(scene) == {"llm": 0, "unacked": 0}, 20)


def test_a_turn_that_kills_its_workers_is_set_aside_and_the_others_are_answered(scene: Scene, anna: Person) -> None:
    scene.start("dispatcher-0", "worker-gpu-0")
    with kept_worker(scene, "worker-llm") as keeper:
        keeper.wait_for("worker-llm", lambda state: state.alive, 10)
        until(lambda: kit.look("SELECT 1 FROM switchyard_process WHERE name LIKE 'worker-llm%'"), 60)
        desks = scene.desks(anna, 6)
        texts = [QUESTIONS["chat"].format(n=n) + (f" {DEADLY}" if n == 2 else "") for n in range(6)]
        turns = [desk.ask(text, deadline_ms=180_000) for desk, text in zip(desks, texts, strict=True)]

        poison = desks[2].until_ended(turns[2], 180)
        others = [told_once(desk, turn) for at, (desk, turn) in enumerate(zip(desks, turns, strict=True)) if at != 2]

        deaths = len(keeper.deaths())
    assert (poison["state"], poison["error_code"]) == ("failed", "internal")
    assert desks[2].ending(turns[2])["type"] == "turn.failed"
    letters = kit.look("SELECT turn_id, hop, cause, history FROM switchyard_dead_letter")
    assert [(row["turn_id"], row["hop"]) for row in letters] == [(turns[2], "llm")]
    assert [step["outcome"] for step in letters[0]["history"] if step["hop"] == "llm"] == ["lost"] * 3
    assert {row["state"] for row in others} == {"completed"}
    assert deaths == 3


def left_in_broker(scene: Scene) -> dict[str, int]:
    # redis-py types replies as possibly awaitable.
    redis: Any = scene.redis
    prefix = f"{scene.keys.prefix}:broker:"
    return {"llm": redis.llen(prefix + "llm"), "unacked": redis.hlen(prefix + "unacked")}


@contextmanager
def kept_worker(scene: Scene, name: str) -> Iterator[Keeper]:
    """Keep a worker alive, as the supervisor does, that a question with the deadly word kills."""
    entry = next(process for process in PROCESSES if process.name == name)
    arguments = ["tests.drill.bent_app" if part == "orchestrator.celery" else part for part in command(entry)]
    process = Process(
        name=name,
        command=(sys.executable, *arguments),
        phase=Phase.WORKERS,
        cwd=CHECKOUT,
    )
    with Keeper(scene.stack.logs, random.Random(3)) as keeper:
        keeper.keep(process, {**scene.stack.environ, "BENT_DEADLY": DEADLY, "BENT_PAUSES": "llm=1"})
        yield keeper
