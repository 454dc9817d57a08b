"""A worker that is frozen for longer than its lease, in the middle of its work, and then goes on as if nothing was."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pytest_django.plugin import DjangoDbBlocker

from tests.client import ChatClient, sign_in
from tests.drill.scene import QUESTIONS, Scene, set_scene, told_once
from tests.integration.core import kit
from tests.integration.core.kit import Person
from tests.integration.core.workers import Desk, about, until

pytestmark = [pytest.mark.drill, pytest.mark.timeout(240)]
LLM = ("worker-llm-0", "worker-llm-1")
SQL = ("worker-sql-0", "worker-sql-1")
LOST = "stage stops: its turn is lost"


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory, django_db_blocker: DjangoDbBlocker) -> Iterator[Scene]:
    folder: Path = tmp_path_factory.mktemp("frozen")
    # About eight seconds an answer: its second attempt still runs when the first one's worker wakes up.
    script = "pieces=160 pace_s=0.05"
    with django_db_blocker.unblock(), set_scene(folder, SWITCHYARD_LLM_SCRIPT=script) as made:
        made.start("gateway-0", "dispatcher-0", "worker-gpu-0", *LLM, *SQL)
        yield made


@pytest.fixture
def anna(scene: Scene) -> Person:
    return kit.person()


async def ask_and_freeze(scene: Scene, who: Person) -> tuple[ChatClient, str, str]:
    """Ask over a socket, freeze the writer once text flows, and wake it when the next attempt's text flows."""
    token = await sign_in(scene.stack.base_url, who.username, who.username)
    async with ChatClient(scene.stack.base_urls, token) as client:
        await client.open()
        turn = (await client.send(QUESTIONS["chat"].format(n=1), route="chat"))["data"]["turn"]
        while len(client.view(turn).text) < 100:
            await client.next()
        frozen = scene.runs_on(turn, "llm")
        scene.signal(frozen, signal.SIGSTOP)
        while client.view(turn).attempt < 2 or len(client.view(turn).text) < 100:
            await client.next(30)
        scene.signal(frozen, signal.SIGCONT)
        await client.until_ended(turn)
        return client, turn, frozen


def test_a_frozen_writers_turn_goes_on_elsewhere_and_its_own_words_reach_nobody(scene: Scene, anna: Person) -> None:
    client, turn, frozen = asyncio.run(ask_and_freeze(scene, anna))
    view = client.view(turn)
    until(lambda: any(line["event"] == LOST for line in about(scene.stack, frozen, turn)), 20)

    row, attempts, ending = kit.turn_row(turn), attempts_told(scene, turn), view.ending
    assert ending is not None
    assert ending["data"]["text"] == view.text == row["answer"]
    assert ending["data"]["attempt"] == row["fence"] == 2
    assert (view.endings, view.types.count("message.started")) == (1, 2)
    # From the second attempt's start on nothing of the first was taken into the log.
    assert attempts == sorted(attempts)
    assert set(attempts) == {1, 2}
    assert len(kit.outbox(turn)) == 1
    assert outcomes(turn) == [("llm", 1, "lost", frozen), ("llm", 2, "done", other_of(LLM, frozen))]


def test_a_frozen_workers_table_is_not_stored_over_the_next_attempts(scene: Scene, anna: Person) -> None:
    scene.give_warehouse(anna)
    desk = Desk(anna, scene.redis, scene.keys)
    turn = desk.ask(QUESTIONS["sql"].format(n=3), route="sql")
    frozen = scene.runs_on(turn, "sql")
    until(lambda: scene.statements()[f"{turn}:1"], 10)

    scene.signal(frozen, signal.SIGSTOP)
    until(lambda: kit.look("SELECT 1 FROM switchyard_artifact WHERE turn_id = :t", t=turn), 60)
    before = artifacts(turn)
    scene.signal(frozen, signal.SIGCONT)
    until(lambda: any(line["event"] == LOST for line in about(scene.stack, frozen, turn)), 20)
    row = told_once(desk, turn)

    assert row["fence"] == 2
    assert scene.statements() == {f"{turn}:1": 1, f"{turn}:2": 1}
    assert artifacts(turn) == before
    assert len(before) == 1
    assert desk.types(turn).count("artifact.ready") == 1
    assert outcomes(turn)[:2] == [("sql", 1, "lost", frozen), ("llm", 1, "skipped", "")]


def test_a_worker_that_was_frozen_takes_work_again(scene: Scene, anna: Person) -> None:
    desks = scene.desks(anna, 24)
    turns = [desk.ask(QUESTIONS["chat"].format(n=n), route="chat") for n, desk in enumerate(desks)]

    rows = [told_once(desk, turn) for desk, turn in zip(desks, turns, strict=True)]

    assert {row["fence"] for row in rows} == {1}
    assert {worker for turn in turns for _, _, _, worker in outcomes(turn)} == set(LLM)


def attempts_told(scene: Scene, turn: str) -> list[int]:
    """Return the attempts that the log's frames of a turn belong to, in order."""
    where = str(kit.turn_row(turn)["conversation_id"])
    frames = kit.frames(scene.redis, scene.keys, where)
    return [f["data"]["attempt"] for f in frames if f["data"].get("turn") == turn and "attempt" in f["data"]]


def artifacts(turn: str) -> list[dict[str, Any]]:
    return [dict(row) for row in kit.look("SELECT * FROM switchyard_artifact WHERE turn_id = :t", t=turn)]


def outcomes(turn: str) -> list[tuple[str, int, str, str]]:
    """Return (hop, fence, state, worker) of every stage, in order."""
    rows = kit.look(
        "SELECT hop, fence, state, worker FROM switchyard_stage WHERE turn_id = :t ORDER BY fence, place", t=turn
    )
    return [(r["hop"], r["fence"], r["state"], str(r["worker"] or "").partition("@")[0]) for r in rows]


def other_of(pair: tuple[str, str], one: str) -> str:
    return pair[1 - pair.index(one)]
