"""Rows as the contract's shapes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from orchestrator.store.rows import Row

TURN_COLUMNS = """
t.id, t.conversation_id AS conversation, t.parent_id AS parent, t.text, t.state, t.route, t.fence, t.cid, t.language,
t.message, t.answer, t.citations, t.usage, t.timeline, t.error_code, t.error_message, t.error_retryable, t.reached,
t.created_at, t.ended_at, greatest(0, extract(epoch FROM now() - t.created_at) * 1000)::int AS age_ms
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
