"""Who calls: by bearer token, API key, or session cookie with CSRF token. The tenant comes from there alone."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import cast

from django.contrib.auth import SESSION_KEY
from django.http import HttpRequest
from ninja.security.base import AuthBase
from ninja.utils import check_csrf

from channels_app.api.shared import orm, shared
from channels_app.auth import preferred_language
from channels_app.commands import Caller
from orchestrator.errors import ForbiddenError, RateLimitedError, UnauthenticatedError
from orchestrator.resilience.rate_limit import Rate
from orchestrator.tenants import accounts, revocations
from orchestrator.tenants.accounts import Account
from orchestrator.tenants.tokens import Claims, TokenError, read_access

#: What a key may do when its scopes name nothing narrower.
EVERYTHING = "*"


@dataclass(frozen=True, slots=True, kw_only=True)
class Signed:
    """A caller whose credentials are good."""

    account: Account
    language: str
    #: Of a bearer token; other credentials have none.
    claims: Claims | None = None
    #: Of an API key; None for a person, who may do all that the account may.
    scopes: tuple[str, ...] | None = None

    @property
    def caller(self) -> Caller:
        """Return the caller as the use cases know them."""
        return Caller(tenant=self.account.tenant, user=self.account.user, language=self.language)

    def require(self, scope: str) -> None:
        """Refuse an API key that was not made for this.

        Raises:
            ForbiddenError: its scopes don't name `scope`.
        """
        if self.scopes is not None and not {scope, EVERYTHING} & set(self.scopes):
            raise ForbiddenError(f"the API key lacks the scope {scope}")


def signed_of(request: HttpRequest) -> Signed:
    """Return who an authenticated request comes from."""
    # ninja sets `auth` to what the credential's class returned; Django's stubs don't know the attribute.
    return cast(Signed, getattr(request, "auth"))  # noqa: B009


class Bearer(AuthBase):
    """`Authorization: Bearer <access token>`."""

    openapi_type = "http"
    openapi_scheme = "bearer"

    async def __call__(self, request: HttpRequest) -> Signed | None:
        """Return the token's owner, None when there is no bearer token.

        Raises:
            UnauthenticatedError: the token proves nothing (any more).
        """
        token = bearer_of(request)
        if token is None:
            return None
        claims = read_access(token, now=time.time())
        account = await orm().run_orm(_owner, claims)
        return await _admitted(request, account, claims=claims)


class Key(AuthBase):
    """`X-API-Key`: another system, acting as the user the key was made for."""

    openapi_type = "apiKey"
    openapi_in = "header"
    openapi_name = "X-API-Key"

    async def __call__(self, request: HttpRequest) -> Signed | None:
        """Return whom the key acts as, None when there is no key.

        Raises:
            UnauthenticatedError: the key is unknown, expired or revoked.
        """
        text = request.headers.get("X-API-Key")
        if text is None:
            return None
        found = await orm().run_orm(accounts.check_api_key, text)
        if found is None:
            raise UnauthenticatedError("API key unknown, expired or revoked")
        account, scopes = found
        return await _admitted(request, account, scopes=scopes)


class Session(AuthBase):
    """The admin's session cookie; writing calls need its CSRF token, too."""

    openapi_type = "apiKey"
    openapi_in = "cookie"
    openapi_name = "sessionid"

    async def __call__(self, request: HttpRequest) -> Signed | None:
        """Return who is signed in to the admin, None when nobody is.

        Raises:
            ForbiddenError: the CSRF token is missing or wrong.
            UnauthenticatedError: the account is closed.
        """
        if self.openapi_name not in request.COOKIES:
            return None
        account = await orm().run_orm(_signed_in, request)
        if account is None:
            return None
        if check_csrf(request) is not None:
            raise ForbiddenError("CSRF token missing or wrong", detail_key="error.csrf")
        return await _admitted(request, account)


def bearer_of(request: HttpRequest) -> str | None:
    """Return the bearer token of a request's header."""
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else None


async def _admitted(
    request: HttpRequest, account: Account, *, claims: Claims | None = None, scopes: tuple[str, ...] | None = None
) -> Signed:
    if not account.is_active:
        raise UnauthenticatedError("account or tenant closed")
    await within_rate(account.user)
    language = account.language or preferred_language(request.headers.get("accept-language", ""))
    return Signed(account=account, language=language, claims=claims, scopes=scopes)


async def within_rate(user: str) -> None:
    """Count a call against the user's rate, the same one as for frames over all sockets.

    Raises:
        RateLimitedError: it is over it.
    """
    here = shared()
    verdict = await here.limiter.take(Rate(name=f"user:{user}", per_s=here.user_rate_per_s), now=time.monotonic())
    if not verdict.allowed:
        raise RateLimitedError("too many calls", retry_after_ms=verdict.retry_after_ms)


def _owner(claims: Claims) -> Account:
    account = accounts.account(claims.user)
    if account is None or not account.is_active or account.tenant != claims.tenant:
        raise UnauthenticatedError("no such account, or closed")
    if revocations.is_revoked(claims.jti):
        raise TokenError("invalid")
    return account


def _signed_in(request: HttpRequest) -> Account | None:
    if request.session.get(SESSION_KEY) is None or not request.user.is_authenticated:
        return None
    return accounts.account(str(request.user.pk))
