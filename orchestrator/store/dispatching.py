"""What the dispatcher reads and writes: release, sweep, relay."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Engine

from orchestrator.store.engine import json_text
from orchestrator.store.rows import Row, all_rows

HELD = """
SELECT queue, sum(n)::int AS held FROM (
  SELECT queue, count(*) AS n FROM switchyard_stage WHERE state IN ('dispatched', 'running') GROUP BY queue
  UNION ALL
  SELECT queue, count(*) FROM switchyard_job WHERE state IN ('ASSIGNED', 'RUNNING') GROUP BY queue
) counted GROUP BY queue
"""

#: The oldest open turn of a conversation may start; the others wait for it.
RELEASE_FIRST = """
WITH next AS (
  SELECT t.id, s.id AS stage
  FROM switchyard_turn t JOIN switchyard_stage s ON s.turn_id = t.id AND s.place = 0 AND s.state = 'waiting'
  WHERE t.state = 'queued' AND s.queue = :queue
    AND NOT EXISTS (SELECT 1 FROM switchyard_turn e
                    WHERE e.conversation_id = t.conversation_id AND e.state IN ('queued', 'running', 'waiting_for_user')
                      AND (e.created_at, e.id) < (t.created_at, t.id))
    -- A turn whose commit was slow can be older than the one that runs already.
    AND NOT EXISTS (SELECT 1 FROM switchyard_turn r
                    WHERE r.conversation_id = t.conversation_id AND r.state IN ('running', 'waiting_for_user'))
  ORDER BY t.created_at, t.id LIMIT :room FOR UPDATE OF t SKIP LOCKED
), started AS (
  UPDATE switchyard_turn t SET state = 'running', started_at = now() FROM next WHERE t.id = next.id
  RETURNING t.id, t.fence, t.conversation_id, t.cid, t.text, t.user_id, t.parent_id
), sent AS (
  UPDATE switchyard_stage s
  SET state = 'dispatched', dispatch_no = s.dispatch_no + 1, dispatched_at = now()
  FROM next WHERE s.id = next.stage
  RETURNING s.turn_id, s.hop, s.queue, s.dispatch_no
), forced_rest AS (
  UPDATE switchyard_stage s SET state = 'dispatched', dispatch_no = 1, dispatched_at = now()
  FROM next WHERE s.turn_id = next.id AND s.place > 0 AND s.state = 'waiting'
)
SELECT started.id AS turn, started.fence, started.conversation_id AS conversation, started.cid, started.text,
       started.user_id AS "user", started.parent_id AS parent, sent.hop, sent.queue, sent.dispatch_no,
       (SELECT coalesce(json_agg(json_build_object('hop', r.hop, 'queue', r.queue) ORDER BY r.place), '[]'::json)
        FROM switchyard_stage r WHERE r.turn_id = started.id AND r.fence = started.fence AND r.place > 0) AS rest
FROM started JOIN sent ON sent.turn_id = started.id
"""

#: Turns whose rest waits for room, oldest first, each with the queues it needs.
WAITING_REST = """
SELECT t.id AS turn, t.fence, t.cid, min(s.ready_at) AS since,
       json_agg(json_build_object('hop', s.hop, 'queue', s.queue) ORDER BY s.place) AS rest
FROM switchyard_turn t
JOIN switchyard_stage s ON s.turn_id = t.id AND s.fence = t.fence AND s.state = 'waiting' AND s.place > 0
WHERE t.state = 'running'
GROUP BY t.id ORDER BY since, t.id LIMIT 200
"""

RELEASE_REST = """
UPDATE switchyard_stage s SET state = 'dispatched', dispatch_no = 1, dispatched_at = now()
FROM switchyard_turn t
WHERE t.id = :turn AND t.fence = :fence AND t.state = 'running' AND s.turn_id = t.id AND s.fence = t.fence
  AND s.state = 'waiting' AND s.place > 0
RETURNING s.hop
"""

#: Who waits, and what for: an earlier turn of the conversation, room in a queue, or a worker that takes the message.
WAITING_TURNS = """
WITH ready AS (
  SELECT s.* FROM switchyard_stage s
  WHERE s.state IN ('waiting', 'dispatched')
    AND NOT EXISTS (SELECT 1 FROM switchyard_stage b
                    WHERE b.turn_id = s.turn_id AND b.fence = s.fence AND b.place < s.place AND b.state <> 'done')
)
SELECT t.id AS turn, t.fence, t.conversation_id AS conversation, t.cid, t.language, t.told_waiting AS told, s.queue,
       s.place, s.hop, t.state, t.text, t.user_id AS "user", t.parent_id AS parent,
       CASE WHEN s.place = 0 THEN
         (SELECT count(*) FROM switchyard_turn e
          WHERE e.conversation_id = t.conversation_id AND e.state IN ('queued', 'running', 'waiting_for_user')
            AND (e.created_at, e.id) < (t.created_at, t.id)) ELSE 0 END::int AS ahead_here,
       (SELECT count(*) FROM ready o
        WHERE o.queue = s.queue AND (o.ready_at, o.id) < (s.ready_at, s.id))::int AS ahead
FROM switchyard_turn t JOIN ready s ON s.turn_id = t.id AND s.fence = t.fence
WHERE t.state IN ('queued', 'running') AND s.ready_at < now() - interval '150 milliseconds'
ORDER BY s.ready_at LIMIT 500
"""

TOLD = "UPDATE switchyard_turn SET told_waiting = :told WHERE id = :turn"

#: Turns that nobody will end: past their deadline, or cancelled while no stage of theirs runs.
OVERDUE = """
SELECT t.id AS turn, t.fence, t.language, t.cid, t.conversation_id AS conversation, t.state,
       t.text, t.user_id AS "user", t.parent_id AS parent,
       t.deadline_at < now() - interval '2 seconds' AS late,
       greatest(0, extract(epoch FROM now() - t.created_at) * 1000)::bigint AS total_ms,
       (SELECT coalesce(json_agg(json_build_object(
                 'stage', CASE p.hop WHEN 'embed' THEN 'rag' ELSE p.hop END, 'attempt', p.fence, 'queue', p.queue,
                 -- Behind a hop that is not done, nobody has waited yet, whatever `ready_at` it was inserted with.
                 'queue_wait_ms',
                 CASE WHEN p.started_at IS NULL AND EXISTS (SELECT 1 FROM switchyard_stage b
                        WHERE b.turn_id = p.turn_id AND b.fence = p.fence AND b.place < p.place AND b.state <> 'done')
                 THEN 0
                 ELSE greatest(0, extract(epoch FROM coalesce(p.started_at, now()) - p.ready_at) * 1000)::bigint END,
                 'duration_ms',
                 greatest(0, extract(epoch FROM coalesce(p.ended_at, now()) - coalesce(p.started_at, now()))
                             * 1000)::bigint,
                 'worker', p.worker, 'outcome', p.state) ORDER BY p.place), '[]'::json)
        FROM switchyard_stage p WHERE p.turn_id = t.id) AS stages
FROM switchyard_turn t
WHERE t.state IN ('queued', 'running')
  AND (t.deadline_at < now() - interval '2 seconds'
       OR (t.cancel_requested_at < now() - interval '1 second'
           AND NOT EXISTS (SELECT 1 FROM switchyard_stage s JOIN switchyard_process p ON p.incarnation = s.owner
                           WHERE s.turn_id = t.id AND s.state = 'running'
                             AND (NOT :judge OR p.seen_at > now() - interval '6 seconds'))))
LIMIT 200
"""

#: The broker forgot everything: what was in it is sent again under a new number, which makes the old message void.
SEND_AGAIN = """
WITH first AS (
  SELECT DISTINCT ON (s.turn_id) s.id, s.turn_id
  FROM switchyard_stage s JOIN switchyard_turn t ON t.id = s.turn_id AND t.fence = s.fence AND t.state = 'running'
  WHERE s.state = 'dispatched'
    AND NOT EXISTS (SELECT 1 FROM switchyard_stage b
                    WHERE b.turn_id = s.turn_id AND b.fence = s.fence AND b.state = 'running')
  ORDER BY s.turn_id, s.place
), sent AS (
  UPDATE switchyard_stage s SET dispatch_no = s.dispatch_no + 1, dispatched_at = now()
  FROM first WHERE s.id = first.id AND s.state = 'dispatched'
  RETURNING s.turn_id, s.fence, s.hop, s.queue, s.dispatch_no, s.place
)
SELECT sent.turn_id AS turn, sent.fence, sent.hop, sent.queue, sent.dispatch_no, t.cid,
       (SELECT coalesce(json_agg(json_build_object('hop', r.hop, 'queue', r.queue, 'dispatch_no', r.dispatch_no)
                                 ORDER BY r.place), '[]'::json)
        FROM switchyard_stage r WHERE r.turn_id = sent.turn_id AND r.fence = sent.fence AND r.place > sent.place
          AND r.state = 'dispatched') AS rest
FROM sent JOIN switchyard_turn t ON t.id = sent.turn_id
"""

#: A plan and an ending that meet can leave the planned stages behind: the ending's snapshot is older than they are.
CLOSE_LEFT_OVER = """
UPDATE switchyard_stage s SET state = 'skipped', ended_at = now()
FROM switchyard_turn t
WHERE t.id = s.turn_id AND s.state IN ('waiting', 'dispatched')
  AND (t.state IN ('completed', 'failed', 'cancelled') OR s.fence < t.fence)
RETURNING s.turn_id AS turn, s.hop
"""

OPEN_OUTBOX = """
SELECT id, kind, key, body, attempts FROM switchyard_outbox
WHERE done_at IS NULL AND next_at <= now() ORDER BY id LIMIT 200
"""
DONE_OUTBOX = "UPDATE switchyard_outbox SET done_at = now() WHERE kind = :kind AND key = ANY(:keys)"
LATER_OUTBOX = """
UPDATE switchyard_outbox SET attempts = attempts + 1, next_at = now() + :delay_s * interval '1 second' WHERE id = :id
"""

RELEASE_JOBS = """
WITH next AS (
  SELECT id FROM switchyard_job
  WHERE state IN ('PENDING', 'RETRY_WAIT') AND run_at <= now() AND queue = :queue
  ORDER BY run_at, id LIMIT :room FOR UPDATE SKIP LOCKED
)
UPDATE switchyard_job j SET state = 'ASSIGNED', dispatch_no = j.dispatch_no + 1, dispatched_at = now()
FROM next WHERE j.id = next.id
RETURNING j.id AS job, j.fence, j.dispatch_no, j.queue, j.type, j.cid
"""

#: A job whose worker died holds its slot for nobody; an orderly worker takes its process row along.
RECOVER_JOBS = """
UPDATE switchyard_job j
SET state = CASE WHEN j.cancel_requested_at IS NOT NULL THEN 'CANCELLED'
                 WHEN j.attempts < j.max_attempts THEN 'RETRY_WAIT' ELSE 'FAILED' END,
    ended_at = CASE WHEN j.cancel_requested_at IS NOT NULL OR j.attempts >= j.max_attempts THEN now() END,
    fence = j.fence + 1, owner = NULL, run_at = now(), error = 'its worker was lost'
WHERE j.state = 'RUNNING'
  AND NOT EXISTS (SELECT 1 FROM switchyard_process p
                  WHERE p.incarnation = j.owner AND p.seen_at > now() - interval '6 seconds')
RETURNING id AS job, state, attempts
"""

SEND_JOBS_AGAIN = """
UPDATE switchyard_job SET dispatch_no = dispatch_no + 1, dispatched_at = now() WHERE state = 'ASSIGNED'
RETURNING id AS job, fence, dispatch_no, queue, type, cid
"""


def held(engine: Engine) -> dict[str, int]:
    """Return how many slots of each queue are taken; queues without any are absent."""
    return {row["queue"]: row["held"] for row in all_rows(engine, HELD)}


def release_first(engine: Engine, *, queue: str, room: int) -> list[Row]:
    """Start up to `room` waiting turns whose first hop goes to `queue`, oldest first."""
    return all_rows(engine, RELEASE_FIRST, queue=queue, room=room)


def waiting_rest(engine: Engine) -> list[Row]:
    """Return the classified turns that wait for room, oldest first, at most 200."""
    return all_rows(engine, WAITING_REST)


def release_rest(engine: Engine, *, turn: str, fence: int) -> bool:
    """Take the slots for the rest of one turn; False when it has ended meanwhile."""
    return bool(all_rows(engine, RELEASE_REST, turn=turn, fence=fence))


def waiting_turns(engine: Engine) -> list[Row]:
    """Return who has waited over 150 ms, and behind how many."""
    return all_rows(engine, WAITING_TURNS)


def told(engine: Engine, *, turn: str, told: str) -> None:
    """Remember what wait a turn's user was told of."""
    all_rows(engine, TOLD, turn=turn, told=told)


def overdue(engine: Engine, *, judge: bool) -> list[Row]:
    """Return the turns that nobody else will end, at most 200; without `judge` a silent owner counts as alive."""
    return all_rows(engine, OVERDUE, judge=judge)


def close_left_over(engine: Engine) -> list[Row]:
    """Close the stages of ended turns, which would hold their slots for ever."""
    return all_rows(engine, CLOSE_LEFT_OVER)


def recover_jobs(engine: Engine) -> list[Row]:
    """Put back, or fail, the running jobs whose worker is dead; a zombie's writes meet a higher fence."""
    return all_rows(engine, RECOVER_JOBS)


def send_again(engine: Engine) -> list[Row]:
    """Renumber every dispatched, unclaimed first hop and return them for publishing."""
    return all_rows(engine, SEND_AGAIN)


def open_outbox(engine: Engine) -> list[Row]:
    """Return the effects that are due, oldest first, at most 200."""
    return all_rows(engine, OPEN_OUTBOX)


def done_outbox(engine: Engine, *, kind: str, keys: Sequence[str]) -> None:
    """Mark effects as done."""
    all_rows(engine, DONE_OUTBOX, kind=kind, keys=list(keys))


def later_outbox(engine: Engine, *, row: int, delay_s: float) -> None:
    """Put an effect off after a failure."""
    all_rows(engine, LATER_OUTBOX, id=row, delay_s=delay_s)


def release_jobs(engine: Engine, *, queue: str, room: int) -> list[Row]:
    """Assign up to `room` due jobs of a queue, oldest first."""
    return all_rows(engine, RELEASE_JOBS, queue=queue, room=room)


def send_jobs_again(engine: Engine) -> list[Row]:
    """Renumber every assigned, unclaimed job and return them for publishing."""
    return all_rows(engine, SEND_JOBS_AGAIN)


def ending_body(values: object) -> str:
    """Return the outbox body of an ending as JSON text."""
    return json_text(values)
