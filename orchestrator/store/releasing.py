"""What the dispatcher reads to decide who goes next, and the one statement that lets turns go."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Engine

from orchestrator.store.engine import json_text
from orchestrator.store.rows import Row, all_rows

#: Slots of each queue by the tenant that holds them; null: the deployment. A job's are nobody's share: few run at once.
HELD = """
SELECT queue, tenant, sum(n)::int AS held FROM (
  SELECT s.queue, t.tenant_id AS tenant, count(*) AS n
  FROM switchyard_stage s JOIN switchyard_turn t ON t.id = s.turn_id
  WHERE s.state IN ('dispatched', 'running') GROUP BY s.queue, t.tenant_id
  UNION ALL
  SELECT queue, tenant_id, count(*) FROM switchyard_job WHERE state IN ('ASSIGNED', 'RUNNING') GROUP BY queue, tenant_id
) counted GROUP BY queue, tenant
"""

# Both ask row by row, by index (an aggregate, an OFFSET 0). Among all turns that ended, statistics know of none that is
# open: joined, the planner would hold every turn that waits against every other one (60 ms for 2,000, not 3).

#: Turns under way with hops that wait for room: classified, taken over, handed back, or put back.
_BEGUN = """
SELECT t.id AS turn, t.fence, t.tenant_id AS tenant, t.state, t.conversation_id AS conversation, t.cid, t.text,
       t.user_id AS "user", t.parent_id AS parent, s.since, s.queues,
       (SELECT count(*) FROM switchyard_stage l WHERE l.turn_id = t.id AND l.state = 'lost') AS lost
FROM switchyard_turn t
CROSS JOIN LATERAL (SELECT min(w.ready_at) AS since, json_agg(w.queue ORDER BY w.place) AS queues
                    FROM switchyard_stage w
                    WHERE w.turn_id = t.id AND w.fence = t.fence AND w.state = 'waiting') s
WHERE t.state = 'running' AND t.cancel_requested_at IS NULL AND s.since IS NOT NULL
"""

#: Each tenant's oldest turns that may start: the first open one of its conversation.
_NEW = """
SELECT n.id, n.fence, n.tenant_id, n.state, n.conversation_id, n.cid, n.text, n.user_id, n.parent_id, n.created_at,
       (SELECT json_agg(s.queue ORDER BY s.place) FROM switchyard_stage s
        WHERE s.turn_id = n.id AND s.fence = n.fence AND s.state = 'waiting'), 0
FROM (SELECT DISTINCT tenant_id FROM switchyard_turn WHERE state = 'queued') w
CROSS JOIN LATERAL (
  SELECT t.* FROM switchyard_turn t
  WHERE t.tenant_id = w.tenant_id AND t.state = 'queued'
    AND NOT EXISTS (SELECT 1 FROM switchyard_turn e
                    WHERE e.conversation_id = t.conversation_id AND e.state IN ('queued', 'running', 'waiting_for_user')
                      AND (e.created_at, e.id) < (t.created_at, t.id) OFFSET 0)
    -- A turn whose commit was slow can be older than the one that runs already.
    AND NOT EXISTS (SELECT 1 FROM switchyard_turn r
                    WHERE r.conversation_id = t.conversation_id AND r.state IN ('running', 'waiting_for_user') OFFSET 0)
  ORDER BY t.created_at, t.id LIMIT :most
) n
"""
CANDIDATES = f"{_BEGUN} UNION ALL {_NEW} ORDER BY since, turn"

FRAGILE_HELD = """
SELECT s.turn_id AS turn FROM switchyard_stage s
WHERE s.state IN ('dispatched', 'running')
  AND (SELECT count(*) FROM switchyard_stage l WHERE l.turn_id = s.turn_id AND l.state = 'lost') >= :lost LIMIT 1
"""

#: Guarded by fence and state, so that a leader that was frozen in the middle of its round starts nothing twice.
RELEASE = """
WITH chosen AS (
  SELECT x.turn, x.fence FROM jsonb_to_recordset(CAST(:turns AS jsonb)) AS x(turn text, fence int)
), started AS (
  UPDATE switchyard_turn t SET state = 'running', started_at = coalesce(t.started_at, now())
  FROM chosen c
  WHERE t.id = c.turn AND t.fence = c.fence AND t.state IN ('queued', 'running') AND t.cancel_requested_at IS NULL
    AND (t.state = 'running'
         OR NOT EXISTS (SELECT 1 FROM switchyard_turn r
                        WHERE r.conversation_id = t.conversation_id AND r.state IN ('running', 'waiting_for_user')))
  RETURNING t.id, t.fence, t.cid
), sent AS (
  UPDATE switchyard_stage s
  SET state = 'dispatched', dispatch_no = s.dispatch_no + 1, dispatched_at = now()
  FROM started WHERE s.turn_id = started.id AND s.fence = started.fence AND s.state = 'waiting'
  RETURNING s.turn_id, s.hop, s.place, s.queue, s.dispatch_no
)
SELECT started.id AS turn, started.fence, started.cid,
       json_agg(json_build_object('hop', sent.hop, 'queue', sent.queue, 'dispatch_no', sent.dispatch_no)
                ORDER BY sent.place) AS hops
FROM started JOIN sent ON sent.turn_id = started.id
GROUP BY started.id, started.fence, started.cid
"""

WAITING_JOBS = """
SELECT queue, count(*)::int AS due FROM switchyard_job
WHERE state IN ('PENDING', 'RETRY_WAIT') AND run_at <= now() GROUP BY queue
"""

#: In turn over tenants, each one's oldest first; the deployment's own jobs stand in line as one tenant's.
RELEASE_JOBS = """
WITH held AS (
  SELECT tenant_id, count(*) AS n FROM switchyard_job
  WHERE state IN ('ASSIGNED', 'RUNNING') AND queue = :queue GROUP BY tenant_id
), ranked AS (
  SELECT j.id, j.run_at,
         coalesce(held.n, 0) + row_number() OVER (PARTITION BY j.tenant_id ORDER BY j.run_at, j.id) AS nth
  FROM switchyard_job j LEFT JOIN held ON held.tenant_id IS NOT DISTINCT FROM j.tenant_id
  WHERE j.state IN ('PENDING', 'RETRY_WAIT') AND j.run_at <= now() AND j.queue = :queue
), next AS (
  SELECT j.id FROM switchyard_job j JOIN ranked ON ranked.id = j.id
  WHERE j.state IN ('PENDING', 'RETRY_WAIT')
  ORDER BY ranked.nth, ranked.run_at, j.id LIMIT :room FOR UPDATE OF j SKIP LOCKED
)
UPDATE switchyard_job j SET state = 'ASSIGNED', dispatch_no = j.dispatch_no + 1, dispatched_at = now()
FROM next WHERE j.id = next.id
RETURNING j.id AS job, j.fence, j.dispatch_no, j.queue, j.type, j.cid
"""


def held(engine: Engine) -> list[Row]:
    """Return `queue`, `tenant` (None: the deployment) and `held`, how many slots it has; where it has none, no row."""
    return all_rows(engine, HELD)


def candidates(engine: Engine, *, most: int) -> list[Row]:
    """Return the turns that could go on now but for room, the longest waiting first.

    Those under way are there all; of those that have not begun, each tenant's `most` oldest.
    """
    return all_rows(engine, CANDIDATES, most=most)


def fragile_held(engine: Engine, *, lost: int) -> bool:
    """Return whether a turn that lost `lost` workers or more holds a slot."""
    return bool(all_rows(engine, FRAGILE_HELD, lost=lost))


def release(engine: Engine, turns: Sequence[tuple[str, int]]) -> list[Row]:
    """Take the slots for all waiting hops of the turns given as (turn, fence); return what is to be published.

    Turns that ended, were cancelled or taken over meanwhile are left out.
    """
    return all_rows(engine, RELEASE, turns=json_text([{"turn": turn, "fence": fence} for turn, fence in turns]))


def waiting_jobs(engine: Engine) -> dict[str, int]:
    """Return how many due jobs wait for each queue; queues without any are absent."""
    return {row["queue"]: row["due"] for row in all_rows(engine, WAITING_JOBS)}


def release_jobs(engine: Engine, *, queue: str, room: int) -> list[Row]:
    """Assign up to `room` due jobs of a queue, in turn over tenants."""
    return all_rows(engine, RELEASE_JOBS, queue=queue, room=room)
