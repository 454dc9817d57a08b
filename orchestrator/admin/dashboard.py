"""The admin's first page: the last day, the schedules, and what goes on right now."""

from __future__ import annotations

from functools import cache
from typing import Any

import orjson
from django.conf import settings
from django.http import HttpRequest
from redis import Redis
from redis.exceptions import RedisError

from orchestrator.admin import day
from orchestrator.admin.access import person
from orchestrator.control.situation import lines
from orchestrator.log.clients import sync_client
from orchestrator.log.keys import Keys
from orchestrator.resilience.breaker_registry import own_ones, shared_ones
from orchestrator.store import processes
from orchestrator.store.engine import ro
from orchestrator.tenants.models import Tenant

#: Bars of one hour stand on each other: their height is the hour's turns.
_STACKED = orjson.dumps(
    {
        "responsive": True,
        "maintainAspectRatio": False,
        "scales": {"x": {"stacked": True}, "y": {"stacked": True, "beginAtZero": True}},
        "plugins": {"legend": {"display": True, "position": "bottom"}},
    }
).decode()


def figures(request: HttpRequest, context: dict[str, Any]) -> dict[str, Any]:
    """Add the figures to the first page: of one's own tenant, and for superusers also of the machinery."""
    mighty = person(request).is_superuser
    tenant = None if mighty else person(request).tenant_id
    context["cards"] = day.cards(tenant)
    context["pictures"] = day.pictures(tenant)
    context["stacked"] = _STACKED
    context["routes"] = day.routes(tenant)
    context["failed_jobs"] = day.failed_jobs(tenant) if person(request).has_perm("automation.view_job") else []
    context["schedules"] = day.schedules(tenant)
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
