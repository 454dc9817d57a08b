"""The admin's first page: what goes on right now, in one statement."""

from __future__ import annotations

from functools import cache
from typing import Any

from django.conf import settings
from django.http import HttpRequest
from redis import Redis
from redis.exceptions import RedisError

from orchestrator.admin.access import person
from orchestrator.control.situation import lines
from orchestrator.log.clients import sync_client
from orchestrator.log.keys import Keys
from orchestrator.resilience.breaker_registry import own_ones, shared_ones
from orchestrator.store import processes
from orchestrator.store.engine import ro
from orchestrator.store.rows import one_row
from orchestrator.tenants.models import Tenant

_NOW = """
SELECT (SELECT count(*) FROM switchyard_turn WHERE state IN ('queued', 'running', 'waiting_for_user')
          AND (CAST(:tenant AS text) IS NULL OR tenant_id = :tenant)) AS open_turns,
       (SELECT count(*) FROM switchyard_turn WHERE created_at > now() - interval '24 hours' AND state = 'completed'
          AND (CAST(:tenant AS text) IS NULL OR tenant_id = :tenant)) AS answered,
       (SELECT count(*) FROM switchyard_turn WHERE created_at > now() - interval '24 hours' AND state = 'failed'
          AND (CAST(:tenant AS text) IS NULL OR tenant_id = :tenant)) AS failed,
       (SELECT round(percentile_cont(0.5) WITHIN GROUP (ORDER BY extract(epoch FROM ended_at - created_at))::numeric, 1)
          FROM switchyard_turn WHERE created_at > now() - interval '24 hours' AND state = 'completed'
          AND (CAST(:tenant AS text) IS NULL OR tenant_id = :tenant)) AS median_s,
       (SELECT count(*) FROM switchyard_document WHERE state = 'failed'
          AND (CAST(:tenant AS text) IS NULL OR tenant_id = :tenant)) AS failed_documents,
       (SELECT count(*) FROM switchyard_job WHERE state IN ('CREATED', 'PENDING', 'ASSIGNED', 'RUNNING', 'RETRY_WAIT')
          AND (CAST(:tenant AS text) IS NULL OR tenant_id = :tenant)) AS open_jobs
"""


def figures(request: HttpRequest, context: dict[str, Any]) -> dict[str, Any]:
    """Add the figures to the first page: of one's own tenant, and for superusers also of the machinery."""
    mighty = person(request).is_superuser
    row = one_row(ro(), _NOW, tenant=None if mighty else person(request).tenant_id) or {}
    cards: list[tuple[str, object]] = [
        ("turns under way", row.get("open_turns")),
        ("answered in 24 h", row.get("answered")),
        ("failed in 24 h", row.get("failed")),
        ("median answer, s", row.get("median_s") if row.get("median_s") is not None else "–"),
        ("jobs under way", row.get("open_jobs")),
        ("documents that failed", row.get("failed_documents")),
    ]
    context["cards"] = cards
    context["queues"] = lines(processes.alive(ro())) if mighty else []
    context["breakers"] = _breakers() if mighty else []
    return context


def _breakers() -> list[dict[str, Any]]:
    try:
        shared = shared_ones(_redis(), Keys(settings.SWITCHYARD.key_prefix))
    except RedisError:
        shared = []
    names: dict[str, str] = dict(Tenant.objects.values_list("pk", "name"))
    return [
        {
            "name": _readable(shown.name, names),
            "whose": "all workers" if shown.shared else "this gateway",
            "state": shown.state.replace("_", " "),
            "color": {"closed": "#16a34a", "half_open": "#d97706", "open": "#dc2626"}[shown.state],
            "since_s": shown.since_s,
            "failures": shown.failures,
            "opened": shown.opened,
            "next_probe_s": shown.next_probe_s,
        }
        for shown in (*shared, *own_ones())
    ]


def _readable(name: str, tenants: dict[str, str]) -> str:
    """Return a breaker's name with the tenant's in place of its id."""
    kind, _, which = name.partition(" ")
    return f"{kind} {tenants.get(which, which)}"


@cache
def _redis() -> Redis:
    return sync_client(settings.SWITCHYARD.redis_url.get_secret_value())
