"""Retry waits, deadlines, and stops that reach the bottom."""

from __future__ import annotations

import random
import threading
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.errors import DeadlineExceededError
from orchestrator.resilience.deadline import Deadline
from orchestrator.resilience.retry import next_delay_s
from orchestrator.resilience.stop import Stop
from orchestrator.resilience.stop_registry import StopRegistry

delays = st.floats(min_value=0.001, max_value=1_000, allow_nan=False)


@given(previous_s=st.floats(min_value=0, max_value=10_000), base_s=delays, cap_s=delays, seed=st.integers())
def test_a_wait_lies_between_base_and_cap(previous_s: float, base_s: float, cap_s: float, seed: int) -> None:
    wait_s = next_delay_s(previous_s, base_s=base_s, cap_s=cap_s, rng=random.Random(seed))

    assert min(base_s, cap_s) <= wait_s <= cap_s


@given(previous_s=delays, base_s=delays, seed=st.integers())
def test_a_wait_is_at_most_three_times_the_last(previous_s: float, base_s: float, seed: int) -> None:
    wait_s = next_delay_s(previous_s, base_s=base_s, cap_s=1e9, rng=random.Random(seed))

    assert wait_s <= max(base_s, 3 * previous_s) * 1.000001


def test_waits_of_two_callers_differ() -> None:
    rng = random.Random(7)

    waits = {next_delay_s(1.0, base_s=0.1, cap_s=60, rng=rng) for _ in range(20)}

    assert len(waits) == 20


def test_a_deadline_counts_down_and_stops_at_zero() -> None:
    deadline = Deadline.after_ms(20)
    time.sleep(0.03)

    assert deadline.remaining_s() == 0.0


def test_a_deadline_lets_start_what_fits() -> None:
    deadline = Deadline.after_ms(10_000)

    deadline.require(1.0, stage="sql")

    assert deadline.remaining_s() > 1.0


def test_a_deadline_refuses_what_does_not_fit_and_says_how_much_is_left() -> None:
    with pytest.raises(DeadlineExceededError) as caught:
        Deadline.after_ms(500).require(1.0, stage="sql")

    assert caught.value.stage == "sql"
    assert 0 < caught.value.remaining_ms <= 500


def test_a_stop_runs_its_callback_once() -> None:
    stop, calls = Stop(), list[int]()
    with stop.interrupts(lambda: calls.append(1)):
        stop.set()
        stop.set()

    assert calls == [1]


def test_a_stop_that_came_before_runs_the_callback_at_once() -> None:
    stop, calls = Stop(), list[int]()
    stop.set()

    with stop.interrupts(lambda: calls.append(1)):
        seen = list(calls)

    assert seen == [1]


def test_a_callback_is_forgotten_when_its_block_ends() -> None:
    stop, calls = Stop(), list[int]()
    with stop.interrupts(lambda: calls.append(1)):
        pass

    stop.set()

    assert calls == []


def test_a_callback_is_forgotten_when_its_block_raises() -> None:
    stop, calls = Stop(), list[int]()
    with pytest.raises(RuntimeError), stop.interrupts(lambda: calls.append(1)):
        raise RuntimeError

    stop.set()

    assert calls == []


def test_waiting_for_a_stop_ends_with_it() -> None:
    stop = Stop()
    threading.Timer(0.02, stop.set).start()

    began_s = time.monotonic()
    came = stop.wait(5)

    assert came
    assert time.monotonic() - began_s < 1


def _enter_and_leave(stop: Stop, calls: list[int], gate: threading.Barrier) -> None:
    gate.wait()
    with stop.interrupts(lambda: calls.append(1)):
        pass


def test_no_callback_runs_twice_or_after_its_block_however_threads_race() -> None:
    wrong = []
    for _ in range(100):  # the race itself
        stop, calls, gate = Stop(), list[int](), threading.Barrier(3)
        threads = [threading.Thread(target=_enter_and_leave, args=(stop, calls, gate)) for _ in range(2)]
        for thread in threads:
            thread.start()
        gate.wait()
        stop.set()
        for thread in threads:
            thread.join()
        wrong += [calls] if len(calls) > 2 else []

    assert wrong == []


def test_a_registry_stops_what_runs_under_a_name() -> None:
    registry = StopRegistry()
    with registry.running("trn_1") as mine, registry.running("trn_2") as other:
        reached = registry.stop("trn_1")
        state = (mine.is_set(), other.is_set())

    assert reached
    assert state == (True, False)


def test_a_registry_stops_every_stage_of_one_turn() -> None:
    registry = StopRegistry()
    with registry.running("trn_1") as first, registry.running("trn_1") as second:
        registry.stop("trn_1")
        state = (first.is_set(), second.is_set())

    assert state == (True, True)


def test_a_registry_forgets_what_has_left() -> None:
    registry = StopRegistry()
    with registry.running("trn_1"):
        during = registry.names()

    assert during == ["trn_1"]
    assert registry.names() == []
    assert registry.stop("trn_1") is False


def test_a_stop_for_a_stranger_reaches_nothing() -> None:
    assert StopRegistry().stop("trn_9") is False


def test_one_stage_that_leaves_does_not_take_its_sibling_along() -> None:
    registry = StopRegistry()
    with registry.running("trn_1") as stays:
        with registry.running("trn_1"):
            pass
        registry.stop("trn_1")
        reached = stays.is_set()

    assert reached


def test_whoever_leaves_stops_everything_and_says_so() -> None:
    registry = StopRegistry()
    with registry.running("trn_1") as first, registry.running("job_1") as second:
        stopped = registry.leave()

    assert stopped == 2
    assert [(stop.is_set(), stop.leaving) for stop in (first, second)] == [(True, True), (True, True)]


def test_what_begins_after_leaving_is_stopped_at_once() -> None:
    registry = StopRegistry()
    registry.leave()

    with registry.running("trn_1") as stop:
        state = (stop.is_set(), stop.leaving)

    assert state == (True, True)


def test_a_users_stop_that_came_first_is_no_leaving() -> None:
    registry = StopRegistry()
    with registry.running("trn_1") as stop:
        registry.stop("trn_1")
        registry.leave()

    assert stop.is_set()
    assert not stop.leaving


def test_a_users_stop_that_comes_later_does_not_hide_the_leaving() -> None:
    registry = StopRegistry()
    with registry.running("trn_1") as stop:
        registry.leave()
        registry.stop("trn_1")

    assert stop.leaving


def _fail() -> None:
    raise RuntimeError("the connection is gone")


def test_an_interrupt_that_fails_does_not_keep_the_others() -> None:
    registry = StopRegistry()
    with registry.running("trn_1") as broken, registry.running("trn_2") as other, broken.interrupts(_fail):
        registry.leave()

    assert other.leaving
