"""Claim a stage, finish it, plan the rest, end the turn: every write guarded by the old state and the fence."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from sqlalchemy import Engine

from orchestrator.store.engine import json_text
from orchestrator.store.rows import Row, all_rows, one_row

CLAIM = """
WITH awake AS (
  -- Whoever claims lives. A process that was frozen claims before its next heartbeat and would be taken over at once.
  UPDATE switchyard_process SET seen_at = now()
  WHERE incarnation = :owner AND seen_at < now() - interval '3 seconds'
), mine AS (
  UPDATE switchyard_stage s
  SET state = 'running', owner = :owner, worker = :worker, started_at = now()
  FROM switchyard_turn t
  WHERE s.turn_id = :turn AND s.fence = :fence AND s.hop = :hop AND s.dispatch_no = :dispatch_no
    AND s.state = 'dispatched' AND t.id = s.turn_id AND t.fence = s.fence AND t.state = 'running'
    -- A repeated message of an earlier hop can bring this one on before that hop is done.
    AND NOT EXISTS (SELECT 1 FROM switchyard_stage b
                    WHERE b.turn_id = s.turn_id AND b.fence = s.fence AND b.place < s.place AND b.state <> 'done')
  RETURNING s.id, s.queue, s.ready_at, s.carry
)
SELECT mine.id AS stage, mine.queue, mine.carry,
       greatest(0, extract(epoch FROM now() - mine.ready_at) * 1000)::bigint AS queue_wait_ms,
       t.id AS turn, t.tenant_id AS tenant, n.name AS tenant_name, n.slug AS tenant_slug,
       t.conversation_id AS conversation, t.user_id AS "user", t.parent_id AS parent,
       t.text, t.language, t.forced_route, t.route, t.confidence, t.state, t.fence, t.cid, t.message,
       t.cancel_requested_at IS NOT NULL AS cancel_requested,
       greatest(0, extract(epoch FROM t.deadline_at - now()) * 1000)::bigint AS remaining_ms,
       greatest(0, extract(epoch FROM now() - t.created_at) * 1000)::bigint AS elapsed_ms,
       (SELECT coalesce(json_agg(json_build_object(
                 'stage', CASE p.hop WHEN 'embed' THEN 'rag' ELSE p.hop END, 'attempt', p.fence, 'queue', p.queue,
                 'queue_wait_ms', greatest(0, extract(epoch FROM p.started_at - p.ready_at) * 1000)::bigint,
                 'duration_ms', greatest(0, extract(epoch FROM p.ended_at - p.started_at) * 1000)::bigint,
                 'worker', p.worker, 'outcome', p.state) ORDER BY p.fence, p.place), '[]'::json)
        FROM switchyard_stage p WHERE p.turn_id = t.id AND p.ended_at IS NOT NULL AND p.started_at IS NOT NULL) AS past
FROM switchyard_turn t JOIN switchyard_tenant n ON n.id = t.tenant_id LEFT JOIN mine ON true
WHERE t.id = :turn
"""

FINISH_STAGE = """
WITH done AS (
  UPDATE switchyard_stage s SET state = 'done', ended_at = now(), summary = :summary
  FROM switchyard_turn t
  WHERE s.id = :stage AND s.state = 'running' AND t.id = s.turn_id AND t.fence = s.fence AND t.state = 'running'
  RETURNING s.turn_id
), next_ready AS (
  UPDATE switchyard_stage n SET ready_at = now() FROM done, switchyard_stage me
  WHERE me.id = :stage AND n.turn_id = done.turn_id AND n.fence = me.fence AND n.place = me.place + 1
)
SELECT turn_id FROM done
"""

#: What is left of the route is admitted as a whole: one slot in every queue of it within the tenant's share, and nobody
#: waiting there already.
PLAN = """
WITH wanted AS (
  SELECT x.hop, x.place, x.queue, x.admitted, x.share, x.carry
  FROM jsonb_to_recordset(CAST(:rest AS jsonb))
       AS x(hop text, place int, queue text, admitted int, share int, carry jsonb)
), held AS (
  SELECT s.queue, count(*) AS n, count(*) FILTER (WHERE t.tenant_id = mine.tenant_id) AS ours
  FROM switchyard_turn mine JOIN switchyard_stage me ON me.turn_id = mine.id AND me.id = :stage,
       switchyard_stage s JOIN switchyard_turn t ON t.id = s.turn_id
  WHERE s.state IN ('dispatched', 'running') AND s.queue IN (SELECT queue FROM wanted) GROUP BY s.queue
), room AS (
  SELECT coalesce(bool_and(
           coalesce((SELECT h.n FROM held h WHERE h.queue = w.queue), 0) < w.admitted
           AND coalesce((SELECT h.ours FROM held h WHERE h.queue = w.queue), 0) < w.share
           AND NOT EXISTS (SELECT 1 FROM switchyard_stage h
                           WHERE h.queue = w.queue AND h.state = 'waiting' AND h.place > 0)
         ), true) AS free
  FROM wanted w
), turn AS (
  UPDATE switchyard_turn t SET route = :route, confidence = :confidence
  FROM switchyard_stage s
  WHERE s.id = :stage AND s.state = 'running' AND t.id = s.turn_id AND t.fence = s.fence AND t.state = 'running'
  RETURNING t.id, t.fence
), done AS (
  UPDATE switchyard_stage s SET state = 'done', ended_at = now(), summary = :summary FROM turn WHERE s.id = :stage
), rest AS (
  INSERT INTO switchyard_stage (turn_id, fence, hop, place, queue, carry, state, dispatch_no, dispatched_at)
  SELECT turn.id, turn.fence, w.hop, w.place, w.queue, w.carry,
         CASE WHEN room.free THEN 'dispatched' ELSE 'waiting' END,
         CASE WHEN room.free THEN 1 ELSE 0 END,
         CASE WHEN room.free THEN now() END
  FROM turn, room, wanted w
  ON CONFLICT (turn_id, fence, hop) DO NOTHING
)
SELECT turn.id AS turn, room.free AS admitted FROM turn, room
"""

CARRY = """
UPDATE switchyard_stage SET carry = CAST(:carry AS jsonb) WHERE turn_id = :turn AND fence = :fence AND hop = :hop
"""

ARTIFACT = """
INSERT INTO switchyard_artifact (id, tenant_id, turn_id, job, step, kind, title, body, preview)
SELECT :artifact, :tenant, CAST(:turn AS text), CAST(:job AS text), :step, :kind, :title, CAST(:body AS jsonb),
       CAST(:preview AS jsonb)
WHERE {guard}
{conflict} DO UPDATE SET kind = excluded.kind, title = excluded.title, body = excluded.body, preview = excluded.preview
RETURNING id
"""
#: Whoever was taken over must not write over what the next attempt found.
TURN_ARTIFACT = ARTIFACT.format(
    guard="EXISTS (SELECT 1 FROM switchyard_turn WHERE id = :turn AND fence = :fence AND state = 'running')",
    conflict="ON CONFLICT (turn_id, step) WHERE turn_id IS NOT NULL",
)
JOB_ARTIFACT = ARTIFACT.format(guard="true", conflict="ON CONFLICT (job, step) WHERE job IS NOT NULL")

ARTIFACTS_OF = """
SELECT id, step, kind, title, body FROM switchyard_artifact WHERE turn_id = :turn ORDER BY created_at, id
"""

EXCHANGES = """
SELECT text AS question, answer FROM switchyard_turn
WHERE conversation_id = :conversation AND state = 'completed' AND id <> :turn AND created_at <=
      (SELECT created_at FROM switchyard_turn WHERE id = :turn)
ORDER BY created_at DESC, id DESC LIMIT :most
"""

END = """
WITH ended AS (
  UPDATE switchyard_turn
  SET state = :state, answer = CAST(:answer AS text), citations = CAST(:citations AS jsonb),
      usage = CAST(:usage AS jsonb), timeline = CAST(:timeline AS jsonb), error_code = CAST(:code AS text),
      error_message = CAST(:error_message AS text), error_retryable = CAST(:retryable AS boolean),
      reached = CAST(:reached AS jsonb), ended_at = now()
  WHERE id = :turn AND fence = :fence AND state IN ('queued', 'running', 'waiting_for_user')
    AND (NOT :idle OR NOT EXISTS (SELECT 1 FROM switchyard_stage r
                                  WHERE r.turn_id = :turn AND r.fence = :fence AND r.state = 'running'))
  RETURNING id, tenant_id, conversation_id, cid
), aside AS (
  INSERT INTO switchyard_dead_letter (tenant_id, turn_id, hop, code, cause, history)
  SELECT ended.tenant_id, ended.id, :hop, :code, :cause,
         -- As `closed` leaves them: this reads what was before it.
         (SELECT coalesce(jsonb_agg(jsonb_build_object(
                   'hop', h.hop, 'attempt', h.fence, 'worker', h.worker,
                   'outcome', CASE WHEN h.state = 'running' THEN :stage_state
                                   WHEN h.state IN ('waiting', 'dispatched') THEN 'skipped' ELSE h.state END,
                   'summary', CASE WHEN h.state = 'running' THEN :summary ELSE h.summary END,
                   'ready_at', h.ready_at, 'started_at', h.started_at, 'ended_at', coalesce(h.ended_at, now()))
                   ORDER BY h.fence, h.place), '[]'::jsonb)
          FROM switchyard_stage h WHERE h.turn_id = ended.id)
  FROM ended WHERE CAST(:cause AS text) IS NOT NULL
  ON CONFLICT (turn_id) DO NOTHING
), closed AS (
  UPDATE switchyard_stage s
  SET state = CASE WHEN s.state = 'running' THEN :stage_state ELSE 'skipped' END, ended_at = now(),
      summary = CASE WHEN s.state = 'running' THEN :summary ELSE s.summary END
  FROM ended WHERE s.turn_id = ended.id AND s.state IN ('waiting', 'dispatched', 'running')
), outbox AS (
  INSERT INTO switchyard_outbox (kind, key, body, next_at)
  SELECT 'ending', id, CAST(:body AS jsonb), now() + interval '1 second' FROM ended
)
SELECT id AS turn, conversation_id AS conversation, cid,
       EXISTS (SELECT 1 FROM switchyard_turn q
               WHERE q.conversation_id = ended.conversation_id AND q.state = 'queued' AND q.id <> ended.id) AS line
FROM ended
"""

CURRENT_FENCE = "SELECT fence FROM switchyard_turn WHERE id = :turn AND state IN ('running', 'waiting_for_user')"

REQUEST_CANCEL = """
UPDATE switchyard_turn SET cancel_requested_at = coalesce(cancel_requested_at, now())
WHERE id = :turn AND tenant_id = :tenant AND user_id = :user AND state IN ('running', 'waiting_for_user')
RETURNING id
"""

CANCEL_REQUESTED = "SELECT id FROM switchyard_turn WHERE id = ANY(:turns) AND cancel_requested_at IS NOT NULL"


def claim(engine: Engine, *, turn: str, fence: int, hop: str, dispatch_no: int, owner: str, worker: str) -> Row | None:
    """Claim a stage and return the turn with all a stage needs; `stage` is null when the claim was refused."""
    return one_row(engine, CLAIM, turn=turn, fence=fence, hop=hop, dispatch_no=dispatch_no, owner=owner, worker=worker)


def finish_stage(engine: Engine, *, stage: int, summary: str) -> bool:
    """Mark a claimed stage done; False when it is no longer ours."""
    return one_row(engine, FINISH_STAGE, stage=stage, summary=summary) is not None


def plan(
    engine: Engine, *, stage: int, route: str, confidence: float, summary: str, rest: Sequence[Mapping[str, object]]
) -> Row | None:
    """Finish `classify`, store the route and admit the rest if there is room; None when the turn is no longer ours."""
    return one_row(engine, PLAN, stage=stage, route=route, confidence=confidence, summary=summary, rest=json_text(rest))


def carry_to(engine: Engine, *, turn: str, fence: int, hop: str, carry: object) -> None:
    """Leave small values for a later hop of the same attempt."""
    one_row(engine, CARRY, turn=turn, fence=fence, hop=hop, carry=json_text(carry))


def keep_artifact(
    engine: Engine,
    *,
    artifact: str,
    tenant: str,
    turn: str | None,
    job: str | None,
    step: str,
    kind: str,
    title: str,
    body: object,
    preview: object,
    fence: int = 0,
) -> str | None:
    """Store what a step made, once for (turn or job, step), and return its id (the first one's, on a repeat).

    None when the turn has ended or is no longer at `fence`: nothing was stored.
    """
    row = one_row(
        engine,
        TURN_ARTIFACT if turn else JOB_ARTIFACT,
        artifact=artifact,
        tenant=tenant,
        turn=turn,
        fence=fence,
        job=job,
        step=step,
        kind=kind,
        title=title[:300],
        body=json_text(body),
        preview=json_text(preview),
    )
    return str(row["id"]) if row else None


def artifacts_of(engine: Engine, turn: str) -> list[Row]:
    """Return a turn's artifacts with their bodies, the oldest first."""
    return all_rows(engine, ARTIFACTS_OF, turn=turn)


def exchanges(engine: Engine, *, conversation: str, turn: str, most: int) -> list[Row]:
    """Return up to `most` earlier completed questions and answers, the oldest first."""
    return list(reversed(all_rows(engine, EXCHANGES, conversation=conversation, turn=turn, most=most)))


def end_turn(engine: Engine, *, values: Mapping[str, object]) -> Row | None:
    """End a turn, close its stages, write the outbox row and the dead letter, all or nothing.

    None when somebody else ended it. `line`: another turn of its conversation may go on now.
    """
    return one_row(engine, END, **values)


def current_fence(engine: Engine, turn: str) -> int | None:
    """Return the fence of a running turn, or None when it has ended."""
    row = one_row(engine, CURRENT_FENCE, turn=turn)
    return int(row["fence"]) if row else None


def request_cancel(engine: Engine, *, turn: str, tenant: str, user: str) -> bool:
    """Set the durable intent to cancel a running turn; False when it isn't running (any more)."""
    return one_row(engine, REQUEST_CANCEL, turn=turn, tenant=tenant, user=user) is not None


def cancel_requested(engine: Engine, turns: Sequence[str]) -> list[str]:
    """Return which of `turns` somebody asked to cancel."""
    return [row["id"] for row in all_rows(engine, CANCEL_REQUESTED, turns=list(turns))] if turns else []
