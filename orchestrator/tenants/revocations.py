"""Access tokens that were taken back before they expired: rows, and a message to whoever holds sockets."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from orchestrator.tenants.models import RevokedToken

if TYPE_CHECKING:
    from redis import Redis


def channel(prefix: str) -> str:
    """Return the Redis channel on which a revoked `jti` is told."""
    return f"{prefix}:revoked"


def revoke(jti: str, *, expires_at: float) -> None:
    """Take a token back; the row can be forgotten once the token would have expired anyway."""
    RevokedToken.objects.get_or_create(jti=jti, defaults={"expires_at": datetime.fromtimestamp(expires_at, UTC)})


def tell(redis: Redis, prefix: str, jti: str) -> None:
    """Tell the gateways, after the commit: they close the token's sockets at once instead of at their next check."""
    redis.publish(channel(prefix), jti)


def is_revoked(jti: str) -> bool:
    """Return whether a token was taken back."""
    return RevokedToken.objects.filter(jti=jti).exists()


def revoked_among(jtis: Iterable[str]) -> frozenset[str]:
    """Return those of `jtis` that were taken back; one query."""
    return frozenset(RevokedToken.objects.filter(jti__in=list(jtis)).values_list("jti", flat=True))
