"""Run one hop: claim it, say that it started, do it, and see that whatever happens ends the turn once."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Mapping, Sequence

import structlog

from orchestrator import catalogue, ids
from orchestrator.chat import ending
from orchestrator.chat.plan import Hop
from orchestrator.chat.wake import wake_dispatcher
from orchestrator.errors import (
    BreakerOpenError,
    EngineError,
    OrchestratorError,
    StoppedError,
    StoreDownError,
)
from orchestrator.events import ArtifactKind, Event, StageStarted, TurnCancelled, TurnFailed
from orchestrator.log.turn_log import LostTurnError, TurnLog
from orchestrator.pipeline.context import Context
from orchestrator.pipeline.runtime import Runtime
from orchestrator.publish import HopMessage
from orchestrator.resilience.deadline import Deadline
from orchestrator.resilience.retry import next_delay_s, until_answered
from orchestrator.store import claiming, outbox, recovering
from orchestrator.store.engine import rw

Body = Callable[[Context], Sequence[HopMessage]]

#: A stage that has less left says so instead of starting.
LEAST_S: Mapping[Hop, float] = {"classify": 0.05, "embed": 0.05, "sql": 0.1, "rag": 0.1, "llm": 0.2}
#: How long an ending waits for a Redis that is away before the relay takes over.
SETTLE_S = 1.0
#: How long a finished stage waits for it: what it said would be missing from the log for good.
SETTLE_STAGE_S = 5.0
#: How long a leaving process waits for PostgreSQL to take a stage back.
HAND_BACK_S = 2.0
CAUSE_LIMIT = 1_000
#: How long a claim waits for PostgreSQL. The dispatcher, whose own connections may be well, sees no reason to send the
#: message again, and it is gone from the broker once the task ends.
CLAIM_S = 30.0
_logger = structlog.get_logger(__name__)


def run_stage(
    hop: Hop, body: Body, *, runtime: Runtime, turn: str, fence: int, dispatch_no: int
) -> Sequence[HopMessage] | None:
    """Run `body` for a claimed hop and return the hops it wants published; None when the route ends here.

    It does so when the claim was refused, or the turn ended: then nothing that follows in the chain may be published.

    Raises:
        StoreDownError: PostgreSQL did not answer the claim for `CLAIM_S`; nothing was done.
    """
    # Before the claim: a stop that comes right after it must find somebody who hears it.
    with runtime.stops.running(turn) as stop:
        row = until_answered(
            lambda: claiming.claim(
                rw(),
                turn=turn,
                fence=fence,
                hop=hop,
                dispatch_no=dispatch_no,
                owner=runtime.incarnation,
                worker=runtime.worker,
            ),
            limit_s=CLAIM_S,
        )
        if row is None or row["stage"] is None:
            # A repeated message, an old number, or a turn that has ended: somebody else has it or nobody needs it.
            _logger.info("claim refused", dispatch_no=dispatch_no, state=row["state"] if row else "absent")
            return None
        context = Context(
            runtime=runtime,
            hop=hop,
            row=row,
            log=TurnLog(
                runtime.writer,
                conversation=row["conversation"],
                turn=turn,
                fence=fence,
                cid=row["cid"],
                current_fence=lambda: claiming.current_fence(rw(), turn),
            ),
            stop=stop,
            deadline=Deadline.after_ms(int(row["remaining_ms"])),
        )
        if row["cancel_requested"]:
            stop.set()
        return _guarded(context, body)


def _guarded(context: Context, body: Body) -> Sequence[HopMessage] | None:
    try:
        context.log.say(
            StageStarted(
                turn=context.turn,
                attempt=context.fence,
                stage=context.stage,
                worker=context.runtime.worker,
                queue_wait_ms=int(context.row["queue_wait_ms"]),
            )
        )
        if context.stop.is_set():
            raise StoppedError("queued")  # nothing has begun yet
        context.deadline.require(LEAST_S[context.hop], stage=context.stage)
        rest = body(context)
    except LostTurnError as exc:
        _logger.info("stage stops: its turn is lost", reason=str(exc))
    except StoppedError as exc:
        if context.stop.leaving:
            _hand_back(context)
        else:
            _end_cancelled(context, exc)
    except OrchestratorError as exc:
        _end_failed(context, exc)
    except Exception:  # the stage's outermost edge: the user must hear of it, and the log must hold the trace
        _logger.exception("stage failed")
        _end_failed(context, EngineError("unexpected", engine=context.hop))
    else:
        _logger.info("stage done", queue_wait_ms=int(context.row["queue_wait_ms"]), duration_ms=context.duration_ms())
        return rest
    return None


def finish(context: Context, summary: str, *events: Event) -> None:
    """Say what a stage made and that it is finished, then write that it is done.

    The log first: from the write on, nobody would say it for a process that dies. The next attempt of a stage that was
    not written says it again, for the same artifact.

    Raises:
        LostTurnError: the turn has ended or was taken over.
        StoreDownError: PostgreSQL did not answer while time was left.
    """
    for event in (*events, context.finished(summary)):
        context.log.say(event)
    context.log.settle(min(SETTLE_STAGE_S, context.deadline.remaining_s() / 2))
    done = until_answered(
        lambda: claiming.finish_stage(rw(), stage=context.row["stage"], summary=summary),
        limit_s=context.deadline.remaining_s(),
    )
    if not done:
        raise LostTurnError("the stage is no longer ours to finish")


def keep_artifact(
    context: Context,
    *,
    step: str,
    kind: ArtifactKind,
    title: str,
    body: Mapping[str, object],
    preview: Mapping[str, object],
) -> str:
    """Store what a stage made, once for the turn and step whatever the attempt, and return its id.

    Raises:
        LostTurnError: the turn has ended or was taken over.
        StoreDownError: PostgreSQL did not answer while time was left.
    """
    artifact = until_answered(
        lambda: claiming.keep_artifact(
            rw(),
            artifact=ids.artifact_id(),
            tenant=context.row["tenant"],
            turn=context.turn,
            fence=context.fence,
            job=None,
            step=step,
            kind=kind,
            title=title,
            body=body,
            preview=preview,
        ),
        limit_s=context.deadline.remaining_s(),
    )
    if artifact is None:
        raise LostTurnError("the turn ended or was taken over meanwhile")
    return artifact


def end(context: Context, event: ending.Ending, *, summary: str = "", aside: ending.Aside | None = None) -> bool:
    """Commit an ending, then append it; return whether this call ended the turn.

    PostgreSQL away: tried again while the deadline lasts, as an answer in memory is worth waiting for.
    Redis away: the relay appends the event from the outbox.
    """
    ended = _commit(context, event, summary, aside)
    if ended is None:
        _logger.info("ended by somebody else", event_type=event.type)
        return False
    try:
        context.log.say(event)
        if context.log.settle(SETTLE_S):
            outbox.done_outbox(rw(), kind="ending", keys=[context.turn])
    except (LostTurnError, StoreDownError) as exc:
        # CLOSED means that the relay was faster; an open row is only appended once more, under the same key.
        _logger.info("ending left to the relay", reason=str(exc))
    if ended.line:
        wake_dispatcher(context.runtime.redis, context.runtime.keys)
    return True


def _commit(context: Context, event: ending.Ending, summary: str, aside: ending.Aside | None) -> ending.Ended | None:
    rng, delay_s = random.Random(), 0.1
    while True:
        try:
            return ending.commit(
                event,
                fence=context.fence,
                conversation=context.row["conversation"],
                cid=context.row["cid"],
                summary=summary,
                aside=aside,
            )
        except StoreDownError:
            delay_s = next_delay_s(delay_s, base_s=0.1, cap_s=2.0, rng=rng)
            if context.deadline.remaining_s() < delay_s:
                raise
            _logger.warning("ending not yet committed", retry_s=round(delay_s, 2))
            # Not `stop.wait`, which no longer waits once the stop is set.
            time.sleep(delay_s)


def _end_failed(context: Context, error: OrchestratorError) -> None:
    _logger.info("turn fails", code=error.code, reason=str(error))
    event = TurnFailed(
        turn=context.turn,
        code=error.code,
        message=catalogue.of_error(error, context.language),
        retryable=error.transient if isinstance(error, EngineError) else error.retryable,
        timeline=context.timeline("failed"),
    )
    # Not what a user can mend by asking otherwise: an operator looks at it, and has it tried again. What an open
    # breaker refused was not tried at all, and its user has been told when to ask again.
    fault = error.code in ("internal", "dependency_down") and not isinstance(error, BreakerOpenError)
    cause = f"{type(error).__name__}: {error}"[:CAUSE_LIMIT]
    end(context, event, summary=error.code, aside=ending.Aside(hop=context.hop, cause=cause) if fault else None)


def _hand_back(context: Context) -> None:
    """Give the stage up because this process leaves: the next attempt begins elsewhere, at once."""
    begun = until_answered(
        lambda: recovering.hand_back(rw(), stage=context.row["stage"], owner=context.runtime.incarnation),
        # After it, the lease runs out by itself.
        limit_s=HAND_BACK_S,
    )
    if begun is None:
        _logger.info("nothing to hand back: the turn was taken over or has ended")
        return
    wake_dispatcher(context.runtime.redis, context.runtime.keys)
    _logger.info("stage handed back", next_fence=begun["fence"])


def _end_cancelled(context: Context, stopped: StoppedError) -> None:
    event = TurnCancelled(
        turn=context.turn,
        code="cancelled",
        message=catalogue.text("cancelled.by_user", context.language),
        retryable=False,
        timeline=context.timeline("stopped"),
        reached=(stopped.reached,),
    )
    end(context, event, summary="stopped")
