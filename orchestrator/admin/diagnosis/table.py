"""The one table of checks, from which the report, the docs and the overrides take their ids."""

from __future__ import annotations

from orchestrator.admin.diagnosis import (
    broker_queues,
    celery_settings,
    installation,
    live,
    machine,
    postgres,
    postgres_room,
    postgres_session,
    redis_server,
    schema,
    warehouses,
)
from orchestrator.admin.diagnosis.findings import EVERY, Check

CHECKS: tuple[Check, ...] = (
    *installation.CHECKS,
    *machine.CHECKS,
    *postgres.CHECKS,
    *postgres_room.CHECKS,
    *postgres_session.CHECKS,
    *schema.CHECKS,
    *redis_server.CHECKS,
    *celery_settings.CHECKS,
    *broker_queues.CHECKS,
    *live.CHECKS,
    *warehouses.CHECKS,
)
IDS = frozenset(check.id for check in CHECKS)
BEGIN, END = "<!-- checks: made by `manage.py checks_table` -->", "<!-- end of checks -->"


def markdown() -> str:
    """Return the tables for the operators' page: what refuses a start first, then problems, then warnings."""
    refusing = [check for check in CHECKS if check.refuses]
    rest = [check for check in CHECKS if not check.refuses]
    lines = ["| check | who does not start | why | what to do |", "|---|---|---|---|"]
    for check in refusing:
        who = "nobody" if check.refuses == EVERY else ", ".join(sorted(check.refuses))
        who = "any process" if check.refuses == EVERY else who
        lines.append(f"| `{check.id}` | {who} | {check.why} | {check.remedy} |")
    lines += ["", "What follows stops nothing; each process that sees it says so once in its log.", ""]
    lines += ["| check | weight | why | what to do |", "|---|---|---|---|"]
    for check in sorted(rest, key=lambda check: check.level):
        lines.append(f"| `{check.id}` | {check.level} | {check.why} | {check.remedy} |")
    return "\n".join(lines)


def with_tables(page: str) -> str:
    """Return the operators' page with its tables made anew.

    Raises:
        ValueError: the page lacks the marks between which they stand.
    """
    before, begin, rest = page.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"the page lacks {BEGIN} or {END}")
    return f"{before}{BEGIN}\n{markdown()}\n{END}{after}"
