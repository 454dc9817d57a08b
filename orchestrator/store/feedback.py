"""Keep what a person thought of an answer of theirs."""

from __future__ import annotations

#: One statement: the turn is looked up, guarded and rated in one round trip; no row when there is no such turn.
GIVE = """
WITH asked AS (
  SELECT id, tenant_id, ended_at FROM switchyard_turn WHERE id = :turn AND tenant_id = :tenant AND user_id = :user
), given AS (
  INSERT INTO switchyard_feedback (turn_id, tenant_id, rating, reason, comment)
  SELECT id, tenant_id, :rating, :reason, :comment FROM asked WHERE ended_at IS NOT NULL
  ON CONFLICT (turn_id) DO UPDATE SET rating = excluded.rating, reason = excluded.reason, comment = excluded.comment,
    updated_at = now(),
    -- The same word once more leaves it dealt with.
    handled_at = CASE WHEN (switchyard_feedback.rating, switchyard_feedback.reason, switchyard_feedback.comment)
      = (excluded.rating, excluded.reason, excluded.comment) THEN switchyard_feedback.handled_at END
  RETURNING turn_id
)
SELECT asked.ended_at IS NOT NULL AS ended, given.turn_id IS NOT NULL AS kept FROM asked LEFT JOIN given ON true
"""

WITHDRAW = """
WITH asked AS (SELECT id FROM switchyard_turn WHERE id = :turn AND tenant_id = :tenant AND user_id = :user),
gone AS (DELETE FROM switchyard_feedback WHERE turn_id IN (SELECT id FROM asked))
SELECT id FROM asked
"""
