"""Refresh tokens: each is good once, and a second use of a spent one ends its whole family.

A spent token that comes again was copied: whoever holds the newer one may be
the thief, so neither may go on. Only SHA-256 digests are stored; the tokens are
256 random bits, so a plain hash is enough.
"""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.conf import settings
from django.db import transaction

from orchestrator import ids
from orchestrator.tenants.models import RefreshToken
from orchestrator.tenants.tokens import TokenError


@dataclass(frozen=True, slots=True, kw_only=True)
class Rotated:
    """The next token of a family, and whose it is."""

    user: str
    refresh: str


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode()).digest()


def _add(user: str, family: str, now: datetime) -> str:
    token = secrets.token_urlsafe(32)
    expires_at = now + timedelta(seconds=settings.SWITCHYARD.refresh_token_s)
    RefreshToken.objects.create(digest=_digest(token), family=family, user_id=user, expires_at=expires_at)
    return token


def begin(user: str, *, now: datetime) -> str:
    """Return the first token of a new family: somebody signed in."""
    return _add(user, ids.family_id(), now)


def rotate(token: str, *, now: datetime) -> Rotated:
    """Spend `token` and return the next one.

    Raises:
        TokenError: it is unknown, expired, revoked, or was spent before (its family is then revoked).
    """
    with transaction.atomic():
        row = RefreshToken.objects.select_for_update().filter(digest=_digest(token)).first()
        if row is None or row.revoked_at is not None:
            raise TokenError("invalid")
        if row.spent_at is None:
            if row.expires_at <= now:
                raise TokenError("expired")
            row.spent_at = now
            row.save(update_fields=["spent_at"])
            return Rotated(user=row.user_id, refresh=_add(row.user_id, row.family, now))
        family = row.family
    # Outside the block above, whose end by an exception would undo it.
    _end(family, now)
    raise TokenError("invalid")


def revoke(token: str, *, now: datetime) -> None:
    """End the family of `token`; an unknown one is no error, so that nothing is learned by asking."""
    row = RefreshToken.objects.filter(digest=_digest(token)).first()
    if row is not None:
        _end(row.family, now)


def _end(family: str, now: datetime) -> None:
    RefreshToken.objects.filter(family=family, revoked_at__isnull=True).update(revoked_at=now)
