"""One-time tickets: what a browser may put into a URL in place of a token.

A ticket stands for the claims of the token it was bought with, for 30 seconds
and one use. Redis keeps only its digest as the key's name.
"""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import asdict
from typing import TYPE_CHECKING

import orjson
from pydantic import BaseModel, ConfigDict, ValidationError

from orchestrator.tenants.tokens import Claims, TokenError

if TYPE_CHECKING:
    from redis import Redis
    from redis.asyncio import Redis as AsyncRedis

LIFETIME_S = 30
_MAX_LENGTH = 100


class _Stored(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)

    user: str
    tenant: str
    jti: str
    issued_at: float
    expires_at: float
    roles: list[str]
    kind: str


def _key(prefix: str, ticket: str) -> str:
    return f"{prefix}:ticket:{hashlib.sha256(ticket.encode()).hexdigest()}"


def issue(redis: Redis, prefix: str, claims: Claims) -> str:
    """Return a new ticket for `claims`, good for `LIFETIME_S` seconds; one round trip."""
    ticket = secrets.token_urlsafe(32)
    redis.set(_key(prefix, ticket), orjson.dumps(asdict(claims)), ex=LIFETIME_S)
    return ticket


async def redeem(redis: AsyncRedis, prefix: str, ticket: str, *, now: float) -> Claims:
    """Return the claims behind `ticket` and make it worthless.

    Raises:
        TokenError: there is no such ticket (any more), or the token behind it has expired.
    """
    if not 0 < len(ticket) <= _MAX_LENGTH:
        raise TokenError("invalid")
    kept = await redis.getdel(_key(prefix, ticket))
    if kept is None:
        raise TokenError("invalid")
    try:
        stored = _Stored.model_validate_json(kept)
    except ValidationError:
        raise TokenError("invalid") from None
    if stored.expires_at <= now:
        raise TokenError("expired")
    return Claims(
        user=stored.user,
        tenant=stored.tenant,
        jti=stored.jti,
        issued_at=stored.issued_at,
        expires_at=stored.expires_at,
        roles=tuple(stored.roles),
    )
