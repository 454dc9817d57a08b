"""Who somebody is: by name and password, by id, by API key."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from dataclasses import dataclass
from typing import Literal

from django.contrib.auth.hashers import check_password as matches
from django.contrib.auth.hashers import make_password
from django.utils import timezone

from orchestrator.tenants.models import ApiKey, Tenant, User

KEY_PREFIX = "swy"


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """A person of a tenant, as the edges need to know them."""

    user: str
    tenant: str
    tenant_slug: str
    username: str
    language: Literal["en", "es"] | None
    roles: tuple[str, ...]
    #: False when the user or the whole tenant is closed.
    is_active: bool


def check_password(username: str, password: str) -> Account | None:
    """Return the account when name and password fit, and note the sign-in.

    The same time is spent when the name is unknown.
    """
    user = User.objects.select_related("tenant").filter(username=username).first()
    if user is None:
        # One hash in any case: the answer's time must not tell which names exist.
        make_password(password)
        return None
    if not matches(password, user.password):
        return None
    found = _account(user)
    if not found.is_active:
        return None
    User.objects.filter(pk=user.pk).update(last_login=timezone.now())
    return found


def account(user_id: str) -> Account | None:
    """Return the account of a user's id, or None when there is no such user."""
    user = User.objects.select_related("tenant").filter(pk=user_id).first()
    return _account(user) if user else None


def set_language(user_id: str, language: Literal["en", "es"] | None) -> None:
    """Set the language a person is answered in; None leaves it to their browser."""
    User.objects.filter(pk=user_id).update(language=language or "")


def issue_api_key(*, tenant: Tenant, user: User, name: str, scopes: tuple[str, ...]) -> str:
    """Make an API key and return its text, which is kept nowhere."""
    prefix = f"{KEY_PREFIX}_{secrets.token_hex(4)}"
    text = f"{prefix}_{secrets.token_urlsafe(32)}"
    ApiKey.objects.create(tenant=tenant, user=user, name=name, prefix=prefix, digest=_digest(text), scopes=list(scopes))
    return text


def check_api_key(text: str) -> tuple[Account, tuple[str, ...]] | None:
    """Return whom an API key acts as and its scopes, or None when it is unknown, expired or revoked."""
    prefix = "_".join(text.split("_", 2)[:2])
    key = ApiKey.objects.select_related("user__tenant").filter(prefix=prefix, revoked_at=None).first()
    if key is None or not hmac.compare_digest(bytes(key.digest), _digest(text)):
        return None
    if key.expires_at is not None and key.expires_at <= timezone.now():
        return None
    found = _account(key.user)
    return (found, tuple(key.scopes)) if found.is_active else None


def _digest(text: str) -> bytes:
    # 32 random bytes need no slow hash: there is nothing to guess.
    return hashlib.sha256(text.encode()).digest()


def _account(user: User) -> Account:
    return Account(
        user=user.pk,
        tenant=user.tenant_id,
        tenant_slug=user.tenant.slug,
        username=user.username,
        language="es" if user.language == "es" else "en" if user.language == "en" else None,
        roles=tuple(user.roles),
        is_active=user.is_active and user.tenant.is_active,
    )
