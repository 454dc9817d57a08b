"""End what nobody else will end: past its deadline, or cancelled while no stage of it runs."""

from __future__ import annotations

import structlog

from orchestrator import catalogue
from orchestrator.chat import ending
from orchestrator.events import Reached, TurnCancelled, TurnFailed
from orchestrator.log.writer import LogWriter
from orchestrator.store import dispatching
from orchestrator.store.engine import rw
from orchestrator.store.rows import Row

_logger = structlog.get_logger(__name__)


def end_overdue(writer: LogWriter) -> int:
    """End every overdue turn and return how many this call ended.

    Raises:
        StoreDownError, redis.exceptions.RedisError: a store does not answer; rows ended so far stay ended, and the
            relay appends their events.
    """
    ended = 0
    for row in dispatching.overdue(rw()):
        event = ending_of(row)
        if ending.commit(event, fence=row["fence"], conversation=row["conversation"], cid=row["cid"], summary="swept"):
            ended += 1
            _logger.warning("turn swept", turn=row["turn"], code=event.code)
            writer.append(row["conversation"], event, fence=row["fence"], cid=row["cid"], asserted=True)
            dispatching.done_outbox(rw(), kind="ending", keys=[row["turn"]])
    return ended


def ending_of(row: Row) -> TurnFailed:
    """Return how an overdue turn ends: late ones fail, the others were cancelled where they waited."""
    timeline = ending.timeline(row["stages"], total_ms=row["total_ms"])
    if row["late"]:
        return TurnFailed(
            turn=row["turn"],
            code="deadline_exceeded",
            message=catalogue.text("error.deadline_exceeded", row["language"]),
            retryable=True,
            timeline=timeline,
        )
    reached: tuple[Reached, ...] = ("queued",)
    return TurnCancelled(
        turn=row["turn"],
        code="cancelled",
        message=catalogue.text("cancelled.by_user", row["language"]),
        retryable=False,
        timeline=timeline,
        reached=reached,
    )
