"""Alive and ready: what this process answers to whoever starts, balances or watches it."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from redis.asyncio import Redis
from redis.exceptions import RedisError

from channels_app.api.shared import answer, shared, sync_redis
from channels_app.readiness import READINESS
from orchestrator.errors import OrchestratorError
from orchestrator.log.clients import async_client
from orchestrator.queues import QUEUES
from orchestrator.resilience.breaker_registry import own_ones, shared_ones, worst
from orchestrator.store import processes
from orchestrator.store.engine import rw
from orchestrator.store.rows import Row

_LIMIT_S = 3.0
OK = "ok"


async def alive(request: HttpRequest) -> HttpResponse:
    """Answer that the event loop turns."""
    return answer({"alive": True})


async def ready(request: HttpRequest) -> HttpResponse:
    """Answer 200 when everything is there, else 503 and what is not."""
    database, redis, broker, breakers = await asyncio.gather(_rows(), _ping_redis(), _broker(), _breakers())
    rows = database if isinstance(database, list) else None
    checks: dict[str, str] = {
        "database": OK if rows is not None else str(database),
        "redis": redis,
        "broker": broker,
        **consumers(rows),
        "dispatcher": _dispatcher(rows),
        "draining": "this process is about to end" if READINESS.draining else OK,
    }
    missing = [f"{name}: {found}" for name, found in checks.items() if found != OK]
    # First what is missing: it is what a person who asks wants to know.
    # An open breaker is no reason to send nobody here: other routes work, and its users get a plain answer.
    body = {"ready": not missing, "not_ready": missing, "checks": checks, "breakers": breakers}
    return answer(body, status=503 if missing else 200)


def consumers(rows: Sequence[Row] | None) -> dict[str, str]:
    """Return for each declared queue whether a living worker takes it; None: that is unknown."""
    taken: set[str] = set()
    for row in rows or ():
        if row["role"] == "worker" and not row["draining"]:
            taken |= set(row["queues"])
    missing = "unknown without the database" if rows is None else "no live consumer"
    return {f"queue {name}": OK if name in taken else missing for name in QUEUES}


def _dispatcher(rows: Sequence[Row] | None) -> str:
    if rows is None:
        return "unknown without the database"
    return OK if any(row["role"] == "dispatcher" for row in rows) else "no live dispatcher"


async def _rows() -> list[Row] | str:
    try:
        async with asyncio.timeout(_LIMIT_S):
            return await shared().executor.run(_alive)
    except (OrchestratorError, TimeoutError):
        return "does not answer"


async def _breakers() -> Mapping[str, str]:
    """Return the worst state of each kind of dependency; only this process' own while Redis is away."""
    try:
        async with asyncio.timeout(_LIMIT_S):
            found = await shared().executor.run(functools.partial(shared_ones, sync_redis(), shared().keys))
    except (RedisError, OrchestratorError, TimeoutError):
        found = []
    return worst([*found, *own_ones()])


def _alive() -> list[Row]:
    return processes.alive(rw())


async def _ping_redis() -> str:
    return await _quick(shared().redis.ping)


async def _broker() -> str:
    environment = settings.SWITCHYARD
    url = environment.broker_url.get_secret_value()
    if not url or url == environment.redis_url.get_secret_value():
        return await _ping_redis()
    if url.startswith(("redis://", "rediss://", "unix://")):
        return await _quick(_broker_client(url).ping)
    return await _quick(functools.partial(_knock, url))


@functools.cache
def _broker_client(url: str) -> Redis:
    return async_client(url)


async def _knock(url: str) -> None:
    """Open a connection to a broker whose protocol we don't speak here; the workers do."""
    parts = urlsplit(url)
    ports: Mapping[str, int] = {"amqps": 5671}
    _, writer = await asyncio.open_connection(parts.hostname, parts.port or ports.get(parts.scheme, 5672))
    writer.close()
    await writer.wait_closed()


async def _quick(call: Callable[[], Awaitable[Any] | Any]) -> str:  # Any: redis-py types its replies so
    try:
        async with asyncio.timeout(_LIMIT_S):
            await call()
    except (RedisError, OSError, TimeoutError):
        return "does not answer"
    return OK
