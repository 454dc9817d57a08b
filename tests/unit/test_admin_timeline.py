from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from orchestrator.admin.timeline import Bar, Span, bars, duration

BEGAN = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)


def at(ms: int) -> datetime:
    return BEGAN + timedelta(milliseconds=ms)


def a_span(ready: int, started: int | None, ended: int | None, state: str = "done") -> Span:
    return Span(
        label="sql", queue="sql", worker="w", state=state, ready_at=at(ready),
        started_at=None if started is None else at(started), ended_at=None if ended is None else at(ended),
    )  # fmt: skip


def one(span: Span, *, ended: int | None = 1_000, now: int = 5_000) -> Bar:
    return bars([span], began=BEGAN, ended=None if ended is None else at(ended), now=at(now))[0]


def test_a_bar_shows_the_wait_and_then_the_work() -> None:
    bar = one(a_span(100, 300, 800))

    assert (bar.wait_left, bar.wait_width, bar.run_left, bar.run_width) == (10, 20, 30, 50)
    assert (bar.waited, bar.ran) == ("200 ms", "500 ms")


def test_what_runs_reaches_until_now() -> None:
    bar = one(a_span(0, 1_000, None, "running"), ended=None, now=2_000)

    assert (bar.run_left, bar.run_width, bar.tone) == (50, 50, "running")


def test_what_nobody_began_only_waits() -> None:
    bar = one(a_span(500, None, 1_000, "skipped"))

    assert (bar.wait_width, bar.run_width, bar.ran, bar.tone) == (50, 0, None, "stopped")


def test_the_shortest_work_can_be_seen_and_stays_inside() -> None:
    bar = one(a_span(1_000, 1_000, 1_000))

    assert bar.run_width > 0
    assert bar.run_left + bar.run_width <= 100


@pytest.mark.parametrize(("ms", "text"), [(0, "0 ms"), (999, "999 ms"), (1_240, "1.24 s"), (379_000, "6.3 min")])
def test_durations_are_written_as_people_read_them(ms: int, text: str) -> None:
    assert duration(ms) == text
