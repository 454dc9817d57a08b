"""A turn's time as bars: what it waited for and what worked on it. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

#: Narrower than this, a bar could not be seen.
_LEAST_PERCENT = 0.4

Tone = Literal["running", "done", "failed", "stopped"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """One stage of a turn as its row tells it."""

    label: str
    queue: str
    worker: str
    state: str
    ready_at: datetime
    started_at: datetime | None
    ended_at: datetime | None
    summary: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Bar:
    """A stage as it is drawn; places and widths are percents of the whole."""

    label: str
    queue: str
    worker: str
    summary: str
    tone: Tone
    wait_left: float
    wait_width: float
    run_left: float
    run_width: float
    waited: str
    #: None: nobody has begun.
    ran: str | None


def bars(spans: Sequence[Span], *, began: datetime, ended: datetime | None, now: datetime) -> list[Bar]:
    """Return a bar for each stage, in the order given; what has not ended reaches until now."""
    until = ended or now
    whole_ms = max(1.0, _ms(began, until))
    drawn = []
    for span in spans:
        start = span.started_at or until
        end = span.ended_at or until
        wait_ms = max(0.0, _ms(span.ready_at, start))
        run_ms = max(0.0, _ms(start, end)) if span.started_at else None
        wait_left = _percent(_ms(began, span.ready_at), whole_ms)
        run_left = _percent(_ms(began, start), whole_ms)
        drawn.append(
            Bar(
                label=span.label,
                queue=span.queue,
                worker=span.worker,
                summary=span.summary,
                tone=_tone(span.state),
                wait_left=wait_left,
                wait_width=min(_percent(wait_ms, whole_ms), 100 - wait_left),
                run_left=min(run_left, 100 - _LEAST_PERCENT),
                run_width=0.0
                if run_ms is None
                else min(max(_LEAST_PERCENT, _percent(run_ms, whole_ms)), max(_LEAST_PERCENT, 100 - run_left)),
                waited=duration(wait_ms),
                ran=None if run_ms is None else duration(run_ms),
            )
        )
    return drawn


def duration(ms: float) -> str:
    """Return a duration as people read it: milliseconds below a second, seconds below two minutes, then minutes."""
    if ms < 1_000:
        return f"{ms:.0f} ms"
    if ms < 120_000:
        return f"{ms / 1000:.2f} s"
    return f"{ms / 60_000:.1f} min"


def _ms(start: datetime, end: datetime) -> float:
    return (end - start).total_seconds() * 1000


def _percent(part: float, whole: float) -> float:
    return round(min(100.0, max(0.0, 100 * part / whole)), 2)


def _tone(state: str) -> Tone:
    match state:
        case "done":
            return "done"
        case "failed" | "lost":
            return "failed"
        case "stopped" | "skipped" | "handed_back":
            return "stopped"
        case _:
            return "running"
