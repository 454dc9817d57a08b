"""The breaker of one process: silence counts as failure, any answer closes it, the heartbeat always passes."""

from __future__ import annotations

import pytest
from sqlalchemy.exc import DBAPIError

from orchestrator.errors import BreakerOpenError
from orchestrator.resilience.breaker_local import STORE_POLICY, LocalBreaker, vital
from orchestrator.store.breaking import is_away


class Clock:
    """Time as the test tells it."""

    def __init__(self) -> None:
        self.now_s = 1_000.0

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def breaker(clock: Clock) -> LocalBreaker:
    return LocalBreaker("redis", dependency="redis", policy=STORE_POLICY, silent_s=1.0, clock=clock)


def opened(breaker: LocalBreaker) -> LocalBreaker:
    for _ in range(STORE_POLICY.failures):
        breaker.enter().failed()
    return breaker


def passes(breaker: LocalBreaker) -> bool:
    try:
        breaker.enter()
    except BreakerOpenError:
        return False
    return True


def test_failures_in_a_row_open_it_and_good_calls_between_them_do_not(breaker: LocalBreaker) -> None:
    for _ in range(50):
        breaker.enter().failed()
        breaker.enter().failed()
        breaker.enter().ok()

    assert passes(breaker)
    assert not passes(opened(breaker))


def test_calls_that_say_nothing_never_open_it(breaker: LocalBreaker) -> None:
    for _ in range(50):
        breaker.enter().dropped()

    assert passes(breaker)


def test_after_its_cool_down_one_call_passes(breaker: LocalBreaker, clock: Clock) -> None:
    opened(breaker)
    clock.now_s += 0.26

    assert [passes(breaker) for _ in range(3)] == [True, False, False]


def test_the_cool_down_never_exceeds_a_second(breaker: LocalBreaker, clock: Clock) -> None:
    opened(breaker)
    for _ in range(50):
        clock.now_s += 1.001
        breaker.enter().failed()

    assert 0 < breaker.next_probe_s() <= 1.0


def test_any_answer_closes_it(breaker: LocalBreaker) -> None:
    early = breaker.enter()
    opened(breaker)

    early.ok()

    assert passes(breaker)


def test_a_held_call_makes_the_next_one_the_probe_and_refuses_the_rest(breaker: LocalBreaker, clock: Clock) -> None:
    breaker.enter()
    clock.now_s += 1.1
    noticed = passes(breaker)
    clock.now_s += 0.3
    probe = breaker.enter()

    assert (noticed, probe.is_probe, passes(breaker)) == (True, True, False)


def test_one_that_wakes_up_reads_its_answers_before_it_judges(breaker: LocalBreaker, clock: Clock) -> None:
    # SIGSTOP for 20 s: the call's answer came long ago, and its thread is about to read it.
    held = breaker.enter()
    clock.now_s += 20
    first = passes(breaker)
    held.ok()
    clock.now_s += 0.3

    assert (first, passes(breaker), passes(breaker)) == (True, True, True)


def test_a_slow_call_among_quick_ones_is_not_silence(breaker: LocalBreaker, clock: Clock) -> None:
    breaker.enter()
    for _ in range(20):
        clock.now_s += 0.5
        breaker.enter().ok()

    assert breaker.record.state == "closed"


def test_a_held_call_that_comes_back_closes_it(breaker: LocalBreaker, clock: Clock) -> None:
    held = breaker.enter()
    clock.now_s += 1.1
    passes(breaker)
    clock.now_s += 0.3
    breaker.enter()

    held.ok()

    assert passes(breaker)


def test_a_held_probe_is_replaced_after_its_lease(breaker: LocalBreaker, clock: Clock) -> None:
    opened(breaker)
    clock.now_s += 0.3
    breaker.enter()
    clock.now_s += STORE_POLICY.probe_ms / 1000

    assert breaker.enter().is_probe


def test_a_heartbeat_passes_an_open_one_and_closes_it(breaker: LocalBreaker) -> None:
    opened(breaker)
    with vital():
        beat = breaker.enter()
    before = passes(breaker)

    beat.ok()

    assert (before, passes(breaker)) == (False, True)


@pytest.mark.parametrize(
    ("code", "away"),
    [
        ("57014", False),  # ran too long
        ("55P03", False),  # met a lock
        ("40P01", False),  # deadlock
        ("53300", False),  # no free place
        ("57P01", True),  # it shuts down
        ("57P03", True),  # it starts
        ("08006", True),
        ("23505", False),
        (None, True),
    ],
)
def test_only_what_says_that_the_server_is_away_counts(code: str | None, away: bool) -> None:
    class OperationalError(Exception):
        pgcode = code

    assert is_away(DBAPIError("SELECT 1", {}, OperationalError())) is away
