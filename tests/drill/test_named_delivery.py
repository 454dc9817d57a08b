"""The broker delivers twice: because it takes a message for lost, or because its connections broke for an instant."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from pytest_django.plugin import DjangoDbBlocker

from orchestrator.engines.llm_fake_server import Behaviour, FakeServer
from tests.drill.scene import QUESTIONS, Scene, give_policy, set_scene, told_once
from tests.integration.core import kit
from tests.integration.core.workers import Desk, until

pytestmark = [pytest.mark.drill, pytest.mark.timeout(240)]
HOPS = {"classify", "embed", "sql", "rag", "llm"}


@pytest.fixture
def writer() -> Iterator[FakeServer]:
    """Run a language model's server that writes for about three seconds."""
    with FakeServer(behaviour=Behaviour.SLOW, answer="word " * 60, pace_s=0.05) as server:
        yield server


@pytest.fixture
def scene(tmp_path: Path, writer: FakeServer, django_db_blocker: DjangoDbBlocker) -> Iterator[Scene]:
    with (
        django_db_blocker.unblock(),
        set_scene(tmp_path, SWITCHYARD_LLM_BASE_URL=writer.base_url, SWITCHYARD_LLM_MODEL="slow") as made,
    ):
        yield made


def test_a_message_that_outlives_the_brokers_patience_is_run_once(scene: Scene, writer: FakeServer) -> None:
    scene.start(
        *("dispatcher-0", "worker-gpu-0", "worker-llm-0", "worker-llm-1"),
        BENT_VISIBILITY_S="1",
        BENT_PAUSES="llm=5",
        SWITCHYARD_START_DESPITE="visibility-timeout",
    )
    desks = scene.desks(kit.person(), 4)

    turns = [desk.ask(QUESTIONS["chat"].format(n=n)) for n, desk in enumerate(desks)]
    rows = [told_once(desk, turn) for desk, turn in zip(desks, turns, strict=True)]

    assert {turn for turn, _ in refused(scene)} == set(turns)
    assert {row["fence"] for row in rows} == {1}
    assert scene.works() == dict.fromkeys([(turn, 1, hop) for turn in turns for hop in ("classify", "llm")], 1)
    assert sorted(writer_keys(writer)) == sorted(f"{turn}:1:llm" for turn in turns)


def test_a_blip_of_the_brokers_connections_runs_nothing_twice(scene: Scene, writer: FakeServer) -> None:
    anna = kit.person()
    scene.give_warehouse(anna)
    give_policy(anna)
    scene.start(
        *("dispatcher-0", "worker-gpu-0", "worker-sql-0", "worker-rag-0", "worker-llm-0"),
        BENT_PAUSES="classify=1.5 embed=1.5 rag=1.5 sql=1",
    )
    asked: list[tuple[Desk, str]] = []

    def ask_and_see_all_hops_run() -> bool:
        route = ("sql", "rag", "chat", None)[len(asked) % 4]
        desk = scene.desks(anna, 1)[0]
        text = QUESTIONS[route or "chat"].format(n=len(asked))
        asked.append((desk, desk.ask(text, route=route)))
        return in_hand() == HOPS

    hit: set[tuple[str, str]] = set()
    for _ in range(3):
        until(ask_and_see_all_hops_run, 30)
        struck = running()
        scene.redis.client_kill_filter(_type="normal", skipme=True)
        hit |= struck & running()
        # Their messages come a second time, and a further blip before that would swallow them. Not all do: who ends its
        # stage before the loss is noticed acknowledges it over a connection that is whole.
        wait_for_second(scene, hit, 20)
    rows = [told_once(desk, turn) for desk, turn in asked]

    works = scene.works()
    assert len(refused(scene) & hit) * 2 > len(hit)
    assert {row["fence"] for row in rows} == {1}
    assert max(works.values()) == 1
    assert len([key for key in works if key[2] == "llm"]) == len(asked)
    assert sorted(writer_keys(writer)) == sorted(f"{turn}:1:llm" for _, turn in asked)
    assert set(scene.statements().values()) == {1}


def wait_for_second(scene: Scene, hit: set[tuple[str, str]], limit_s: float) -> None:
    """Return once each message has come again, or no more are to be expected."""
    until_s = time.monotonic() + limit_s
    while not refused(scene) >= hit and time.monotonic() < until_s:
        time.sleep(0.2)


def in_hand() -> set[str]:
    return {hop for _, hop in running()}


def running() -> set[tuple[str, str]]:
    rows = kit.look("SELECT turn_id, hop FROM switchyard_stage WHERE state = 'running'")
    return {(row["turn_id"], row["hop"]) for row in rows}


def refused(scene: Scene) -> set[tuple[str, str]]:
    return {(line["turn"], line["hop"]) for line in scene.said("claim refused")}


def writer_keys(writer: FakeServer) -> list[str]:
    return [asked.key for asked in writer.asked]
