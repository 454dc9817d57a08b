"""What the views use of the process' gateway, and the bounds they share."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from typing import Annotated

import orjson
from django.conf import settings
from django.http import HttpResponse
from ninja import Schema
from pydantic import AfterValidator, ConfigDict, Field
from redis import Redis
from redis.asyncio import Redis as AsyncRedis

from channels_app.commands import Commands
from channels_app.delivery import Hub
from channels_app.executor import Executor
from channels_app.gateway import gateway
from orchestrator.errors import InvalidInputError, NotFoundError
from orchestrator.log.clients import sync_client
from orchestrator.log.keys import Keys
from orchestrator.log.reader import LogReader
from orchestrator.resilience.rate_limit import RateLimiter

PAGE, PAGE_MOST = 50, 200
_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Shared:
    """The parts of the gateway that HTTP needs."""

    commands: Commands
    executor: Executor
    hub: Hub
    keys: Keys
    limiter: RateLimiter
    reader: LogReader
    redis: AsyncRedis
    user_rate_per_s: int


def shared() -> Shared:
    """Return the running loop's parts."""
    here = gateway()
    return Shared(
        commands=here.commands,
        executor=here.executor,
        hub=here.hub,
        keys=here.keys,
        limiter=here.limiter,
        reader=here.reader,
        redis=here.redis,
        user_rate_per_s=settings.SWITCHYARD.user_rate_per_s,
    )


def orm() -> Executor:
    """Return the threads that own Django's connections: few, as each holds one."""
    return gateway().orm


@cache
def sync_redis() -> Redis:
    """Return this process' synchronous client, for use cases that run in the executor."""
    return sync_client(settings.SWITCHYARD.redis_url.get_secret_value())


def identifier(text: str) -> str:
    """Return an id that could exist.

    Raises:
        NotFoundError: nothing has such an id.
    """
    if not _ID.fullmatch(text):
        raise NotFoundError("no such id")
    return text


def page_size(limit: int | None) -> int:
    """Return how many items a page holds.

    Raises:
        InvalidInputError: it is not between 1 and 200.
    """
    if limit is None:
        return PAGE
    if not 1 <= limit <= PAGE_MOST:
        raise InvalidInputError("limit out of range", field="limit", detail_key="error.invalid_field")
    return limit


def answer(body: object, *, status: int = 200) -> HttpResponse:
    """Return `body` as JSON."""
    response = HttpResponse(orjson.dumps(body), status=status, content_type="application/json")
    response["Cache-Control"] = "no-store"
    return response


def _without_nul(text: str) -> str:
    if "\x00" in text:
        raise ValueError("holds a NUL character")
    return text


#: Text that the database can keep.
Text = Annotated[str, AfterValidator(_without_nul)]
Name = Annotated[Text, Field(min_length=1, max_length=200)]


class Body(Schema):
    """A request's body: known fields only, so that a misspelt one is not silently ignored."""

    model_config = ConfigDict(extra="forbid")
