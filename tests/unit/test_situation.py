"""What an operator is told of an hour in which questions went unanswered."""

from __future__ import annotations

import pytest

from orchestrator.control.situation import Situation
from orchestrator.queues import QUEUES


def worries(answered: int, failed: int, no_answer: int = 0) -> list[str]:
    runs = [{"role": role, "queues": list(QUEUES)} for role in ("gateway", "dispatcher", "beat")]
    figures = {"answered": answered, "failed": failed, "no_answer": no_answer}
    return Situation(processes=runs, lines=[], figures=figures).worries()


@pytest.mark.parametrize(("answered", "failed"), [(0, 0), (0, 4), (100, 11), (1_000, 20)])
def test_few_failures_are_no_worry(answered: int, failed: int) -> None:
    assert worries(answered, failed) == []


def test_many_failures_are_and_why_is_told_apart() -> None:
    (mixed,) = worries(35, 57, no_answer=50)
    (unknown,) = worries(35, 57, no_answer=57)

    assert mixed.startswith(
        "57 of 92 questions in the last hour got no answer: 7 by an error, 50 because none is known"
    )
    assert "none is known" in unknown
    assert "logs" not in unknown
