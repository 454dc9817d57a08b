"""Look at everything that the product stands on, as `switchyard doctor` does."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from sqlalchemy.exc import SQLAlchemyError

from orchestrator.admin.diagnosis import broker_queues, live, postgres_facts
from orchestrator.admin.diagnosis import servers as standing
from orchestrator.admin.diagnosis.celery_facts import celery, celery_settings
from orchestrator.admin.diagnosis.findings import AwayError, Finding
from orchestrator.admin.diagnosis.own import own_machine, own_settings
from orchestrator.admin.diagnosis.postgres_facts import Server
from orchestrator.admin.diagnosis.warehouses import warehouses
from orchestrator.errors import StoreDownError
from orchestrator.store import processes
from orchestrator.store.engine import rw
from orchestrator.store.rows import Row


def examine() -> Iterator[Finding]:
    """Yield everything that was found, subject by subject; nothing here raises for what is down."""
    yield from own_settings()
    yield from own_machine()
    answers = standing.ask()
    rows = _alive() if isinstance(answers.database, Server) else []
    yield from standing.servers(answers, rows=rows)
    yield from celery(load_tasks=True)
    yield from _broker()
    if isinstance(answers.database, Server):
        yield from _live(rows)
        yield from warehouses()


def _alive() -> list[Row]:
    try:
        return processes.alive(rw())
    except (StoreDownError, SQLAlchemyError):
        return []  # the schema's own finding says it


def _live(rows: list[Row]) -> Iterator[Finding]:
    leaders: list[dict[str, Any]] = []
    try:
        leaders = postgres_facts.rows(standing.database_url(), live.LEADER, live.LOCK_HALVES)
    except AwayError:
        return
    yield from live.processes(rows, leaders)


def _broker() -> Iterator[Finding]:
    url, facts = standing.broker_url(), celery_settings()
    if not url.startswith(("redis://", "rediss://", "unix://")):
        return
    try:
        lists, stuck = broker_queues.look(url, prefix=facts.prefix, visibility_timeout_s=facts.visibility_timeout_s)
    except AwayError:
        return  # asked before, and told
    yield from broker_queues.broker(lists, stuck, prefix=facts.prefix)
