"""Statements of jobs: insert, claim, end."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

from sqlalchemy import Connection, Engine

from orchestrator import ids
from orchestrator.store.engine import json_text
from orchestrator.store.rows import Row, all_rows, one_row

#: Lines for an operator, as `automation.notes` makes them.
Log = Sequence[Mapping[str, object]]

INSERT = """
INSERT INTO switchyard_job (id, tenant_id, created_by_id, type, queue, payload, cid)
VALUES (:job, :tenant, CAST(:user AS text), :type, :queue, CAST(:payload AS jsonb), :cid)
"""

#: One row a tenant and fire time, however many schedulers try.
FIRE_FOR_EACH = """
INSERT INTO switchyard_job (id, tenant_id, type, queue, payload, cid, schedule, fire_time)
SELECT 'job_' || replace(gen_random_uuid()::text, '-', ''), n.id, :type, :queue, CAST(:payload AS jsonb), :cid,
       :schedule || ':' || n.slug, :fire_time
FROM switchyard_tenant n WHERE n.is_active
ON CONFLICT (schedule, fire_time) DO NOTHING
RETURNING id
"""

#: The bare name, which no tenant's can be, as theirs end in a slug.
FIRE_ONCE = """
INSERT INTO switchyard_job (id, type, queue, payload, cid, schedule, fire_time)
VALUES ('job_' || replace(gen_random_uuid()::text, '-', ''), :type, :queue, CAST(:payload AS jsonb), :cid, :schedule,
        :fire_time)
ON CONFLICT (schedule, fire_time) DO NOTHING
RETURNING id
"""

LAST_FIRE = """
SELECT max(fire_time) AS fired FROM switchyard_job WHERE schedule = :schedule OR schedule LIKE :schedule || ':%'
"""

CLAIM = """
UPDATE switchyard_job SET state = 'RUNNING', owner = :owner, worker = :worker, attempts = attempts + 1,
       started_at = now()
WHERE id = :job AND fence = :fence AND dispatch_no = :dispatch_no AND state = 'ASSIGNED'
RETURNING id AS job, tenant_id AS tenant, type, payload, cid, fence, attempts, max_attempts, fire_time, log,
          cancel_requested_at IS NOT NULL AS cancel_requested
"""

END = """
UPDATE switchyard_job SET state = :state, result = CAST(:result AS jsonb), error = :error, ended_at = now(),
       log = coalesce(CAST(:log AS jsonb), log)
WHERE id = :job AND fence = :fence AND state = 'RUNNING' RETURNING id
"""

RETRY = """
UPDATE switchyard_job SET state = 'RETRY_WAIT', error = :error, run_at = now() + :delay_s * interval '1 second',
       owner = NULL, log = coalesce(CAST(:log AS jsonb), log)
WHERE id = :job AND fence = :fence AND state = 'RUNNING' RETURNING id
"""

#: The attempt does not count: nothing was wrong with the job.
HAND_BACK = """
UPDATE switchyard_job SET state = 'RETRY_WAIT', run_at = now(), attempts = greatest(0, attempts - 1), owner = NULL,
       error = :reason, log = coalesce(CAST(:log AS jsonb), log)
WHERE id = :job AND fence = :fence AND state = 'RUNNING' AND cancel_requested_at IS NULL RETURNING id
"""

KEEP_LOG = """
UPDATE switchyard_job SET log = CAST(:log AS jsonb) WHERE id = :job AND fence = :fence AND state = 'RUNNING'
"""

#: One failure, one run: the fence that failed is raised. The error goes into the log, as the next attempt's takes its
#: place.
RUN_AGAIN = """
UPDATE switchyard_job j
SET state = 'PENDING', attempts = 0, fence = j.fence + 1, run_at = now(), started_at = NULL, ended_at = NULL,
    owner = NULL, worker = NULL, cancel_requested_at = NULL, error = '',
    log = coalesce(j.log, '[]') || jsonb_build_array(jsonb_build_object(
            'at', now(), 'attempt', j.attempts, 'level', 'info',
            'text', left('run again by ' || CAST(:by AS text) || ' after: ' || j.error, 300)))
WHERE j.id = :job AND j.fence = :fence AND j.state = 'FAILED'
  AND (j.tenant_id IS NULL OR EXISTS (SELECT 1 FROM switchyard_tenant n WHERE n.id = j.tenant_id AND n.is_active))
RETURNING j.id
"""

DECLINE = """
UPDATE switchyard_job SET state = 'PENDING'
WHERE id = :job AND fence = :fence AND dispatch_no = :dispatch_no AND state = 'ASSIGNED' RETURNING id
"""


def insert(
    where: Engine | Connection,
    *,
    tenant: str,
    user: str | None,
    type: str,
    queue: str,
    payload: Mapping[str, object],
    cid: str,
) -> str:
    """Insert a pending job, on a connection as part of its transaction, and return its id."""
    job = ids.job_id()
    all_rows(
        where, INSERT, job=job, tenant=tenant, user=user, type=type, queue=queue, payload=json_text(payload), cid=cid
    )
    return job


def fire(
    engine: Engine,
    *,
    schedule: str,
    fire_time: datetime,
    type: str,
    queue: str,
    payload: Mapping[str, object],
    cid: str,
    whole: bool = False,
) -> int:
    """Insert the jobs of one fire time and return how many were new.

    One for every active tenant, or with `whole` a single one that is no tenant's.
    """
    return len(
        all_rows(
            engine,
            FIRE_ONCE if whole else FIRE_FOR_EACH,
            schedule=schedule,
            fire_time=fire_time,
            type=type,
            queue=queue,
            payload=json_text(payload),
            cid=cid,
        )
    )


def last_fire(engine: Engine, schedule: str) -> datetime | None:
    """Return when a schedule last fired, or None."""
    row = one_row(engine, LAST_FIRE, schedule=schedule)
    fired: datetime | None = row["fired"] if row else None
    return fired


def claim(engine: Engine, *, job: str, fence: int, dispatch_no: int, owner: str, worker: str) -> Row | None:
    """Claim an assigned job; None when the message is old or a repeat."""
    return one_row(engine, CLAIM, job=job, fence=fence, dispatch_no=dispatch_no, owner=owner, worker=worker)


def end(
    engine: Engine,
    *,
    job: str,
    fence: int,
    state: str,
    result: Mapping[str, object] | None,
    error: str = "",
    log: Log | None = None,
) -> bool:
    """End a running job; False when it is no longer ours. Without a `log`, here and below, the lines stay."""
    values = {"job": job, "fence": fence, "state": state, "error": error[:2000], "log": _json(log)}
    return one_row(engine, END, **values, result=_json(result)) is not None


def retry(engine: Engine, *, job: str, fence: int, error: str, delay_s: float, log: Log | None = None) -> bool:
    """Put a running job back for later; False when it is no longer ours."""
    values = {"job": job, "fence": fence, "error": error[:2000], "log": _json(log)}
    return one_row(engine, RETRY, **values, delay_s=delay_s) is not None


def hand_back(engine: Engine, *, job: str, fence: int, reason: str, log: Log | None = None) -> bool:
    """Put a running job back to go on at once, here or elsewhere; False when it is no longer ours, or cancelled."""
    return one_row(engine, HAND_BACK, job=job, fence=fence, reason=reason[:2000], log=_json(log)) is not None


def keep_log(engine: Engine, *, job: str, fence: int, log: Log) -> None:
    """Write a running job's lines, unless it is no longer ours."""
    all_rows(engine, KEEP_LOG, job=job, fence=fence, log=_json(log))


def run_again(engine: Engine, *, job: str, fence: int, by: str) -> bool:
    """Have a job that failed for good wait again, with all its attempts; False when that failure is not there."""
    return one_row(engine, RUN_AGAIN, job=job, fence=fence, by=by) is not None


def decline(engine: Engine, *, job: str, fence: int, dispatch_no: int) -> bool:
    """Have an assigned job wait again; False when the message was old or a repeat."""
    return one_row(engine, DECLINE, job=job, fence=fence, dispatch_no=dispatch_no) is not None


def _json(value: object) -> str | None:
    return None if value is None else json_text(value)
