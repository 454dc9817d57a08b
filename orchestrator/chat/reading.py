"""Rows as the contract's shapes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from orchestrator.store.rows import Row

#: While a turn runs, its timeline is what has finished so far: a reload in the middle of an answer shows it.
TURN_COLUMNS = """
t.id, t.conversation_id AS conversation, t.parent_id AS parent, t.text, t.state, t.route, t.fence, t.cid, t.language,
t.message, t.answer, t.citations, t.usage,
(SELECT jsonb_build_object('rating', f.rating, 'reason', nullif(f.reason, ''), 'comment', nullif(f.comment, ''))
 FROM switchyard_feedback f WHERE f.turn_id = t.id) AS feedback,
coalesce(t.timeline, jsonb_build_object(
  'total_ms', greatest(0, extract(epoch FROM now() - t.created_at) * 1000)::bigint, 'overhead_ms', 0,
  'stages', (SELECT coalesce(jsonb_agg(jsonb_build_object(
               'stage', CASE p.hop WHEN 'embed' THEN 'rag' ELSE p.hop END, 'attempt', p.fence, 'queue', p.queue,
               'queue_wait_ms', greatest(0, extract(epoch FROM p.started_at - p.ready_at) * 1000)::bigint,
               'duration_ms', greatest(0, extract(epoch FROM p.ended_at - p.started_at) * 1000)::bigint,
               'worker', p.worker, 'outcome', p.state) ORDER BY p.place), '[]'::jsonb)
             FROM switchyard_stage p WHERE p.turn_id = t.id AND p.ended_at IS NOT NULL AND p.started_at IS NOT NULL)
)) AS timeline, t.error_code, t.error_message, t.error_retryable, t.reached,
t.created_at, t.ended_at, greatest(0, extract(epoch FROM now() - t.created_at) * 1000)::bigint AS age_ms
"""


def artifact_shape(row: Row) -> dict[str, Any]:
    """Return an artifact as turns list it: by reference, with its preview."""
    return {"id": row["id"], "kind": row["kind"], "url": f"/api/artifacts/{row['id']}", "preview": row["preview"]}


def turn_shape(row: Row, artifacts: Sequence[Row], *, partial: str | None = None) -> dict[str, Any]:
    """Return the contract's Turn; optional fields that have no value are left out."""
    shape: dict[str, Any] = {
        "id": row["id"],
        "conversation": row["conversation"],
        "parent": row["parent"],
        "text": row["text"],
        "state": row["state"],
        "route": row["route"],
        "attempt": row["fence"],
        "message": row["message"],
        "answer": row["answer"],
        "partial": partial,
        "error": None
        if row["error_code"] is None
        else {"code": row["error_code"], "message": row["error_message"], "retryable": bool(row["error_retryable"])},
        "feedback": row["feedback"],
        "ended_at": row["ended_at"].isoformat() if row["ended_at"] else None,
    }
    shape = {name: value for name, value in shape.items() if value is not None}
    shape |= {
        "artifacts": [artifact_shape(a) for a in artifacts],
        "citations": row["citations"],
        "timeline": row["timeline"],
        "usage": row["usage"],
        "created_at": row["created_at"].isoformat(),
    }
    return shape
