"""Hosts whose clocks differ by a minute: leases, waits and deadlines keep to the database's clock.

Monotonic clocks stay what they are, as between real hosts.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import pytest
from pytest_django.plugin import DjangoDbBlocker

from tests.drill.scene import QUESTIONS, Scene, set_scene, told_once
from tests.integration.core import kit
from tests.integration.core.kit import Person
from tests.integration.core.workers import lines

LIBRARY = Path("/usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1")
pytestmark = [
    pytest.mark.drill,
    pytest.mark.timeout(240),
    pytest.mark.skipif(not LIBRARY.exists(), reason="libfaketime is not installed"),
]
WRITERS = ("worker-llm-0", "worker-llm-1")
#: Less than the clocks differ by.
DEADLINE_MS = 50_000
#: Less than an answer takes.
LEAST_MS = 1_000


def clock(seconds: int) -> dict[str, str]:
    """Return the environment of a process whose clock is so far ahead."""
    return {
        "LD_PRELOAD": str(LIBRARY),
        "FAKETIME": f"{seconds:+d}s",
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        # Shared memory would bind a process to whoever started it.
        "FAKETIME_DISABLE_SHM": "1",
        "PYTHONPATH": str(Path(__file__).with_name("faked_clock")),
    }


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory, django_db_blocker: DjangoDbBlocker) -> Iterator[Scene]:
    folder: Path = tmp_path_factory.mktemp("clocks")
    bent = {"BENT_PAUSES": "classify=0.5 sql=0.5"}
    with django_db_blocker.unblock(), set_scene(folder, SWITCHYARD_LLM_SCRIPT="pieces=40 pace_s=0.05") as made:
        made.start("dispatcher-0", **clock(60))
        made.start("worker-gpu-0", "worker-llm-0", **bent, **clock(60))
        made.start("worker-sql-0", "worker-llm-1", **bent, **clock(-60))
        yield made


@pytest.fixture
def anna(scene: Scene) -> Person:
    return kit.person()


def test_the_clocks_really_differ_by_a_minute_each_way(scene: Scene) -> None:
    now = kit.look("SELECT extract(epoch FROM clock_timestamp()) AS s")[0]["s"]

    told = {key: said_at_s(scene, key) - float(now) for key in ("dispatcher-0", "worker-llm-0", "worker-llm-1")}

    assert {key: round(ahead_s / 60) for key, ahead_s in told.items()} == {
        "dispatcher-0": 1,
        "worker-llm-0": 1,
        "worker-llm-1": -1,
    }


def test_turns_complete_in_time_on_workers_of_any_clock_and_say_how_long_each_step_took(
    scene: Scene, anna: Person
) -> None:
    scene.give_warehouse(anna)
    desks = scene.desks(anna, 9)
    began_s = time.monotonic()

    turns = [
        desk.ask(QUESTIONS["sql" if n % 3 == 0 else "chat"].format(n=n), deadline_ms=DEADLINE_MS)
        for n, desk in enumerate(desks)
    ]
    rows = [told_once(desk, turn) for desk, turn in zip(desks, turns, strict=True)]
    took_ms = (time.monotonic() - began_s) * 1000

    assert {row["fence"] for row in rows} == {1}
    steps = [step for row in rows for step in row["timeline"]["stages"]]
    assert {step["worker"].partition("@")[0] for step in steps} == {"worker-gpu-0", "worker-sql-0", *WRITERS}
    assert all(0 <= step["queue_wait_ms"] <= took_ms and 450 <= step["duration_ms"] <= took_ms for step in steps)
    assert all(0 < row["timeline"]["total_ms"] <= took_ms for row in rows)
    assert all(0 <= (row["ended_at"] - row["created_at"]).total_seconds() * 1000 <= took_ms for row in rows)


def test_nobody_is_taken_for_dead(scene: Scene) -> None:
    # Longer than a lease, in which a clock a minute behind would have been judged.
    time.sleep(8)

    took_over = [line for line in lines(scene.stack, "dispatcher-0") if line["event"] == "turn taken over"]

    assert took_over == []
    assert kit.look("SELECT 1 FROM switchyard_stage WHERE state = 'lost'") == []
    silent = kit.look("SELECT name FROM switchyard_process WHERE abs(extract(epoch FROM now() - seen_at)) > 6")
    assert silent == []


def test_a_deadline_passes_when_it_should_on_either_clock(scene: Scene, anna: Person) -> None:
    desks = scene.desks(anna, 12)
    turns = [desk.ask("hello", route="chat", deadline_ms=LEAST_MS) for desk in desks]

    rows = [desk.until_ended(turn, 60) for desk, turn in zip(desks, turns, strict=True)]

    assert {(row["state"], row["error_code"]) for row in rows} == {("failed", "deadline_exceeded")}
    lived_s = [(row["ended_at"] - row["created_at"]).total_seconds() for row in rows]
    assert min(lived_s) >= LEAST_MS / 1000 - 0.3
    # A clock that is a minute behind would have given it that minute.
    assert max(lived_s) < 30
    ran_on = kit.look("SELECT DISTINCT worker FROM switchyard_stage WHERE turn_id = ANY(:turns)", turns=turns)
    assert {str(row["worker"]).partition("@")[0] for row in ran_on} >= set(WRITERS)


def said_at_s(scene: Scene, key: str) -> float:
    """Return the time, by its own clock, at which a process logged its last line, taken back to now by its file."""
    last = lines(scene.stack, key)[-1]["timestamp"]
    written_s = (scene.stack.logs / f"{key}.log").stat().st_mtime
    return datetime.fromisoformat(last).timestamp() + time.time() - written_s
