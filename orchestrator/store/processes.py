"""Heartbeats: one row a process, written every 2 s, dead after 6 s of silence."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Engine

from orchestrator.store.engine import json_text
from orchestrator.store.rows import Row, all_rows

BEAT_S = 2.0
DEAD_AFTER_S = 6.0

BEAT = """
INSERT INTO switchyard_process (incarnation, name, role, host, pid, queues, slots, draining)
VALUES (:incarnation, :name, :role, :host, :pid, CAST(:queues AS jsonb), :slots, :draining)
ON CONFLICT (incarnation) DO UPDATE SET seen_at = now(), draining = excluded.draining
"""
GONE = "DELETE FROM switchyard_process WHERE incarnation = :incarnation"
OF_HOST = "SELECT incarnation, name, pid FROM switchyard_process WHERE host = :host"
ALIVE = """
SELECT incarnation, name, role, host, pid, queues, slots, draining, started_at, seen_at FROM switchyard_process
WHERE seen_at > now() - :dead_after_s * interval '1 second' ORDER BY name
"""


def beat(
    engine: Engine,
    *,
    incarnation: str,
    name: str,
    role: str,
    host: str,
    pid: int,
    queues: Sequence[str],
    slots: int = 0,
    draining: bool,
) -> None:
    """Say that this process lives."""
    all_rows(
        engine,
        BEAT,
        incarnation=incarnation,
        name=name,
        role=role,
        host=host,
        pid=pid,
        queues=json_text(list(queues)),
        slots=slots,
        draining=draining,
    )


def gone(engine: Engine, *, incarnation: str) -> None:
    """Say that this process leaves in order."""
    all_rows(engine, GONE, incarnation=incarnation)


def of_host(engine: Engine, host: str) -> list[Row]:
    """Return every process that was started on a host and has not left in order: incarnation, name and pid."""
    return all_rows(engine, OF_HOST, host=host)


def alive(engine: Engine) -> list[Row]:
    """Return the processes that were heard of within 6 s, by name."""
    return all_rows(engine, ALIVE, dead_after_s=DEAD_AFTER_S)
