"""Stops and deadlines down to the bottom: what a turn ran in other people's servers is over when the turn is."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import psycopg2
import pytest
from pytest_django.plugin import DjangoDbBlocker

from orchestrator.chat.wake import signal_cancel
from orchestrator.engines.llm_fake_server import Behaviour, FakeServer
from tests.drill.scene import QUESTIONS, Scene, give_policy, set_scene, told_once
from tests.integration.core import kit
from tests.integration.core.workers import Desk, until

pytestmark = [pytest.mark.drill, pytest.mark.timeout(240)]
#: A question whose statement takes the view's full three seconds.
SLOW_SQL = QUESTIONS["sql"].format(n=31)
SEARCHES = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE '%live AS MAT%'"


@dataclass(frozen=True, slots=True, kw_only=True)
class Bottom:
    """A running scene, and looks into the servers below it."""

    scene: Scene
    writer: FakeServer
    desk: Desk

    def statements(self, turn: str) -> list[str]:
        """Return what the company's server wrote down of a turn's statements: `begin`, and `end` for a whole one."""
        log = self.scene.company.server.log.read_text(errors="replace")
        return re.findall(rf"ledger (begin|end) switchyard:{turn}:", log)

    def requests(self, turn: str) -> list[tuple[bool, bool]]:
        """Return of each request for a turn's answer whether it is over and whether it went out whole."""
        return [(one.over, one.whole) for one in self.writer.asked if one.key.startswith(turn)]

    def searches(self) -> int:
        """Return how many searches for passages wait in the server."""
        return int(kit.look(SEARCHES)[0]["count"])


@pytest.fixture(scope="module")
def bottom(tmp_path_factory: pytest.TempPathFactory, django_db_blocker: DjangoDbBlocker) -> Iterator[Bottom]:
    folder: Path = tmp_path_factory.mktemp("stops")
    with (
        django_db_blocker.unblock(),
        FakeServer(behaviour=Behaviour.SLOW, answer="word " * 200, pace_s=0.05) as writer,
        set_scene(folder, SWITCHYARD_LLM_BASE_URL=writer.base_url, SWITCHYARD_LLM_MODEL="slow") as scene,
    ):
        anna = kit.person()
        scene.give_warehouse(anna)
        give_policy(anna)
        scene.start("dispatcher-0", "worker-gpu-0", "worker-sql-0", "worker-rag-0", "worker-llm-0")
        yield Bottom(scene=scene, writer=writer, desk=scene.desks(anna, 1)[0])


@pytest.fixture
def locked_index(bottom: Bottom) -> Iterator[None]:
    """Hold the passages locked, so that a search lasts."""
    with closing(psycopg2.connect(bottom.scene.servers.database_url)) as holder, holder.cursor() as cursor:
        cursor.execute("LOCK TABLE switchyard_chunk IN ACCESS EXCLUSIVE MODE")
        yield


def test_a_stop_ends_the_companys_statement(bottom: Bottom) -> None:
    turn = bottom.desk.ask(SLOW_SQL, route="sql")
    until(lambda: bottom.statements(turn) == ["begin"], 30)

    bottom.desk.cancel(turn)

    row = bottom.desk.until_ended(turn)
    assert (row["state"], row["reached"]) == ("cancelled", ["sql"])
    # One that is let run ends 3 s after it began: the next question's turn takes longer than that.
    assert_whole(bottom, bottom.desk.ask(SLOW_SQL, route="sql", deadline_ms=60_000))
    assert bottom.statements(turn) == ["begin"]


def assert_whole(bottom: Bottom, turn: str) -> None:
    until(lambda: bottom.statements(turn) == ["begin", "end"], 30)
    until(lambda: bottom.requests(turn), 30)
    bottom.desk.cancel(turn)
    bottom.desk.until_ended(turn)


def test_a_stop_closes_the_models_stream(bottom: Bottom) -> None:
    turn = bottom.desk.ask("hello", route="chat")
    bottom.desk.until_streaming(turn)

    bottom.desk.cancel(turn)

    row = bottom.desk.until_ended(turn)
    assert (row["state"], row["reached"]) == ("cancelled", ["llm"])
    until(lambda: bottom.requests(turn) == [(True, False)], 5)


@pytest.mark.usefixtures("locked_index")
def test_a_stop_ends_the_search_for_passages(bottom: Bottom) -> None:
    turn = bottom.desk.ask(QUESTIONS["rag"].format(n=1), route="rag")
    until(lambda: bottom.searches() == 1, 30)

    bottom.desk.cancel(turn)

    row = bottom.desk.until_ended(turn)
    assert (row["state"], row["reached"]) == ("cancelled", ["sql"])
    assert bottom.searches() == 0


def test_a_stop_of_what_waits_runs_nothing_of_it(bottom: Bottom) -> None:
    first = bottom.desk.ask("hello", route="chat")
    bottom.desk.until_streaming(first)
    waits = bottom.desk.ask(SLOW_SQL, route="sql")

    bottom.desk.cancel(waits)

    row = bottom.desk.until_ended(waits)
    bottom.desk.cancel(first)
    bottom.desk.until_ended(first)
    assert (row["state"], row["reached"]) == ("cancelled", ["queued"])
    assert kit.stages(waits) == {"sql": "skipped", "llm": "skipped"}
    assert bottom.statements(waits) == []


def sql_is_over(bottom: Bottom, turn: str) -> bool:
    return bottom.statements(turn) == ["begin"]


def stream_is_over(bottom: Bottom, turn: str) -> bool:
    return bottom.requests(turn) == [(True, False)]


@pytest.mark.parametrize(
    ("text", "route", "over"),
    [(SLOW_SQL, "sql", sql_is_over), ("hello", "chat", stream_is_over)],
)
def test_at_the_deadline_the_stage_fails_and_its_work_is_over(
    bottom: Bottom, text: str, route: str, over: Callable[[Bottom, str], bool]
) -> None:
    turn = bottom.desk.ask(text, route=route, deadline_ms=2_000)

    row = bottom.desk.until_ended(turn)

    assert (row["state"], row["error_code"]) == ("failed", "deadline_exceeded")
    # The stage itself ended it; the dispatcher's sweep, which would come two seconds later, had nothing to do.
    assert "failed" in kit.stages(turn).values()
    until(lambda: over(bottom, turn), 5)


@pytest.mark.usefixtures("locked_index")
def test_at_the_deadline_a_search_is_over(bottom: Bottom) -> None:
    turn = bottom.desk.ask(QUESTIONS["rag"].format(n=2), route="rag", deadline_ms=2_000)

    row = bottom.desk.until_ended(turn)

    assert (row["state"], row["error_code"]) == ("failed", "deadline_exceeded")
    assert kit.stages(turn)["rag"] == "failed"
    until(lambda: bottom.searches() == 0, 5)


def test_a_stop_that_comes_again_later_leaves_the_next_turn_alone(bottom: Bottom) -> None:
    first = bottom.desk.ask(SLOW_SQL, route="sql")
    until(lambda: bottom.statements(first) == ["begin"], 30)
    bottom.desk.cancel(first)
    bottom.desk.until_ended(first)
    bottom.writer.answer = "A short answer."

    second = bottom.desk.ask(QUESTIONS["sql"].format(n=28), route="sql")
    for _ in range(20):
        # Redis may deliver late, and the relay of some proxy twice.
        signal_cancel(bottom.desk.redis, bottom.desk.keys, first)
        bottom.desk.frames()

    row = told_once(bottom.desk, second)
    bottom.writer.answer = "word " * 200
    assert row["answer"] == "A short answer."
