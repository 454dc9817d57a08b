"""Read dead letters, and mark one as replayed; whoever ends a turn writes them."""

from __future__ import annotations

from sqlalchemy import Connection, Engine

from orchestrator.store.rows import Row, all_rows, one_row

_FILTER = """
    (CAST(:tenant AS text) IS NULL OR n.id = :tenant) AND (CAST(:code AS text) IS NULL OR d.code = :code)
AND (CAST(:hop AS text) IS NULL OR d.hop = :hop)
AND (CAST(:replayed AS boolean) IS NULL OR (d.replayed_at IS NOT NULL) = :replayed)
"""

_COLUMNS = """
SELECT d.id AS letter, d.tenant_id AS tenant, n.slug AS tenant_slug, d.turn_id AS turn, d.hop, d.code, d.cause,
       d.created_at, d.replayed_at, d.replayed_as_id AS replayed_as, r.state AS replay_state, u.username,
       t.conversation_id AS conversation, t.fence AS attempts
"""

_FROM = """
FROM switchyard_dead_letter d
JOIN switchyard_tenant n ON n.id = d.tenant_id
JOIN switchyard_turn t ON t.id = d.turn_id
JOIN switchyard_user u ON u.id = t.user_id
LEFT JOIN switchyard_turn r ON r.id = d.replayed_as_id
"""

PAGE = f"""
{_COLUMNS} {_FROM}
WHERE {_FILTER} AND (CAST(:before AS bigint) IS NULL OR d.id < :before)
ORDER BY d.id DESC LIMIT :most
"""

COUNT = f"SELECT count(*) AS letters {_FROM} WHERE {_FILTER}"

ONE = f"{_COLUMNS}, d.history, t.text, t.cid, t.created_at AS asked_at {_FROM} WHERE d.id = :letter"

#: By id, which is the order they came in: a conversation's questions are asked again in theirs.
OPEN = f"SELECT d.id AS letter {_FROM} WHERE {_FILTER} AND d.replayed_at IS NULL ORDER BY d.id"

#: The lock makes a second operator wait here, and find it replayed.
LOCK = """
SELECT d.replayed_at IS NOT NULL AS replayed, t.id AS turn, t.tenant_id AS tenant, t.user_id AS "user",
       t.conversation_id AS conversation, t.text, t.language, t.forced_route AS route,
       c.deleted_at IS NOT NULL AS conversation_deleted, u.is_active AND n.is_active AS user_active
FROM switchyard_dead_letter d
JOIN switchyard_turn t ON t.id = d.turn_id
JOIN switchyard_conversation c ON c.id = t.conversation_id
JOIN switchyard_user u ON u.id = t.user_id
JOIN switchyard_tenant n ON n.id = t.tenant_id
WHERE d.id = :letter FOR UPDATE OF d
"""

REPLAYED = "UPDATE switchyard_dead_letter SET replayed_as_id = :turn, replayed_at = now() WHERE id = :letter"


def page(engine: Engine, *, most: int, before: int | None, **wanted: object) -> list[Row]:
    """Return at most `most` letters that match, the newest first, those before the letter `before`."""
    return all_rows(engine, PAGE, most=most, before=before, **wanted)


def count(engine: Engine, **wanted: object) -> int:
    """Return how many letters match."""
    row = one_row(engine, COUNT, **wanted)
    return int(row["letters"]) if row else 0


def one(engine: Engine, letter: int) -> Row | None:
    """Return a letter with its history and the question it is about."""
    return one_row(engine, ONE, letter=letter)


def open_ones(engine: Engine, **wanted: object) -> list[int]:
    """Return the letters that match and wait to be replayed, the oldest first."""
    return [int(row["letter"]) for row in all_rows(engine, OPEN, **wanted)]


def lock(connection: Connection, letter: int) -> Row | None:
    """Return what a replay needs to know, and keep other replays of the letter out until the transaction ends."""
    return one_row(connection, LOCK, letter=letter)


def mark_replayed(connection: Connection, *, letter: int, turn: str) -> None:
    """Write down which turn a locked letter became."""
    all_rows(connection, REPLAYED, letter=letter, turn=turn)
