"""What the dead, the frozen and the forgetful leave behind: found, closed and made ready to go again.

Nothing here publishes. Whatever is to run again is left `waiting`, and the
ordinary release takes it from there.
"""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Engine

from orchestrator.store.processes import DEAD_AFTER_S
from orchestrator.store.rows import Row, all_rows, one_row

#: Stages that run under an owner who is silent for a lease, or has left. Cancelled and late turns are the sweep's.
ORPHANS = """
SELECT s.id AS stage, s.turn_id AS turn, s.fence, s.hop, s.worker, t.conversation_id AS conversation, t.cid, t.language,
       t.state, greatest(0, extract(epoch FROM now() - t.created_at) * 1000)::bigint AS total_ms,
       (SELECT coalesce(json_agg(json_build_object(
                 'stage', CASE p.hop WHEN 'embed' THEN 'rag' ELSE p.hop END, 'attempt', p.fence, 'queue', p.queue,
                 'queue_wait_ms', greatest(0, extract(epoch FROM p.started_at - p.ready_at) * 1000)::bigint,
                 'duration_ms',
                 greatest(0, extract(epoch FROM coalesce(p.ended_at, now()) - p.started_at) * 1000)::bigint,
                 'worker', p.worker, 'outcome', CASE p.state WHEN 'running' THEN 'lost' ELSE p.state END)
                 ORDER BY p.fence, p.place), '[]'::json)
        FROM switchyard_stage p WHERE p.turn_id = t.id AND p.started_at IS NOT NULL) AS stages,
       (SELECT count(*) FROM switchyard_stage l
        WHERE l.turn_id = s.turn_id AND l.hop = s.hop AND l.state = 'lost')::int AS lost_before
FROM switchyard_stage s
JOIN switchyard_turn t ON t.id = s.turn_id AND t.fence = s.fence AND t.state = 'running'
WHERE s.state = 'running' AND t.cancel_requested_at IS NULL
  AND NOT EXISTS (SELECT 1 FROM switchyard_process p
                  WHERE p.incarnation = s.owner AND p.seen_at > now() - :dead_after_s * interval '1 second')
ORDER BY s.started_at LIMIT 200
"""

#: Close a running stage and begin the next attempt from its hop on: one statement, so that there is no instant in which
#: nobody owns the turn. Both rows are locked, so whoever finishes the stage or ends the turn comes before or after it.
NEXT_ATTEMPT = """
WITH old AS (
  SELECT s.id, s.turn_id, s.fence, s.place
  FROM switchyard_stage s JOIN switchyard_turn t ON t.id = s.turn_id AND t.fence = s.fence AND t.state = 'running'
  WHERE s.id = :stage AND s.state = 'running' AND (CAST(:owner AS text) IS NULL OR s.owner = :owner)
  FOR UPDATE OF t, s
), raised AS (
  UPDATE switchyard_turn t SET fence = t.fence + 1, told_waiting = NULL FROM old WHERE t.id = old.turn_id
  RETURNING t.id, t.fence, t.cid
), again AS (
  INSERT INTO switchyard_stage (turn_id, fence, hop, place, queue, carry)
  SELECT s.turn_id, raised.fence, s.hop, s.place, s.queue, s.carry
  FROM old JOIN raised ON raised.id = old.turn_id
  JOIN switchyard_stage s ON s.turn_id = old.turn_id AND s.fence = old.fence AND s.place >= old.place
), closed AS (
  UPDATE switchyard_stage s
  SET state = CASE WHEN s.id = old.id THEN :outcome ELSE 'skipped' END, ended_at = now()
  FROM old
  WHERE s.turn_id = old.turn_id AND s.fence = old.fence AND s.place >= old.place
    AND s.state IN ('waiting', 'dispatched', 'running')
)
SELECT raised.id AS turn, raised.fence, raised.cid FROM raised
"""

#: A job's log with the line that its worker can't write any more, in the shape of `automation.notes`.
_SAID = """coalesce(log, '[]') || jsonb_build_array(jsonb_build_object(
           'at', now(), 'attempt', attempts, 'level', 'error', 'text', '{words}'))"""

#: Claimed in its owner's name while the owner knows nothing of it: the claim's answer was lost on the way, or the stage
#: could not write its ending.
FORGOTTEN = """
SELECT id AS stage, turn_id AS turn FROM switchyard_stage
WHERE state = 'running' AND owner = :owner AND started_at < now() - :grace_s * interval '1 second'
  AND turn_id <> ALL(CAST(:known AS text[]))
"""
FORGOTTEN_JOBS = f"""
UPDATE switchyard_job SET state = 'RETRY_WAIT', owner = NULL, run_at = now(), fence = fence + 1,
       error = 'its worker forgot it', log = {_SAID.format(words="its worker forgot it")}
WHERE state = 'RUNNING' AND owner = :owner AND started_at < now() - :grace_s * interval '1 second'
  AND id <> ALL(CAST(:known AS text[]))
RETURNING id AS job
"""  # noqa: S608 - constants only

#: Next in its turn, dispatched, and claimed by nobody although somebody could: a live worker of its queue has a slot
#: free, or runs what became ready later. A full queue is no sign of a loss.
_UNCLAIMED = """
SELECT s.id, s.turn_id, s.fence FROM (
  SELECT s.id, s.turn_id, s.fence, s.queue, s.dispatch_no, greatest(s.ready_at, s.dispatched_at) AS since
  FROM switchyard_stage s
  JOIN switchyard_turn t ON t.id = s.turn_id AND t.fence = s.fence AND t.state = 'running'
  WHERE s.state = 'dispatched'
    AND NOT EXISTS (SELECT 1 FROM switchyard_stage b
                    WHERE b.turn_id = s.turn_id AND b.fence = s.fence AND b.place < s.place AND b.state <> 'done')
) s
-- Each time twice as patient: while its workers don't hear the broker, more messages would not help.
WHERE s.since < now() - :patience_s * power(2, least(s.dispatch_no - 1, 4)) * interval '1 second'
  AND (EXISTS (SELECT 1 FROM switchyard_process p
               WHERE p.queues ? s.queue AND NOT p.draining
                 AND p.seen_at > now() - :dead_after_s * interval '1 second'
                 AND p.slots > (SELECT count(*) FROM switchyard_stage r
                                WHERE r.state = 'running' AND r.owner = p.incarnation)
                             + (SELECT count(*) FROM switchyard_job j
                                WHERE j.state = 'RUNNING' AND j.owner = p.incarnation))
       OR EXISTS (SELECT 1 FROM switchyard_stage o
                  WHERE o.queue = s.queue AND o.state = 'running'
                    AND greatest(o.ready_at, o.dispatched_at) > s.since + :patience_s * interval '1 second'))
"""

#: The broker forgot everything: whatever is in no worker's hands.
_UNHELD = """
SELECT s.id, s.turn_id, s.fence FROM switchyard_stage s
JOIN switchyard_turn t ON t.id = s.turn_id AND t.fence = s.fence AND t.state = 'running'
WHERE s.state = 'dispatched'
  AND NOT EXISTS (SELECT 1 FROM switchyard_stage b
                  WHERE b.turn_id = s.turn_id AND b.fence = s.fence AND b.state = 'running')
"""

#: With a stage, all that follow it in its chain; the number that a release gives voids the old message.
_PUT_BACK = """
WITH missing AS ({missing}), back AS (
  UPDATE switchyard_stage s SET state = 'waiting'
  FROM (SELECT DISTINCT turn_id, fence FROM missing) m
  WHERE s.turn_id = m.turn_id AND s.fence = m.fence AND s.state = 'dispatched'
  RETURNING s.turn_id
)
SELECT DISTINCT turn_id AS turn FROM back
"""
PUT_BACK_UNCLAIMED = _PUT_BACK.format(missing=_UNCLAIMED)
PUT_BACK_ALL = _PUT_BACK.format(missing=_UNHELD)

#: A plan, or a claim, and an ending that meet can leave stages behind: the ending's snapshot is older than they are.
#: Two reads, each of a small index: one list of states would be sought in the whole history, once a second.
CLOSE_LEFT_OVER = """
WITH open AS (
  SELECT id, turn_id, fence FROM switchyard_stage WHERE state = 'waiting'
  UNION ALL SELECT id, turn_id, fence FROM switchyard_stage WHERE state IN ('dispatched', 'running')
), over AS (
  SELECT open.id FROM open JOIN switchyard_turn t ON t.id = open.turn_id
  WHERE t.state IN ('completed', 'failed', 'cancelled') OR open.fence < t.fence
)
UPDATE switchyard_stage s SET state = CASE WHEN s.state = 'running' THEN 'stopped' ELSE 'skipped' END, ended_at = now()
FROM over
WHERE s.id = over.id AND s.state IN ('waiting', 'dispatched', 'running')
RETURNING s.turn_id AS turn, s.hop
"""

#: A job whose worker died holds its slot for nobody; an orderly worker takes its process row along.
RECOVER_JOBS = f"""
UPDATE switchyard_job j
SET state = CASE WHEN j.cancel_requested_at IS NOT NULL THEN 'CANCELLED'
                 WHEN j.attempts < j.max_attempts THEN 'RETRY_WAIT' ELSE 'FAILED' END,
    ended_at = CASE WHEN j.cancel_requested_at IS NOT NULL OR j.attempts >= j.max_attempts THEN now() END,
    fence = j.fence + 1, owner = NULL, run_at = now(), error = 'its worker was lost',
    log = {_SAID.format(words="its worker was lost")}
WHERE j.state = 'RUNNING'
  AND NOT EXISTS (SELECT 1 FROM switchyard_process p
                  WHERE p.incarnation = j.owner AND p.seen_at > now() - :dead_after_s * interval '1 second')
RETURNING id AS job, state, attempts
"""  # noqa: S608 - as above

#: As for stages. Jobs acknowledge early, so a worker that died before its claim has taken the message along.
PUT_BACK_JOBS = """
UPDATE switchyard_job j SET state = 'PENDING'
WHERE j.state = 'ASSIGNED'
  AND (:all OR (j.dispatched_at < now() - :patience_s * power(2, least(j.dispatch_no - 1, 4)) * interval '1 second'
                AND EXISTS (SELECT 1 FROM switchyard_process p
                            WHERE p.queues ? j.queue AND NOT p.draining
                              AND p.seen_at > now() - :dead_after_s * interval '1 second'
                              AND p.slots > (SELECT count(*) FROM switchyard_job r
                                             WHERE r.state = 'RUNNING' AND r.owner = p.incarnation)
                                          + (SELECT count(*) FROM switchyard_stage s
                                             WHERE s.state = 'running' AND s.owner = p.incarnation))))
RETURNING id AS job
"""


def orphans(engine: Engine) -> list[Row]:
    """Return the running stages whose owner is dead, each with how often its hop was lost before; at most 200."""
    return all_rows(engine, ORPHANS, dead_after_s=DEAD_AFTER_S)


def take_over(engine: Engine, *, stage: int) -> Row | None:
    """Close a dead owner's stage as lost and begin the next attempt; None when somebody else was faster."""
    return one_row(engine, NEXT_ATTEMPT, stage=stage, owner=None, outcome="lost")


def hand_back(engine: Engine, *, stage: int, owner: str) -> Row | None:
    """Give one's own running stage up for the next attempt; None when it is no longer ours."""
    return one_row(engine, NEXT_ATTEMPT, stage=stage, owner=owner, outcome="handed_back")


def hand_back_forgotten(engine: Engine, *, owner: str, known: Sequence[str], grace_s: float) -> list[str]:
    """Give up what is claimed in `owner`'s name for over `grace_s` and not among the turns and jobs it runs."""
    found = all_rows(engine, FORGOTTEN, owner=owner, known=list(known), grace_s=grace_s)
    turns = [row["turn"] for row in found if hand_back(engine, stage=row["stage"], owner=owner) is not None]
    jobs = all_rows(engine, FORGOTTEN_JOBS, owner=owner, known=list(known), grace_s=grace_s)
    return turns + [row["job"] for row in jobs]


def put_back_unclaimed(engine: Engine, *, patience_s: float) -> list[str]:
    """Have what nobody claimed in time wait again, and return the turns."""
    rows = all_rows(engine, PUT_BACK_UNCLAIMED, patience_s=patience_s, dead_after_s=DEAD_AFTER_S)
    return [row["turn"] for row in rows]


def put_back_all(engine: Engine) -> list[str]:
    """Have everything that the broker should hold wait again, and return the turns."""
    return [row["turn"] for row in all_rows(engine, PUT_BACK_ALL)]


def put_back_jobs(engine: Engine, *, everything: bool, patience_s: float) -> list[str]:
    """Have assigned jobs that nobody claimed wait again: all of them, or those left although a slot is free."""
    rows = all_rows(engine, PUT_BACK_JOBS, all=everything, patience_s=patience_s, dead_after_s=DEAD_AFTER_S)
    return [row["job"] for row in rows]


def close_left_over(engine: Engine) -> list[Row]:
    """Close the stages of ended turns and old attempts, which would hold their slots for ever."""
    return all_rows(engine, CLOSE_LEFT_OVER)


def recover_jobs(engine: Engine) -> list[Row]:
    """Put back, or fail, the running jobs whose worker is dead; a zombie's writes meet a higher fence."""
    return all_rows(engine, RECOVER_JOBS, dead_after_s=DEAD_AFTER_S)
