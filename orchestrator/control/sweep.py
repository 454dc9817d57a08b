"""End what nobody else will end, and free what the ended and the dead still hold."""

from __future__ import annotations

import structlog
from redis.exceptions import RedisError

from orchestrator import catalogue
from orchestrator.chat import ending
from orchestrator.control.admission import FRAGILE_AFTER
from orchestrator.errors import EngineError
from orchestrator.events import Reached, TurnAccepted, TurnCancelled, TurnFailed
from orchestrator.log.records import Append
from orchestrator.log.writer import LogWriter
from orchestrator.store import outbox, recovering, sweeping
from orchestrator.store.engine import rw
from orchestrator.store.rows import Row

#: A hop that took so many workers along is not tried on another.
POISON_AFTER = FRAGILE_AFTER + 1
#: How long a dispatched stage may stay unclaimed while somebody has a slot for it.
PATIENCE_S = 3.0
_logger = structlog.get_logger(__name__)


def acceptance(row: Row) -> Append:
    """Return `turn.accepted` as the gateway appends it, under the same key: it may have died after its commit.

    Whatever the dispatcher says of a turn comes after it: the log refuses it later.
    """
    return Append(
        conversation=row["conversation"],
        event=TurnAccepted(turn=row["turn"], text=row["text"], user=row["user"], parent=row["parent"]),
        fence=row["fence"],
        cid=row["cid"],
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
    for row in sweeping.overdue(rw(), judge=judge):
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
        said = Append(conversation=row["conversation"], event=event, fence=row["fence"], cid=row["cid"])
        writer.append_all([acceptance(row), said] if row["state"] == "queued" else [said])
    except RedisError as exc:
        _logger.warning("ending left to the relay", turn=row["turn"], error=type(exc).__name__)
        return False
    outbox.done_outbox(rw(), kind="ending", keys=[row["turn"]])
    return True


def close_left_over() -> None:
    """Close the stages that an ended turn left open.

    Raises:
        StoreDownError: PostgreSQL does not answer.
    """
    for row in recovering.close_left_over(rw()):
        _logger.info("stage closed after its turn", turn=row["turn"], hop=row["hop"])


def take_over(writer: LogWriter) -> int:
    """Begin the next attempt of every turn whose worker died, and return how many; set aside what kills its workers.

    Raises:
        StoreDownError: PostgreSQL does not answer.
    """
    taken = 0
    for row in recovering.orphans(rw()):
        if row["lost_before"] + 1 >= POISON_AFTER:
            _set_aside(writer, row)
        elif (begun := recovering.take_over(rw(), stage=row["stage"])) is not None:
            taken += 1
            _logger.warning(
                "turn taken over",
                turn=row["turn"],
                hop=row["hop"],
                worker=row["worker"],
                fence=begun["fence"],
                cid=row["cid"],
            )
    return taken


def _set_aside(writer: LogWriter, row: Row) -> None:
    error = EngineError(f"its worker was lost {POISON_AFTER} times", engine=row["hop"])
    event = TurnFailed(
        turn=row["turn"],
        code=error.code,
        message=catalogue.text("error.set_aside", row["language"]),
        retryable=False,
        timeline=ending.timeline(row["stages"], total_ms=row["total_ms"]),
    )
    ended = ending.commit(
        event,
        fence=row["fence"],
        conversation=row["conversation"],
        cid=row["cid"],
        summary="lost",
        aside=ending.Aside(hop=row["hop"], cause=str(error), outcome="lost"),
    )
    if ended:
        _logger.error("turn set aside", turn=row["turn"], hop=row["hop"], cid=row["cid"])
        _say(writer, row, event)


def put_back_unclaimed() -> int:
    """Have wait again what was dispatched, and claimed by nobody although somebody could; return how many turns.

    Raises:
        StoreDownError: PostgreSQL does not answer.
    """
    turns = recovering.put_back_unclaimed(rw(), patience_s=PATIENCE_S)
    jobs = recovering.put_back_jobs(rw(), everything=False, patience_s=PATIENCE_S)
    if turns or jobs:
        _logger.warning("put back unclaimed", turns=turns, jobs=jobs)
    return len(turns) + len(jobs)


def recover_jobs() -> None:
    """Put back, or fail, what dead workers were running.

    Raises:
        StoreDownError: PostgreSQL does not answer.
    """
    for row in recovering.recover_jobs(rw()):
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
