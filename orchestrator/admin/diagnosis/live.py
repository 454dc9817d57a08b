"""Whether what should run does: a worker for each queue, one dispatcher that leads, one beat."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from orchestrator.admin.diagnosis.findings import Check, Finding
from orchestrator.control.leader import LOCK
from orchestrator.queues import QUEUES
from orchestrator.store.rows import Row

NOTHING = Check(
    id="nothing-runs",
    subject="processes",
    level="warning",
    why="questions are not even accepted",
    remedy="`make run`, or `docker compose up`",
)
UNATTENDED = Check(
    id="queue-unattended",
    subject="processes",
    level="problem",
    why="turns that need this queue wait until their deadline",
    remedy="does its worker start? Look into its log",
)
NO_DISPATCHER = Check(
    id="dispatcher-missing",
    subject="processes",
    level="problem",
    why="turns stay queued",
    remedy="start one: `python manage.py dispatch`",
)
NO_LEADER = Check(
    id="dispatcher-leaderless",
    subject="processes",
    level="problem",
    why="dispatchers live and none leads: turns stay queued",
    remedy="look again in 10 s; then into their logs: is DATABASE_DIRECT_URL right?",
)
NO_BEAT = Check(
    id="beat-missing",
    subject="processes",
    level="warning",
    why="schedules don't fire; the latest fire missed is made up for when beat is back",
    remedy="start one: `celery -A orchestrator.celery beat`",
)
TWO_BEATS = Check(
    id="beat-twice",
    subject="processes",
    level="warning",
    why="harmless, as a schedule's fire time is unique in the database; but somebody started one too many",
    remedy="stop one",
)
CHECKS = (NOTHING, UNATTENDED, NO_DISPATCHER, NO_LEADER, NO_BEAT, TWO_BEATS)

#: Who holds the leader's lock in this database; PostgreSQL shows the lock's number in two halves.
LEADER = """
SELECT coalesce(host(a.client_addr), 'this machine') AS host, a.application_name AS name,
       to_char(a.backend_start AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS') AS since
FROM pg_locks l JOIN pg_stat_activity a USING (pid)
WHERE l.locktype = 'advisory' AND l.granted AND l.objsubid = 1
  AND l.classid = %(high)s AND l.objid = %(low)s
  AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
"""
LOCK_HALVES = {"high": LOCK >> 32, "low": LOCK & 0xFFFFFFFF}


def processes(rows: Sequence[Row], leaders: Sequence[Mapping[str, str]]) -> Iterator[Finding]:
    """Yield what is missing or too many.

    Args:
        rows: the processes that were heard of lately.
        leaders: who holds the leader's lock: one or nobody.
    """
    if not rows:
        yield NOTHING.found("nothing runs")
        return
    takers = [row for row in rows if row["role"] == "worker" and not row["draining"]]
    taken = {queue for row in takers for queue in row["queues"]}
    missing = [name for name in QUEUES if name not in taken]
    if missing:
        yield UNATTENDED.found(f"nobody takes {', '.join(missing)}")
    else:
        yield UNATTENDED.fine(f"{len(takers)} workers take all {len(QUEUES)} queues")
    yield from _dispatchers([row for row in rows if row["role"] == "dispatcher"], leaders)
    beats = [row for row in rows if row["role"] == "beat"]
    where = ", ".join(f"{row['host']} (process {row['pid']})" for row in beats)
    if not beats:
        yield NO_BEAT.found("no beat runs")
    elif len(beats) > 1:
        yield TWO_BEATS.found(f"{len(beats)} beats run: {where}")
    else:
        yield TWO_BEATS.fine(f"one beat, on {where}")


def _dispatchers(rows: Sequence[Row], leaders: Sequence[Mapping[str, str]]) -> Iterator[Finding]:
    if not rows:
        yield NO_DISPATCHER.found("nobody dispatches: turns stay queued")
        return
    living = ", ".join(f"{row['host']} (process {row['pid']})" for row in rows)
    if not leaders:
        yield NO_LEADER.found(f"{len(rows)} dispatchers live, none leads: {living}")
        return
    leader = leaders[0]
    yield NO_DISPATCHER.fine(
        f"{len(rows)} alive: {living}; led from {leader['host']} since {leader['since']} UTC ({leader['name']})"
    )
