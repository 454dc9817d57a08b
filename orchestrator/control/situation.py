"""What goes on right now: processes, lines, pace, and what nobody has dealt with yet. For the operator's one screen."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from orchestrator.queues import QUEUES
from orchestrator.store import processes
from orchestrator.store.engine import ro
from orchestrator.store.rows import Row, all_rows, one_row

QUEUE_FIGURES = """
SELECT queue, count(*) FILTER (WHERE state = 'waiting') AS waiting,
       count(*) FILTER (WHERE state = 'dispatched') AS dispatched, count(*) FILTER (WHERE state = 'running') AS running,
       coalesce(extract(epoch FROM now() - min(ready_at) FILTER (WHERE state IN ('waiting', 'dispatched'))), 0)::float
         AS oldest_wait_s
FROM switchyard_stage WHERE state IN ('waiting', 'dispatched', 'running') GROUP BY queue
"""

HOUR = """
SELECT count(*) FILTER (WHERE t.ended_at IS NULL) AS open_turns,
       count(*) FILTER (WHERE t.state = 'completed') AS answered, count(*) FILTER (WHERE t.state = 'failed') AS failed,
       count(*) FILTER (WHERE t.state = 'failed' AND t.error_code = 'no_answer') AS no_answer,
       count(*) FILTER (WHERE t.state = 'cancelled') AS cancelled,
       percentile_cont(0.5) WITHIN GROUP (ORDER BY extract(epoch FROM t.ended_at - t.created_at))
         FILTER (WHERE t.state = 'completed') AS p50_s,
       percentile_cont(0.95) WITHIN GROUP (ORDER BY extract(epoch FROM t.ended_at - t.created_at))
         FILTER (WHERE t.state = 'completed') AS p95_s,
       (SELECT count(*) FROM switchyard_dead_letter WHERE replayed_at IS NULL) AS dead_letters,
       (SELECT count(*) FROM switchyard_job WHERE state IN ('CREATED', 'PENDING', 'ASSIGNED', 'RUNNING', 'RETRY_WAIT'))
         AS open_jobs,
       (SELECT count(*) FROM switchyard_job WHERE state = 'FAILED' AND ended_at > now() - interval '24 hours')
         AS failed_jobs,
       (SELECT count(*) FROM switchyard_document WHERE state = 'failed') AS failed_documents
FROM switchyard_turn t WHERE t.ended_at IS NULL OR t.ended_at > now() - interval '1 hour'
"""


#: Failed turns of an hour that are no worry: so few, or such a share of those that ended.
_FEW, _SMALL_SHARE = 5, 0.1


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One queue: who waits, who works."""

    name: str
    #: In PostgreSQL, not yet given to the broker.
    waiting: int
    dispatched: int
    running: int
    #: What may be with the broker and the workers at once.
    admitted: int
    #: Living workers that take it, and the tasks they can run at once.
    consumers: int
    slots: int
    #: Of the stage that has waited longest, with or before the broker.
    oldest_wait_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Situation:
    """All of it, of one moment or nearly so."""

    processes: Sequence[Row]
    lines: Sequence[Line]
    #: Counts and percentiles of the last hour; what is open now.
    figures: Mapping[str, float | int | None]

    def worries(self) -> list[str]:
        """Return what an operator should look at, the worst first, each in a few plain words."""
        found = [f"no worker takes the queue {line.name}" for line in self.lines if not line.consumers]
        if not any(row["role"] == "dispatcher" for row in self.processes):
            found.insert(0, "no dispatcher runs: nothing that waits is handed out")
        if not any(row["role"] == "gateway" for row in self.processes):
            found.insert(0, "no gateway runs: nobody can ask")
        if not any(row["role"] == "beat" for row in self.processes):
            found.append("beat does not run: no schedule fires")
        for name, words in (
            ("dead_letters", "turns given up, to be looked at (switchyard dead list)"),
            ("failed_jobs", "jobs that failed in 24 h"),
            ("failed_documents", "documents that could not be read"),
        ):
            if count := self.figures.get(name):
                found.append(f"{words}: {count}")
        found.extend(_unanswered(self.figures))
        return found


def _unanswered(figures: Mapping[str, float | int | None]) -> list[str]:
    """Return what there is to say of an hour in which too many questions got no answer."""
    answered, failed, unknown = (int(figures.get(name) or 0) for name in ("answered", "failed", "no_answer"))
    if failed < _FEW or failed <= _SMALL_SHARE * (answered + failed):
        return []
    told = f"{failed} of {answered + failed} questions in the last hour got no answer"
    if unknown == failed:
        return [f"{told}: none is known (do the figures' names fit what people ask? See Warehouses in the admin)"]
    others = f"{failed - unknown} by an error" + (f", {unknown} because none is known" if unknown else "")
    return [f"{told}: {others} (switchyard logs --level warning)"]


def lines(alive: Sequence[Row]) -> list[Line]:
    """Return every queue of the table, in its order.

    Raises:
        StoreDownError: PostgreSQL does not answer.
    """
    held = {row["queue"]: row for row in all_rows(ro(), QUEUE_FIGURES)}
    takers = [row for row in alive if row["role"] == "worker" and not row["draining"]]
    return [
        Line(
            name=name,
            waiting=held.get(name, {}).get("waiting", 0),
            dispatched=held.get(name, {}).get("dispatched", 0),
            running=held.get(name, {}).get("running", 0),
            admitted=queue.admitted,
            consumers=sum(name in row["queues"] for row in takers),
            slots=sum(row["slots"] for row in takers if name in row["queues"]),
            oldest_wait_s=held.get(name, {}).get("oldest_wait_s", 0.0),
        )
        for name, queue in QUEUES.items()
    ]


def situation() -> Situation:
    """Return what goes on, in three round trips.

    Raises:
        StoreDownError: PostgreSQL does not answer.
    """
    alive = processes.alive(ro())
    return Situation(processes=alive, lines=lines(alive), figures=dict(one_row(ro(), HOUR) or {}))
