"""The last day in figures and pictures, for the admin's first page: one's own tenant's, or everybody's."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import orjson

from orchestrator.automation.schedules import SCHEDULES
from orchestrator.store.engine import ro
from orchestrator.store.rows import Row, all_rows, one_row

_MINE = "(CAST(:tenant AS text) IS NULL OR tenant_id = :tenant)"

NOW = f"""
SELECT (SELECT count(*) FROM switchyard_turn WHERE ended_at IS NULL AND {_MINE}) AS open_turns,
       (SELECT count(*) FROM switchyard_document WHERE state = 'failed' AND {_MINE}) AS failed_documents,
       (SELECT count(*) FROM switchyard_job WHERE {_MINE}
          AND state IN ('CREATED', 'PENDING', 'ASSIGNED', 'RUNNING', 'RETRY_WAIT')) AS open_jobs,
       (SELECT count(*) FROM switchyard_feedback WHERE rating = 'up' AND {_MINE}
          AND updated_at > now() - interval '24 hours') AS up,
       (SELECT count(*) FROM switchyard_feedback WHERE rating = 'down' AND {_MINE}
          AND updated_at > now() - interval '24 hours') AS down,
       (SELECT count(*) FROM switchyard_feedback WHERE rating = 'down' AND handled_at IS NULL AND {_MINE}) AS to_look_at
"""  # noqa: S608 - constants only

#: One pass over the last day; hours without a turn are there, too.
HOURS = f"""
WITH hour AS (
  SELECT generate_series(date_trunc('hour', now() - interval '23 hours'), date_trunc('hour', now()), '1 hour') AS at
), turn AS (
  SELECT date_trunc('hour', created_at) AS at, state, route, extract(epoch FROM ended_at - created_at) AS took_s
  FROM switchyard_turn WHERE created_at > now() - interval '24 hours' AND {_MINE}
)
SELECT hour.at, count(*) FILTER (WHERE turn.state = 'completed') AS answered,
       count(*) FILTER (WHERE turn.state = 'failed') AS failed,
       count(*) FILTER (WHERE turn.state = 'cancelled') AS stopped,
       percentile_cont(0.95) WITHIN GROUP (ORDER BY took_s) FILTER (WHERE turn.state = 'completed') AS p95_s
FROM hour LEFT JOIN turn USING (at) GROUP BY hour.at ORDER BY hour.at
"""  # noqa: S608 - as above

ROUTES = f"""
SELECT coalesce(route, '(none)') AS route, count(*) AS turns,
       percentile_cont(0.5) WITHIN GROUP (ORDER BY extract(epoch FROM ended_at - created_at)) AS p50_s,
       percentile_cont(0.95) WITHIN GROUP (ORDER BY extract(epoch FROM ended_at - created_at)) AS p95_s,
       count(*) FILTER (WHERE state = 'failed') AS failed
FROM switchyard_turn WHERE created_at > now() - interval '24 hours' AND {_MINE} GROUP BY 1 ORDER BY 2 DESC
"""  # noqa: S608 - as above

LAST_JOBS = f"""
SELECT DISTINCT ON (split_part(schedule, ':', 1)) split_part(schedule, ':', 1) AS name, id, state, fire_time, error,
       extract(epoch FROM ended_at - started_at)::float AS took_s
FROM switchyard_job WHERE schedule IS NOT NULL AND {_MINE} ORDER BY 1, fire_time DESC, created_at DESC
"""  # noqa: S608 - as above

FAILED_JOBS = f"""
SELECT j.id, j.type, n.name AS tenant, j.ended_at, j.error, count(*) OVER () AS of_all
FROM (SELECT * FROM switchyard_job
      WHERE state = 'FAILED' AND ended_at > now() - interval '24 hours' AND {_MINE}) j
LEFT JOIN switchyard_tenant n ON n.id = j.tenant_id ORDER BY j.ended_at DESC LIMIT 10
"""  # noqa: S608 - as above


def cards(tenant: str | None) -> list[tuple[str, object]]:
    """Return (words, figure) of what goes on; `tenant` None: of all."""
    row = one_row(ro(), NOW, tenant=tenant) or {}
    return [
        ("turns under way", row.get("open_turns")),
        ("jobs under way", row.get("open_jobs")),
        ("thumbs up in 24 h", row.get("up")),
        ("thumbs down in 24 h", row.get("down")),
        ("thumbs down to look at", row.get("to_look_at")),
        ("documents that failed", row.get("failed_documents")),
    ]


def pictures(tenant: str | None) -> dict[str, str]:
    """Return the charts' data as JSON: endings an hour, and the time that 95 % of the answers took."""
    rows = all_rows(ro(), HOURS, tenant=tenant)
    labels = [f"{row['at']:%H}:00" for row in rows]
    return {
        "endings": _chart(
            labels,
            ("answered", [row["answered"] for row in rows], "#1f7a74"),
            ("failed", [row["failed"] for row in rows], "#b3402e"),
            ("stopped", [row["stopped"] for row in rows], "#a6a89f"),
        ),
        "p95": _chart(labels, ("95 % answered within, s", [_rounded(row["p95_s"]) for row in rows], "#3566a3")),
    }


def routes(tenant: str | None) -> list[dict[str, Any]]:
    """Return each route of the last day: how many turns, their times in seconds, how many failed."""
    rows = all_rows(ro(), ROUTES, tenant=tenant)
    return [{**row, "p50_s": _rounded(row["p50_s"]), "p95_s": _rounded(row["p95_s"])} for row in rows]


def schedules(tenant: str | None) -> list[dict[str, Any]]:
    """Return each schedule with its last job and when it fires next; of several tenants' jobs the latest.

    A tenant has none of the deployment's.
    """
    last = {row["name"]: row for row in all_rows(ro(), LAST_JOBS, tenant=tenant)}
    now = datetime.now(UTC)
    empty: Row = {}
    return [
        {
            "name": schedule.name,
            "job": last.get(schedule.name, empty).get("id"),
            "fired": last.get(schedule.name, empty).get("fire_time"),
            "state": last.get(schedule.name, empty).get("state") or "never fired",
            "took_s": _rounded(last.get(schedule.name, empty).get("took_s")),
            "error": last.get(schedule.name, empty).get("error", ""),
            "missed": schedule.missed,
            "next": schedule.next(now),
        }
        for schedule in SCHEDULES
        if tenant is None or schedule.scope == "tenant"
    ]


def failed_jobs(tenant: str | None) -> list[Row]:
    """Return the latest ten jobs that failed for good in the last day; each row's `of_all` counts all of them."""
    return all_rows(ro(), FAILED_JOBS, tenant=tenant)


def _chart(labels: Sequence[str], *lines: tuple[str, Sequence[object], str]) -> str:
    datasets = [{"label": label, "data": list(data), "backgroundColor": colour} for label, data, colour in lines]
    return orjson.dumps({"labels": list(labels), "datasets": datasets}).decode()


def _rounded(value: Any) -> float | None:  # Any: numeric or float, as the aggregate gives it
    return None if value is None else round(float(value), 2)
