"""Accept a turn, and find the one an idempotency key already stands for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, Engine

from orchestrator.store.rows import Row, all_rows, one_row, transaction

ACCEPT = """
WITH quota AS (
  SELECT turns_a_day AS most, CASE WHEN turns_a_day IS NULL THEN false ELSE
    (SELECT count(*) FROM (SELECT 1 FROM switchyard_turn d
       WHERE d.tenant_id = :tenant AND d.created_at > now() - interval '1 day' LIMIT n.turns_a_day) AS lately)
    >= turns_a_day END AS used_up
  FROM switchyard_tenant n WHERE id = :tenant
), conversation AS (
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
  FROM conversation WHERE NOT EXISTS (SELECT 1 FROM quota WHERE used_up)
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
SELECT EXISTS (SELECT 1 FROM conversation) AS known, (SELECT id FROM turn) AS turn, (SELECT fence FROM turn) AS fence,
       (SELECT most FROM quota WHERE used_up) AS used_up
"""

#: When the oldest of the latest `most` turns is a day old, the next one may come.
ROOM_AGAIN = """
SELECT extract(epoch FROM created_at + interval '1 day' - now()) AS in_s
FROM switchyard_turn WHERE tenant_id = :tenant AND created_at > now() - interval '1 day'
ORDER BY created_at DESC OFFSET :before LIMIT 1
"""

BY_CLIENT_ID = """
SELECT id AS turn, conversation_id AS conversation, fence, body_digest AS digest,
       created_at < now() - interval '24 hours' AS stale
FROM switchyard_turn WHERE tenant_id = :tenant AND user_id = :user AND client_id = :client_id
"""

FREE_CLIENT_ID = "UPDATE switchyard_turn SET client_id = NULL WHERE id = :turn AND client_id = :client_id"


#: Whoever accepts into the conversation changes its row, so holding it means that no turn comes in between.
HOLD = """
SELECT id FROM switchyard_conversation
WHERE id = :conversation AND tenant_id = :tenant AND user_id = :user AND deleted_at IS NULL FOR NO KEY UPDATE
"""

OPEN_TURNS = """
SELECT id AS turn FROM switchyard_turn
WHERE conversation_id = :conversation AND state IN ('queued', 'running', 'waiting_for_user')
ORDER BY created_at, id
"""

#: The wish alone: whoever runs a turn meets it, and the sweep ends those that nobody runs.
INTERRUPT = """
UPDATE switchyard_turn SET cancel_requested_at = coalesce(cancel_requested_at, now())
WHERE conversation_id = :conversation AND state IN ('queued', 'running', 'waiting_for_user') AND id <> :turn
RETURNING id AS turn
"""

ASKED_BEFORE = """
SELECT t.conversation_id AS conversation, t.text, t.forced_route AS route
FROM switchyard_turn t WHERE t.id = :turn AND t.tenant_id = :tenant AND t.user_id = :user
"""

LEFT_OPEN = """
SELECT id AS turn FROM switchyard_turn
WHERE conversation_id = :conversation AND tenant_id = :tenant AND user_id = :user
  AND state IN ('queued', 'running', 'waiting_for_user')
  AND created_at < now() - :older_than_s * interval '1 second'
ORDER BY created_at, id
"""

WORKING = """
SELECT DISTINCT conversation_id AS conversation FROM switchyard_turn
WHERE conversation_id = ANY(:conversations) AND state IN ('queued', 'running', 'waiting_for_user')
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Alone:
    """What became of a turn that was not to stand in line."""

    #: As `accept` answers; None when the conversation was at work and nothing was done about it.
    row: Row | None
    #: The turns that were told to stop, the oldest first.
    interrupted: tuple[str, ...] = ()


def accept(where: Engine | Connection, **values: object) -> Row:
    """Insert a turn and its first hops in one statement.

    `known`: conversation and parent are theirs; `turn` is null when the key is taken.
    """
    row = one_row(where, ACCEPT, **values)
    if row is None:
        raise RuntimeError("ACCEPT always answers one row")
    return row


def room_again_s(engine: Engine, *, tenant: str, most: int) -> float:
    """Return how long a company that may ask `most` questions a day has to wait for the next one."""
    row = one_row(engine, ROOM_AGAIN, tenant=tenant, before=most - 1) if most else None
    # A clock that was set back leaves turns of the future.
    return 86_400.0 if row is None else min(86_400.0, max(1.0, float(row["in_s"])))


def by_client_id(engine: Engine, *, tenant: str, user: str, client_id: str) -> Row | None:
    """Return the turn that holds an idempotency key, its body's digest, and whether it is over 24 h old."""
    return one_row(engine, BY_CLIENT_ID, tenant=tenant, user=user, client_id=client_id)


def free_client_id(engine: Engine, *, turn: str, client_id: str) -> None:
    """Take a stale idempotency key from its turn."""
    one_row(engine, FREE_CLIENT_ID, turn=turn, client_id=client_id)


def accept_alone(engine: Engine, *, interrupt: bool, **values: object) -> Alone:
    """Insert a turn unless the conversation has an open one, or tell the open ones to stop; all or nothing.

    A key that is taken comes first: whoever repeats a question neither is refused for it nor stops it.
    """
    conversation, client_id = values["conversation"], values["client_id"]
    with transaction(engine) as connection:
        names = {name: values[name] for name in ("tenant", "user")}
        if one_row(connection, HOLD, conversation=conversation, **names) is None:
            return Alone(row={"known": False, "turn": None, "fence": None, "used_up": None})
        if client_id is not None and one_row(connection, BY_CLIENT_ID, client_id=client_id, **names) is not None:
            return Alone(row={"known": True, "turn": None, "fence": None, "used_up": None})
        if not interrupt and all_rows(connection, OPEN_TURNS, conversation=conversation):
            return Alone(row=None)
        row = accept(connection, **values)
        if not interrupt or row["turn"] is None:
            # Whoever is refused a new turn keeps the one that runs.
            return Alone(row=row)
        stopped = all_rows(connection, INTERRUPT, conversation=conversation, turn=row["turn"])
        return Alone(row=row, interrupted=tuple(sorted(each["turn"] for each in stopped)))


def asked_before(engine: Engine, *, tenant: str, user: str, turn: str) -> Row | None:
    """Return the question of one of a user's turns: conversation, text, forced route."""
    return one_row(engine, ASKED_BEFORE, tenant=tenant, user=user, turn=turn)


def left_open(engine: Engine, *, tenant: str, user: str, conversation: str, older_than_s: float) -> list[str]:
    """Return the open turns of a conversation that were accepted at least so long ago, the oldest first."""
    rows = all_rows(engine, LEFT_OPEN, tenant=tenant, user=user, conversation=conversation, older_than_s=older_than_s)
    return [row["turn"] for row in rows]


def working(engine: Engine, conversations: Sequence[str]) -> frozenset[str]:
    """Return which of these conversations have an open turn."""
    rows = all_rows(engine, WORKING, conversations=list(conversations)) if conversations else []
    return frozenset(row["conversation"] for row in rows)
