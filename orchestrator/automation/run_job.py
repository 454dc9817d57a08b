"""Run one job: claim it, do it, end its row."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import structlog

from orchestrator.automation.notes import Level, Line, Notes
from orchestrator.automation.types import JOB_TYPES
from orchestrator.chat.wake import wake_dispatcher
from orchestrator.errors import (
    EngineError,
    NotFoundError,
    OrchestratorError,
    StoppedError,
    StoreDownError,
    UnfinishedError,
)
from orchestrator.pipeline.runtime import Runtime
from orchestrator.resilience.deadline import Deadline
from orchestrator.resilience.retry import next_delay_s, until_answered
from orchestrator.resilience.stop import Stop
from orchestrator.store import jobs
from orchestrator.store.engine import rw

#: How long a claim or an outcome waits for a database that is away.
WRITE_S = 60.0
_logger = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class JobContext:
    """What a running job knows."""

    job: str
    #: None: the job is the whole deployment's.
    tenant: str | None
    payload: Mapping[str, Any]
    cid: str
    stop: Stop
    deadline: Deadline
    #: The time its schedule named; None when nobody but a person or a program wanted it.
    fire_time: datetime | None = None
    notes: Notes = field(default_factory=Notes)

    def note(self, text: str, level: Level = "info") -> None:
        """Tell an operator how it goes, in a sentence for the job's page: counts and reasons, no contents, no secrets.

        It costs a round trip at most every 5 s; the last lines are written with the outcome, whatever that is.
        """
        self.notes.add(text, level)

    @property
    def own_tenant(self) -> str:
        """Return the tenant whose job it is.

        Raises:
            NotFoundError: it is the deployment's; its type works for one tenant at a time.
        """
        if self.tenant is None:
            raise NotFoundError("this job is no tenant's")
        return self.tenant


#: Does the work and returns the row's result: small JSON, no contents.
Work = Callable[[JobContext], Mapping[str, object]]


def run_job(works: Mapping[str, Work], *, runtime: Runtime, job: str, fence: int, dispatch_no: int) -> None:
    """Claim and run a job; a repeat or an old message does nothing.

    Raises:
        StoreDownError: PostgreSQL did not answer the claim for a minute.
    """
    # The message was acknowledged when it came: a claim given up leaves the job assigned to nobody.
    row = until_answered(
        lambda: jobs.claim(
            rw(), job=job, fence=fence, dispatch_no=dispatch_no, owner=runtime.incarnation, worker=runtime.worker
        ),
        limit_s=WRITE_S,
    )
    if row is None:
        _logger.info("claim refused", job=job, dispatch_no=dispatch_no)
        return
    with runtime.stops.running(job) as stop, structlog.contextvars.bound_contextvars(cid=row["cid"], job=job):
        if row["cancel_requested"]:
            stop.set()
        context = JobContext(
            job=job,
            tenant=row["tenant"],
            payload=row["payload"],
            cid=row["cid"],
            stop=stop,
            deadline=Deadline.after_ms(int(JOB_TYPES[row["type"]].limit_s * 1000)),
            fire_time=row["fire_time"],
            notes=Notes(attempt=row["attempts"], earlier=row["log"] or (), keep=lambda lines: _keep(job, fence, lines)),
        )
        notes = context.notes
        _logger.info("job runs", type=row["type"], attempt=row["attempts"])
        try:
            result = works[row["type"]](context)
        except StoppedError:
            _stopped(row, runtime, notes, reason="handed back" if stop.leaving else None)
        except UnfinishedError as exc:
            _stopped(row, runtime, notes, reason=str(exc))
        except OrchestratorError as exc:
            _fail(row, exc, notes, retryable=exc.transient if isinstance(exc, EngineError) else exc.retryable)
        except Exception as exc:  # the job runner's outermost edge: the row must say that it failed
            _logger.exception("job failed")
            _fail(row, EngineError(type(exc).__name__, engine=row["type"]), notes, retryable=False)
        else:
            ours = _write(
                lambda: jobs.end(rw(), job=job, fence=fence, state="SUCCEEDED", result=result, log=notes.lines())
            )
            _logger.info("job done", type=row["type"], ours=ours)


def decline(*, runtime: Runtime, job: str, fence: int, dispatch_no: int) -> None:
    """Leave an unclaimed job to another worker, which gets it at once."""
    if _write(lambda: jobs.decline(rw(), job=job, fence=fence, dispatch_no=dispatch_no)):
        _logger.info("job declined", job=job)
        wake_dispatcher(runtime.redis, runtime.keys)


def _stopped(row: Mapping[str, Any], runtime: Runtime, notes: Notes, *, reason: str | None) -> None:
    """Have the job go on at once for a `reason`; without one it ends here."""
    job, fence = row["job"], row["fence"]
    # A user's wish that came while the worker was leaving is found in the row, and the job ends there.
    log = notes.ended(reason or "stopped", "warning")
    if reason is not None and _write(lambda: jobs.hand_back(rw(), job=job, fence=fence, reason=reason, log=log)):
        _logger.info("job handed back", type=row["type"], reason=reason)
        wake_dispatcher(runtime.redis, runtime.keys)
    else:
        end = notes.ended("stopped", "warning")
        _write(lambda: jobs.end(rw(), job=job, fence=fence, state="CANCELLED", result=None, error="stopped", log=end))


def _fail(row: Mapping[str, Any], error: OrchestratorError, notes: Notes, *, retryable: bool) -> None:
    _logger.warning("job fails", type=row["type"], code=error.code, reason=str(error))
    job, fence = row["job"], row["fence"]
    if retryable and row["attempts"] < row["max_attempts"]:
        delay_s = next_delay_s(2.0 ** row["attempts"], base_s=2, cap_s=60, rng=random.Random())
        log = notes.ended(f"tried again in {delay_s:.0f} s: {error}", "warning")
        _write(lambda: jobs.retry(rw(), job=job, fence=fence, error=str(error), delay_s=delay_s, log=log))
    else:
        log = notes.ended(f"failed: {error}", "error")
        _write(lambda: jobs.end(rw(), job=job, fence=fence, state="FAILED", result=None, error=str(error), log=log))


def _keep(job: str, fence: int, lines: list[Line]) -> None:
    try:
        jobs.keep_log(rw(), job=job, fence=fence, log=lines)
    except StoreDownError as exc:
        # The work may well do without the database for a while; the outcome carries the lines.
        _logger.info("lines not written yet", error=str(exc))


def _write(write: Callable[[], bool]) -> bool:
    """Write an outcome, for a minute if need be: an outcome that is lost would be worked for again."""
    rng, delay_s, until_s = random.Random(), 0.2, time.monotonic() + WRITE_S
    while True:
        try:
            return write()
        except StoreDownError:
            delay_s = next_delay_s(delay_s, base_s=0.2, cap_s=5, rng=rng)
            if time.monotonic() + delay_s > until_s:
                raise
            time.sleep(delay_s)
