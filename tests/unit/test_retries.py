"""When a failed call is made again, and how many of them a process may make."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.errors import (
    BreakerOpenError,
    DependencyDownError,
    EngineError,
    OverLimitError,
    StoreDownError,
)
from orchestrator.pipeline.retrying import wait_before_next
from orchestrator.resilience.retry_budget import RetryBudget, RetryBudgets


def down(*, told_ms: int | None = None) -> DependencyDownError:
    return DependencyDownError("x", dependency="llm", retry_after_ms=told_ms)


def wait_s(
    error: DependencyDownError | EngineError, *, attempt: int = 1, delay_s: float = 0.4, left_s: float = 60
) -> float | None:
    return wait_before_next(error, attempt=attempt, delay_s=delay_s, left_s=left_s)


@pytest.mark.parametrize(
    "error", [down(), StoreDownError("x", dependency="database"), EngineError("x", engine="e", transient=True)]
)
def test_what_may_pass_is_tried_again_after_our_own_wait(error: DependencyDownError | EngineError) -> None:
    assert wait_s(error) == 0.4


@pytest.mark.parametrize(
    "error", [EngineError("x", engine="e"), BreakerOpenError("x", dependency="llm", retry_after_ms=10)]
)
def test_what_will_not_pass_is_not_tried_again(error: DependencyDownError | EngineError) -> None:
    assert wait_s(error) is None


def test_the_third_try_is_the_last() -> None:
    assert (wait_s(down(), attempt=2), wait_s(down(), attempt=3)) == (0.4, None)


def test_what_we_are_told_to_wait_is_the_floor() -> None:
    assert wait_s(OverLimitError("x", dependency="llm", retry_after_ms=7_000)) == pytest.approx(7.1)


def test_a_told_wait_shorter_than_ours_changes_nothing() -> None:
    assert wait_s(down(told_ms=50)) == 0.4


def test_a_wait_longer_than_a_place_may_be_held_is_left_to_the_user() -> None:
    assert wait_s(down(told_ms=11_000)) is None


@pytest.mark.parametrize(("left_s", "waits"), [(1.39, False), (1.4, True)])
def test_a_try_needs_a_second_after_its_wait(left_s: float, waits: bool) -> None:
    assert (wait_s(down(), left_s=left_s) is not None) is waits


def test_a_told_wait_that_the_deadline_does_not_allow_is_not_begun() -> None:
    assert wait_s(down(told_ms=5_000), left_s=5.5) is None


def test_an_outage_is_not_asked_three_times_as_much() -> None:
    budget = RetryBudget(share=0.2, reserve=10)

    retries = 0
    for _ in range(1_000):  # calls that fail and want two retries each
        budget.earn()
        retries += budget.spend() + budget.spend()

    assert 200 <= retries <= 210


@given(st.lists(st.sampled_from(["earn", "spend"]), max_size=300))
def test_no_course_gets_more_than_the_reserve_and_the_share(course: list[str]) -> None:
    budget = RetryBudget(share=0.1, reserve=3)

    spent = sum(bool(getattr(budget, step)()) for step in course)

    assert spent <= 3 + 0.1 * course.count("earn") + 1e-6


def test_a_reserve_that_is_spent_comes_back_with_calls() -> None:
    budget = RetryBudget(share=0.2, reserve=1)
    budget.spend()
    before = budget.spend()

    for _ in range(5):
        budget.earn()

    assert (before, budget.spend()) == (False, True)


def test_one_dependencys_outage_leaves_anothers_budget_alone() -> None:
    budgets = RetryBudgets(reserve=2)
    spent = [budgets.spend("llm") for _ in range(3)]

    assert (spent, budgets.spend("warehouse")) == ([True, True, False], True)
