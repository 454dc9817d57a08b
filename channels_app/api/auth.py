"""Signing in: tokens by password, rotation, revocation, one-time tickets."""

from __future__ import annotations

import time
from datetime import UTC, datetime

from django.http import HttpRequest, HttpResponse
from ninja import Router, Schema, Status
from pydantic import Field
from redis.exceptions import RedisError

from channels_app.api import sign_in
from channels_app.api.authentication import bearer_of, signed_of
from channels_app.api.shared import Body, Text, answer, orm, shared, sync_redis
from channels_app.commands import store_down
from orchestrator.errors import OrchestratorError, UnauthenticatedError
from orchestrator.tenants import accounts, refresh, revocations, tickets
from orchestrator.tenants.accounts import Account
from orchestrator.tenants.tokens import TokenError, issue_access, read_access

router = Router(tags=["auth"])


class Credentials(Body):
    """A name and a password."""

    username: Text = Field(min_length=1, max_length=150)
    password: Text = Field(min_length=1, max_length=1_000)


class RefreshBody(Body):
    """A refresh token."""

    refresh: Text = Field(min_length=1, max_length=200)


class RevokeBody(Body):
    """What to take back; the bearer token of the call itself is taken back, too."""

    refresh: Text | None = Field(None, max_length=200)
    access: Text | None = Field(None, max_length=4_000)


class Tokens(Schema):
    """What a client keeps."""

    access: str
    refresh: str
    #: Seconds.
    expires_in: int


class Ticket(Schema):
    """What may stand in a socket's URL, once."""

    ticket: str
    expires_in: int


@router.post("/token", auth=None, response=Tokens, summary="Sign in")
async def token(request: HttpRequest, body: Credentials) -> HttpResponse:
    """Return an access and a refresh token for a name and a password."""
    await sign_in.within_rate(body.username, str(request.META.get("REMOTE_ADDR", "")))
    async with sign_in.checking:
        account = await orm().run_orm(accounts.check_password, body.username, body.password)
    if account is None:
        raise UnauthenticatedError("wrong name or password", detail_key="error.bad_credentials")
    first = await orm().run_orm(refresh.begin, account.user, now=datetime.now(UTC))
    return _tokens(account, first)


@router.post("/refresh", auth=None, response=Tokens, summary="Exchange a refresh token")
async def rotate(request: HttpRequest, body: RefreshBody) -> HttpResponse:
    """Return new tokens; the one given is spent, and a second use of it ends its whole family."""
    rotated = await orm().run_orm(refresh.rotate, body.refresh, now=datetime.now(UTC))
    account = await orm().run_orm(accounts.account, rotated.user)
    if account is None or not account.is_active:
        await orm().run_orm(refresh.revoke, rotated.refresh, now=datetime.now(UTC))
        raise UnauthenticatedError("account or tenant closed")
    return _tokens(account, rotated.refresh)


@router.post("/revoke", auth=None, response={204: None}, summary="Sign out")
async def revoke(request: HttpRequest, body: RevokeBody | None = None) -> Status[None]:
    """Take tokens back; unknown ones are no error, so that nothing is learned by asking."""
    given = body or RevokeBody(refresh=None, access=None)
    if given.refresh:
        await orm().run_orm(refresh.revoke, given.refresh, now=datetime.now(UTC))
    for text in {given.access, bearer_of(request)} - {None, ""}:
        await _revoke_access(str(text))
    return Status(204, None)


@router.post("/ticket", response=Ticket, summary="Buy a one-time ticket for the socket")
async def ticket(request: HttpRequest) -> HttpResponse:
    """Return a ticket; a refusal of this call says why a socket would be refused."""
    signed = signed_of(request)
    signed.require("chat")
    claims = signed.claims or issue_access(signed.account, now=time.time())[1]
    try:
        made = await shared().executor.run(tickets.issue, sync_redis(), shared().keys.prefix, claims)
    except (RedisError, OSError) as exc:
        raise store_down(exc) from exc
    return answer({"ticket": made, "expires_in": tickets.LIFETIME_S})


async def _revoke_access(text: str) -> None:
    try:
        claims = read_access(text, now=time.time())
    except TokenError:
        return
    await orm().run_orm(revocations.revoke, claims.jti, expires_at=claims.expires_at)
    try:
        await shared().redis.publish(revocations.channel(shared().keys.prefix), claims.jti)
    except (RedisError, OSError, OrchestratorError):
        return  # the gateways ask for the rows while Redis can't tell them


def _tokens(account: Account, refresh_token: str) -> HttpResponse:
    access, claims = issue_access(account, now=time.time())
    return answer(
        {
            "access": access,
            "refresh": refresh_token,
            "expires_in": round(claims.expires_at - claims.issued_at),
        }
    )
