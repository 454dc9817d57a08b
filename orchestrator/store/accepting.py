"""Accept a turn, and find the one an idempotency key already stands for."""

from __future__ import annotations

from sqlalchemy import Connection, Engine

from orchestrator.store.rows import Row, one_row

ACCEPT = """
WITH conversation AS (
  SELECT id FROM switchyard_conversation
  WHERE id = :conversation AND tenant_id = :tenant AND user_id = :user AND deleted_at IS NULL
    AND (CAST(:parent AS text) IS NULL
         OR EXISTS (SELECT 1 FROM switchyard_turn p WHERE p.id = :parent AND p.conversation_id = :conversation))
), turn AS (
  INSERT INTO switchyard_turn (id, tenant_id, conversation_id, user_id, parent_id, client_id, body_digest, text,
                               language, forced_route, route, cid, on_disconnect, message, citations, reached,
                               deadline_at)
  SELECT :turn, :tenant, id, :user, CAST(:parent AS text), CAST(:client_id AS text), CAST(:digest AS bytea),
         :text, :language, CAST(:route AS text), CAST(:route AS text), :cid, :on_disconnect, :message, '[]', '[]',
         now() + :deadline_ms * interval '1 millisecond'
  FROM conversation
  ON CONFLICT (tenant_id, user_id, client_id) WHERE client_id IS NOT NULL DO NOTHING
  RETURNING id, conversation_id, fence
), stage AS (
  INSERT INTO switchyard_stage (turn_id, hop, place, queue)
  SELECT turn.id, h.hop, h.place, h.queue
  FROM turn, jsonb_to_recordset(CAST(:hops AS jsonb)) AS h(hop text, place int, queue text)
), touched AS (
  UPDATE switchyard_conversation c
  SET updated_at = now(), title = CASE WHEN c.title = '' THEN :title ELSE c.title END
  FROM turn WHERE c.id = turn.conversation_id
)
SELECT EXISTS (SELECT 1 FROM conversation) AS known, (SELECT id FROM turn) AS turn, (SELECT fence FROM turn) AS fence
"""

BY_CLIENT_ID = """
SELECT id AS turn, conversation_id AS conversation, fence, body_digest AS digest,
       created_at < now() - interval '24 hours' AS stale
FROM switchyard_turn WHERE tenant_id = :tenant AND user_id = :user AND client_id = :client_id
"""

FREE_CLIENT_ID = "UPDATE switchyard_turn SET client_id = NULL WHERE id = :turn AND client_id = :client_id"


def accept(where: Engine | Connection, **values: object) -> Row:
    """Insert a turn and its first hops in one statement.

    `known`: conversation and parent are theirs; `turn` is null when the key is taken.
    """
    row = one_row(where, ACCEPT, **values)
    if row is None:
        raise RuntimeError("ACCEPT always answers one row")
    return row


def by_client_id(engine: Engine, *, tenant: str, user: str, client_id: str) -> Row | None:
    """Return the turn that holds an idempotency key, its body's digest, and whether it is over 24 h old."""
    return one_row(engine, BY_CLIENT_ID, tenant=tenant, user=user, client_id=client_id)


def free_client_id(engine: Engine, *, turn: str, client_id: str) -> None:
    """Take a stale idempotency key from its turn."""
    one_row(engine, FREE_CLIENT_ID, turn=turn, client_id=client_id)
