"""When silence means death, and how long a wait is likely to be: the pure parts of the sweeper."""

from __future__ import annotations

import pytest

from orchestrator.control.judge import Judge
from orchestrator.control.waiting import expected_wait_ms, reason_of


def watched(*looks_s: float) -> Judge:
    judge = Judge()
    for at_s in looks_s:
        judge.saw(at_s)
    return judge


def test_nobody_is_judged_before_a_lease_of_watching() -> None:
    assert not watched(0, 1, 2, 3, 4, 5).may_judge(5.5)


def test_after_a_lease_of_watching_silence_is_death() -> None:
    assert watched(0, 1, 2, 3, 4, 5, 6).may_judge(6.5)


def test_a_break_in_the_watching_begins_the_lease_anew() -> None:
    # The machine was paused, or the database: every heartbeat is old, and nobody is dead for it.
    assert not watched(0, 1, 2, 3, 4, 5, 6, 60).may_judge(60.5)


def test_a_judge_who_was_frozen_does_not_judge_on_waking_up() -> None:
    assert not watched(0, 1, 2, 3, 4, 5, 6).may_judge(20)


def test_losing_sight_of_the_database_begins_the_lease_anew() -> None:
    judge = watched(0, 1, 2, 3, 4, 5, 6)

    judge.lose_sight()
    judge.saw(7)

    assert not judge.may_judge(7.5)


@pytest.mark.parametrize(
    ("position", "slots", "mean_ms", "expected_ms"),
    [(1, 1, 1_000.0, 1_000), (8, 4, 500.0, 1_000), (3, 16, 100.0, 19), (5, 0, 100.0, None), (5, 4, 0.0, None)],
)
def test_a_wait_is_the_place_over_the_rate_of_service(
    position: int, slots: int, mean_ms: float, expected_ms: int | None
) -> None:
    assert expected_wait_ms(position, slots=slots, mean_ms=mean_ms) == expected_ms


def test_behind_an_earlier_question_of_the_conversation_that_is_the_reason() -> None:
    assert reason_of({"ahead_here": 2, "queue": "gpu", "position": 7}) == ("conversation", 3)


def test_else_the_queue_is_the_reason() -> None:
    assert reason_of({"ahead_here": 0, "queue": "llm", "position": 7}) == ("llm", 7)
