"""Nobody waits without knowing why: `turn.queued` once a wait, then changes of position."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping

import structlog

from orchestrator import catalogue
from orchestrator.chat.plan import STAGE_OF
from orchestrator.control.sweep import acceptance
from orchestrator.events import Event, StageProgress, TurnQueued
from orchestrator.log.records import Append
from orchestrator.log.writer import LogWriter
from orchestrator.store import waiting
from orchestrator.store.engine import rw
from orchestrator.store.rows import Row

#: Told in one round; the next second's takes the next ones.
MOST = 500
FIGURES_S = 5.0
_logger = structlog.get_logger(__name__)


def reason_of(row: Row) -> tuple[str, int]:
    """Return (what it waits for, its place in that line from 1): an earlier turn of its conversation, or a queue."""
    if row["ahead_here"]:
        return "conversation", row["ahead_here"] + 1
    return row["queue"], row["position"]


def expected_wait_ms(position: int, *, slots: int, mean_ms: float) -> int | None:
    """Return how long whoever stands at `position` (from 1) is likely to wait for one of `slots`.

    A line that is served at `slots / mean_ms` a millisecond; None without a worker or a figure.
    """
    if slots <= 0 or mean_ms <= 0:
        return None
    return math.ceil(position * mean_ms / slots)


class Waiting:
    """Remembers the last position told, so that only changes are sent, at most one a second."""

    def __init__(self, writer: LogWriter) -> None:
        self._writer = writer
        self._positions: dict[str, int] = {}
        self._figures_at_s = 0.0
        self._means_ms: Mapping[str, float] = {}
        self._slots: Mapping[str, int] = {}

    def tell(self) -> None:
        """Tell every waiting turn what it waits for and where it stands; three round trips, however many wait.

        Raises:
            StoreDownError, redis.exceptions.RedisError: a store does not answer; the next round tells it.
        """
        rows = waiting.waiting_turns(rw(), most=MOST)
        if not rows:
            self._positions.clear()
            return
        self._refresh_figures()
        appends: list[Append] = []
        reasons: list[tuple[str, str]] = []
        hints: list[tuple[str, Event, str]] = []
        for row in rows:
            reason, position = reason_of(row)
            if row["told"] != reason:
                appends += [acceptance(row)] if row["state"] == "queued" else []
                appends.append(self._queued(row, reason, position))
                reasons.append((row["turn"], reason))
            elif self._positions.get(row["turn"]) != position:
                progress = StageProgress(turn=row["turn"], stage=STAGE_OF[row["hop"]], position=position)
                hints.append((row["conversation"], progress, row["cid"]))
        self._writer.append_all(appends)
        if reasons:
            waiting.told(rw(), reasons)
            _logger.info("waits told", turns=len(reasons), hints=len(hints))
        self._writer.publish_all(hints)
        self._positions = {row["turn"]: reason_of(row)[1] for row in rows}

    def _queued(self, row: Row, reason: str, position: int) -> Append:
        event = TurnQueued(
            turn=row["turn"],
            position=position,
            waiting_for=catalogue.text(f"waiting.{reason.replace('.', '_')}", row["language"]),
            queue=reason,
            expected_wait_ms=expected_wait_ms(
                position, slots=self._slots.get(reason, 0), mean_ms=self._means_ms.get(reason, 0.0)
            ),
        )
        return Append(conversation=row["conversation"], event=event, fence=row["fence"], cid=row["cid"])

    def _refresh_figures(self) -> None:
        if time.monotonic() - self._figures_at_s >= FIGURES_S:
            self._means_ms, self._slots = waiting.service_times_ms(rw()), waiting.slots(rw())
            self._figures_at_s = time.monotonic()
