from __future__ import annotations

import threading
import time

import pytest
import structlog

from orchestrator.resilience.bounded import PATIENCE_S, bounded
from orchestrator.resilience.stop import Stop


def later(stop: Stop) -> threading.Thread:
    thread = threading.Timer(0.05, stop.set)
    thread.start()
    return thread


def test_what_the_work_gives_comes_back() -> None:
    assert bounded(lambda _: 7, stop=Stop(), limit_s=5, name="x") == 7


def test_what_the_work_raises_comes_back() -> None:
    def fail(_: Stop) -> None:
        raise KeyError("k")

    with pytest.raises(KeyError):
        bounded(fail, stop=Stop(), limit_s=5, name="x")


def test_a_stop_reaches_the_work_which_may_still_say_how_it_ended() -> None:
    stop = Stop()
    later(stop)

    assert bounded(lambda inner: inner.wait(5) and "ended", stop=stop, limit_s=5, name="x") == "ended"


def test_the_limit_reaches_the_work_and_not_the_caller() -> None:
    stop = Stop()

    ended = bounded(lambda inner: inner.wait(5), stop=stop, limit_s=0.05, name="x")

    assert ended
    assert not stop.is_set()


@pytest.mark.parametrize("how", ["stop", "limit"])
def test_deaf_work_is_left_behind(how: str) -> None:
    stop, deaf, began_s = Stop(), threading.Event(), time.monotonic()
    if how == "stop":
        later(stop)

    with pytest.raises(TimeoutError):
        bounded(lambda _: deaf.wait(30), stop=stop, limit_s=30 if how == "stop" else 0.05, name="x")

    deaf.set()
    assert time.monotonic() - began_s < 10


def test_nobody_waits_for_work_that_has_not_reached_the_bottom() -> None:
    stop, deaf, began_s = Stop(), threading.Event(), time.monotonic()
    stop.set()

    with pytest.raises(TimeoutError):
        bounded(lambda _: deaf.wait(30), stop=stop, limit_s=30, name="x", worth_waiting=lambda: False)

    deaf.set()
    assert time.monotonic() - began_s < PATIENCE_S


def test_the_works_log_lines_name_the_turn_too() -> None:
    with structlog.contextvars.bound_contextvars(turn="trn_1"):
        seen = bounded(lambda _: structlog.contextvars.get_contextvars(), stop=Stop(), limit_s=5, name="x")

    assert seen == {"turn": "trn_1"}
