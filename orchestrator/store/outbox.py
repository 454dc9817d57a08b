"""What must leave with a transaction: read by the relay until it is done."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Engine

from orchestrator.store.rows import Row, all_rows

OPEN_OUTBOX = """
SELECT id, kind, key, body, attempts FROM switchyard_outbox
WHERE done_at IS NULL AND next_at <= now() ORDER BY id LIMIT 200
"""
DONE_OUTBOX = "UPDATE switchyard_outbox SET done_at = now() WHERE kind = :kind AND key = ANY(:keys)"
LATER_OUTBOX = """
UPDATE switchyard_outbox SET attempts = attempts + 1, next_at = now() + :delay_s * interval '1 second' WHERE id = :id
"""


def open_outbox(engine: Engine) -> list[Row]:
    """Return the effects that are due, oldest first, at most 200."""
    return all_rows(engine, OPEN_OUTBOX)


def done_outbox(engine: Engine, *, kind: str, keys: Sequence[str]) -> None:
    """Mark effects as done."""
    all_rows(engine, DONE_OUTBOX, kind=kind, keys=list(keys))


def later_outbox(engine: Engine, *, row: int, delay_s: float) -> None:
    """Put an effect off after a failure."""
    all_rows(engine, LATER_OUTBOX, id=row, delay_s=delay_s)
