"""Find the turns that nobody else will end."""

from __future__ import annotations

from sqlalchemy import Engine

from orchestrator.store.processes import DEAD_AFTER_S
from orchestrator.store.rows import Row, all_rows

#: Past their deadline, or cancelled while no stage of theirs runs.
OVERDUE = """
SELECT t.id AS turn, t.fence, t.language, t.cid, t.conversation_id AS conversation, t.state,
       t.text, t.user_id AS "user", t.parent_id AS parent,
       t.deadline_at < now() AS late,
       greatest(0, extract(epoch FROM now() - t.created_at) * 1000)::bigint AS total_ms,
       (SELECT coalesce(json_agg(json_build_object(
                 'stage', CASE p.hop WHEN 'embed' THEN 'rag' ELSE p.hop END, 'attempt', p.fence, 'queue', p.queue,
                 -- Behind a hop that is not done, nobody has waited yet, whatever `ready_at` it was inserted with.
                 'queue_wait_ms',
                 CASE WHEN p.started_at IS NULL AND EXISTS (SELECT 1 FROM switchyard_stage b
                        WHERE b.turn_id = p.turn_id AND b.fence = p.fence AND b.place < p.place AND b.state <> 'done')
                 THEN 0
                 ELSE greatest(0, extract(epoch FROM coalesce(p.started_at, p.ended_at, now()) - p.ready_at)
                                  * 1000)::bigint END,
                 'duration_ms',
                 greatest(0, extract(epoch FROM coalesce(p.ended_at, now()) - coalesce(p.started_at, p.ended_at, now()))
                             * 1000)::bigint,
                 'worker', p.worker, 'outcome', p.state) ORDER BY p.fence, p.place), '[]'::json)
        FROM switchyard_stage p WHERE p.turn_id = t.id) AS stages
FROM switchyard_turn t
WHERE t.state IN ('queued', 'running')
  AND (t.deadline_at < now() OR t.cancel_requested_at IS NOT NULL)
  -- Whoever runs it says so itself, with all it knows; past all patience it is not asked.
  AND (t.deadline_at < now() - interval '2 seconds'
       OR NOT EXISTS (SELECT 1 FROM switchyard_stage s
                      WHERE s.turn_id = t.id AND s.state = 'running'
                        AND (NOT :judge
                             OR EXISTS (SELECT 1 FROM switchyard_process p
                                        WHERE p.incarnation = s.owner
                                          AND p.seen_at > now() - :dead_after_s * interval '1 second'))))
LIMIT 200
"""


def overdue(engine: Engine, *, judge: bool) -> list[Row]:
    """Return the turns that nobody else will end, at most 200; without `judge` a silent owner counts as alive."""
    return all_rows(engine, OVERDUE, judge=judge, dead_after_s=DEAD_AFTER_S)
