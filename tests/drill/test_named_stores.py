"""A store goes away in the middle of every kind of stage: each turn is answered all the same, and once."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from pytest_django.plugin import DjangoDbBlocker

from tests.drill.scene import QUESTIONS, Scene, give_policy, set_scene, told_once
from tests.integration.core import kit
from tests.integration.core.kit import Person
from tests.integration.core.workers import Desk, until

pytestmark = [pytest.mark.drill, pytest.mark.timeout(240)]
HOPS = {"classify", "embed", "sql", "rag", "llm"}
KINDS: tuple[tuple[str, str | None], ...] = (("sql", "sql"), ("rag", "rag"), ("chat", "chat"), ("rag", None))


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory, django_db_blocker: DjangoDbBlocker) -> Iterator[Scene]:
    folder: Path = tmp_path_factory.mktemp("stores")
    with django_db_blocker.unblock(), set_scene(folder, SWITCHYARD_LLM_SCRIPT="pieces=60 pace_s=0.05") as made:
        workers = ("worker-gpu-0", "worker-sql-0", "worker-rag-0", "worker-llm-0")
        made.start("dispatcher-0", *workers, BENT_PAUSES="classify=1.5 embed=1.5 rag=1.5 sql=1")
        yield made


@pytest.fixture(scope="module")
def anna(scene: Scene) -> Person:
    who = kit.person()
    scene.give_warehouse(who)
    give_policy(who)
    return who


def postgres_restarts(scene: Scene) -> None:
    scene.servers.postgres.stop()
    scene.servers.postgres.start()


def redis_is_emptied(scene: Scene) -> None:
    scene.redis.flushall()


def redis_restarts(scene: Scene) -> None:
    scene.servers.redis.kill()
    scene.servers.redis.start()


@pytest.mark.parametrize("fault", [postgres_restarts, redis_is_emptied, redis_restarts])
def test_every_kind_of_stage_lives_through(scene: Scene, anna: Person, fault: Callable[[Scene], None]) -> None:
    asked: list[tuple[Desk, str]] = []

    def ask_and_see_all_hops_run() -> bool:
        kind, route = KINDS[len(asked) % len(KINDS)]
        desk = Desk(anna, scene.redis, scene.keys)
        asked.append((desk, desk.ask(QUESTIONS[kind].format(n=len(asked)), route=route)))
        return {row["hop"] for row in kit.look("SELECT hop FROM switchyard_stage WHERE state = 'running'")} == HOPS

    until(ask_and_see_all_hops_run, 30)
    fault(scene)
    rows = [told_once(desk, turn) for desk, turn in asked]

    assert {row["state"] for row in rows} == {"completed"}
    until(lambda: not kit.look("SELECT 1 FROM switchyard_stage WHERE state IN ('dispatched', 'running')"), 10)
    assert {key: process.poll() for key, process in scene.stack.running.items()} == dict.fromkeys(scene.stack.running)
