"""End what nobody else will end, and free what the ended and the dead still hold."""

from __future__ import annotations

import structlog
from redis.exceptions import RedisError

from orchestrator import catalogue
from orchestrator.chat import ending
from orchestrator.events import Reached, TurnAccepted, TurnCancelled, TurnFailed
from orchestrator.log.writer import LogWriter
from orchestrator.store import dispatching
from orchestrator.store.engine import rw
from orchestrator.store.rows import Row

_logger = structlog.get_logger(__name__)


def say_accepted(writer: LogWriter, row: Row) -> None:
    """Append `turn.accepted` as the gateway does, under the same key: it may have died after its commit.

    Whatever the dispatcher says of a turn comes after it: the log refuses it later.

    Raises:
        redis.exceptions.RedisError: Redis does not answer.
    """
    writer.append(
        row["conversation"],
        TurnAccepted(turn=row["turn"], text=row["text"], user=row["user"], parent=row["parent"]),
        fence=row["fence"],
        cid=row["cid"],
        asserted=True,
    )


def end_overdue(writer: LogWriter, *, judge: bool = True) -> int:
    """End every overdue turn and return how many this call ended; what Redis does not take, the relay appends later.

    Args:
        writer: the log.
        judge: whether an owner that was silent for a lease is dead.

    Raises:
        StoreDownError: PostgreSQL does not answer; rows ended so far stay ended.
    """
    ended, log_answers = 0, True
    for row in dispatching.overdue(rw(), judge=judge):
        event = ending_of(row)
        if not ending.commit(
            event, fence=row["fence"], conversation=row["conversation"], cid=row["cid"], summary="swept"
        ):
            continue
        ended += 1
        _logger.warning("turn swept", turn=row["turn"], code=event.code, cid=row["cid"])
        if log_answers:
            log_answers = _say(writer, row, event)
    return ended


def _say(writer: LogWriter, row: Row, event: TurnFailed) -> bool:
    try:
        if row["state"] == "queued":
            say_accepted(writer, row)
        writer.append(row["conversation"], event, fence=row["fence"], cid=row["cid"], asserted=True)
    except RedisError as exc:
        _logger.warning("ending left to the relay", turn=row["turn"], error=type(exc).__name__)
        return False
    dispatching.done_outbox(rw(), kind="ending", keys=[row["turn"]])
    return True


def close_left_over() -> None:
    """Close the stages that an ended turn left open.

    Raises:
        StoreDownError: PostgreSQL does not answer.
    """
    for row in dispatching.close_left_over(rw()):
        _logger.info("stage closed after its turn", turn=row["turn"], hop=row["hop"])


def recover_jobs() -> None:
    """Put back, or fail, what dead workers were running.

    Raises:
        StoreDownError: PostgreSQL does not answer.
    """
    for row in dispatching.recover_jobs(rw()):
        _logger.warning("job recovered", job=row["job"], state=row["state"], attempts=row["attempts"])


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
