"""Nobody waits without knowing why: `turn.queued` once a wait, then changes of position."""

from __future__ import annotations

import structlog

from orchestrator import catalogue
from orchestrator.chat.plan import STAGE_OF
from orchestrator.control.sweep import say_accepted
from orchestrator.events import StageProgress, TurnQueued
from orchestrator.log.writer import LogWriter
from orchestrator.store import dispatching
from orchestrator.store.engine import rw
from orchestrator.store.rows import Row

_logger = structlog.get_logger(__name__)


def reason_of(row: Row) -> tuple[str, int]:
    """Return (what it waits for, its place in that line from 1): an earlier turn of its conversation, or a queue."""
    if row["ahead_here"]:
        return "conversation", row["ahead_here"] + 1
    return row["queue"], row["ahead"] + 1


class Waiting:
    """Remembers the last position told, so that only changes are sent, at most one a second."""

    def __init__(self, writer: LogWriter) -> None:
        self._writer = writer
        self._positions: dict[str, int] = {}

    def tell(self) -> None:
        """Tell every waiting turn what it waits for and where it stands.

        Raises:
            StoreDownError, redis.exceptions.RedisError: a store does not answer; the next round tells it.
        """
        rows = dispatching.waiting_turns(rw())
        for row in rows:
            reason, position = reason_of(row)
            if row["told"] != reason:
                self._queued(row, reason, position)
            elif self._positions.get(row["turn"]) != position:
                progress = StageProgress(turn=row["turn"], stage=STAGE_OF[row["hop"]], position=position)
                self._writer.publish_ephemeral(row["conversation"], progress, cid=row["cid"])
            self._positions[row["turn"]] = position
        waiting = {row["turn"] for row in rows}
        self._positions = {turn: place for turn, place in self._positions.items() if turn in waiting}

    def _queued(self, row: Row, reason: str, position: int) -> None:
        event = TurnQueued(
            turn=row["turn"],
            position=position,
            waiting_for=catalogue.text(f"waiting.{reason.replace('.', '_')}", row["language"]),
            queue=reason,
        )
        if row["state"] == "queued":
            say_accepted(self._writer, row)
        appended = self._writer.append(row["conversation"], event, fence=row["fence"], cid=row["cid"], asserted=True)
        dispatching.told(rw(), turn=row["turn"], told=reason)
        _logger.info("turn waits", turn=row["turn"], reason=reason, position=position, verdict=appended.verdict)
