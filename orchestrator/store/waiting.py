"""Who waits, what for, behind how many, and for about how long."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Engine

from orchestrator.store.engine import json_text
from orchestrator.store.processes import DEAD_AFTER_S
from orchestrator.store.rows import Row, all_rows

#: Places are those of the release: what is in the broker already, then in turn over tenants. Of a conversation only
#: the first open turn stands in its queue; the others wait for it.
WAITING_TURNS = """
WITH open AS (
  SELECT t.id, t.fence, t.state, t.tenant_id,
         row_number() OVER (PARTITION BY t.conversation_id
                            ORDER BY (t.state <> 'queued') DESC, t.created_at, t.id) AS line
  FROM switchyard_turn t WHERE t.state IN ('queued', 'running', 'waiting_for_user')
), ready AS (
  SELECT s.*, open.id AS turn_id, open.tenant_id, open.line
  -- One by one, by index: what statistics say of how many are open is about the hours before.
  FROM open CROSS JOIN LATERAL (
    SELECT n.id, n.queue, n.hop, n.place, n.state, n.ready_at FROM switchyard_stage n
    WHERE n.turn_id = open.id AND n.fence = open.fence AND n.state <> 'done' ORDER BY n.place LIMIT 1
  ) s
  WHERE s.state IN ('waiting', 'dispatched') AND open.state <> 'waiting_for_user'
), turned AS (
  SELECT ready.*,
         row_number() OVER (PARTITION BY queue, tenant_id, state, line = 1 ORDER BY place DESC, ready_at, id) AS nth
  FROM ready
), placed AS (
  SELECT turned.*, row_number() OVER (PARTITION BY queue, line = 1
                                      ORDER BY (state = 'dispatched') DESC, nth, ready_at, id)::int AS position
  FROM turned
)
SELECT t.id AS turn, t.fence, t.conversation_id AS conversation, t.cid, t.language, t.told_waiting AS told, p.queue,
       p.hop, t.state, t.text, t.user_id AS "user", t.parent_id AS parent, (p.line - 1)::int AS ahead_here, p.position
FROM placed p JOIN switchyard_turn t ON t.id = p.turn_id
WHERE p.ready_at < now() - interval '150 milliseconds'
ORDER BY (t.told_waiting IS NULL) DESC, p.position LIMIT :most
"""

TOLD = """
UPDATE switchyard_turn t SET told_waiting = x.told
FROM jsonb_to_recordset(CAST(:told AS jsonb)) AS x(turn text, told text) WHERE t.id = x.turn
"""

#: From the last stages that were done, whichever queue they ran in; a queue that had none has no figure.
SERVICE_TIMES = """
SELECT queue, avg(extract(epoch FROM ended_at - started_at) * 1000)::float AS mean_ms
FROM (SELECT queue, started_at, ended_at FROM switchyard_stage ORDER BY id DESC LIMIT 400) recent
WHERE ended_at IS NOT NULL AND started_at IS NOT NULL GROUP BY queue
"""

SLOTS = """
SELECT q.queue, sum(p.slots)::int AS slots
FROM switchyard_process p CROSS JOIN LATERAL jsonb_array_elements_text(p.queues) AS q(queue)
WHERE NOT p.draining AND p.seen_at > now() - :dead_after_s * interval '1 second' GROUP BY q.queue
"""


def waiting_turns(engine: Engine, *, most: int) -> list[Row]:
    """Return who has waited over 150 ms, those who were not told first, then by place."""
    return all_rows(engine, WAITING_TURNS, most=most)


def told(engine: Engine, reasons: Sequence[tuple[str, str]]) -> None:
    """Remember which wait each turn's user was told of, given as (turn, reason)."""
    all_rows(engine, TOLD, told=json_text([{"turn": turn, "told": reason} for turn, reason in reasons]))


def service_times_ms(engine: Engine) -> dict[str, float]:
    """Return how long the last stages of each queue took on average."""
    return {row["queue"]: row["mean_ms"] for row in all_rows(engine, SERVICE_TIMES)}


def slots(engine: Engine) -> dict[str, int]:
    """Return how many stages of each queue the living workers run at once; queues without a worker are absent."""
    return {row["queue"]: row["slots"] for row in all_rows(engine, SLOTS, dead_after_s=DEAD_AFTER_S)}
