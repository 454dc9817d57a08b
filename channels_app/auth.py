"""Who opens a socket, decided before it is accepted; and whether they may still use it later."""

from __future__ import annotations

import time
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs

from django.conf import settings
from redis.asyncio import Redis
from redis.exceptions import RedisError

from channels_app.executor import Executor
from channels_app.origin import is_allowed
from orchestrator.catalogue import LANGUAGES
from orchestrator.errors import ForbiddenError, OrchestratorError, StoreDownError, UnauthenticatedError
from orchestrator.tenants import accounts, revocations, tickets
from orchestrator.tenants.accounts import Account
from orchestrator.tenants.tokens import Claims, TokenError, read_access

SUBPROTOCOL = "chat.v1"
_BEARER = "bearer."


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """Who is behind a socket; the tenant comes from the token and from nowhere else."""

    claims: Claims
    account: Account
    language: str

    @property
    def expires_in_s(self) -> float:
        """Return the seconds until the token expires."""
        return self.claims.expires_at - time.time()


@dataclass(frozen=True, slots=True, kw_only=True)
class Handshake:
    """What of an opening handshake decides."""

    headers: Mapping[str, str]
    subprotocols: tuple[str, ...]
    query: Mapping[str, list[str]]

    @classmethod
    def of(cls, scope: Mapping[str, Any]) -> Handshake:
        """Read an ASGI scope; Any: its own values."""
        headers = {name.decode("latin1").lower(): value.decode("latin1") for name, value in scope["headers"]}
        query = parse_qs(scope.get("query_string", b"").decode("latin1"), max_num_fields=20)
        return cls(headers=headers, subprotocols=tuple(scope.get("subprotocols", ())), query=query)

    @property
    def bearer(self) -> str | None:
        """Return the token among the subprotocols, if `chat.v1` is there for the server to select."""
        if SUBPROTOCOL not in self.subprotocols:
            return None
        found = [entry.removeprefix(_BEARER) for entry in self.subprotocols if entry.startswith(_BEARER)]
        return found[0] if len(found) == 1 else None

    @property
    def ticket(self) -> str | None:
        """Return the one-time ticket of the URL."""
        found = self.query.get("ticket", [])
        return found[0] if len(found) == 1 else None

    @property
    def accepts(self) -> str | None:
        """Return the subprotocol to select, None when the client offered none of ours."""
        return SUBPROTOCOL if SUBPROTOCOL in self.subprotocols else None


class Authenticator:
    """Asks tokens, tickets and accounts; the database through the gateway's own threads."""

    def __init__(self, redis: Redis, prefix: str, executor: Executor) -> None:
        self._redis = redis
        self._prefix = prefix
        self._executor = executor

    async def admit(self, handshake: Handshake) -> Identity:
        """Return who opens this socket.

        Raises:
            ForbiddenError: the page it comes from may not.
            UnauthenticatedError: no token or ticket, or it proves nothing (any more).
            StoreDownError: that can't be found out now.
        """
        environment = settings.SWITCHYARD
        if not is_allowed(
            handshake.headers.get("origin"),
            host=handshake.headers.get("host"),
            allowed_origins=environment.allowed_origins,
            allowed_hosts=environment.allowed_hosts,
            own_ports=range(environment.port, environment.port + environment.gateways),
        ):
            raise ForbiddenError("foreign Origin")
        if handshake.bearer is not None:
            claims = read_access(handshake.bearer, now=time.time())
        elif handshake.ticket is not None:
            try:
                claims = await tickets.redeem(self._redis, self._prefix, handshake.ticket, now=time.time())
            except (RedisError, OSError, TimeoutError) as exc:
                raise StoreDownError("Redis", dependency="redis") from exc
        else:
            raise UnauthenticatedError("neither token nor ticket")
        account = await self._executor.run_orm(_account, claims)
        language = account.language or preferred_language(handshake.headers.get("accept-language", ""))
        return Identity(claims=claims, account=account, language=language)

    async def refresh(self, identity: Identity, token: str) -> Identity:
        """Return the same identity with a newer token.

        Raises:
            UnauthenticatedError: the token proves nothing.
            ForbiddenError: it is somebody else's.
            StoreDownError: that can't be found out now.
        """
        claims = read_access(token, now=time.time())
        if (claims.user, claims.tenant) != (identity.claims.user, identity.claims.tenant):
            raise ForbiddenError("token of another user or tenant")
        account = await self._executor.run_orm(_account, claims)
        return Identity(claims=claims, account=account, language=identity.language)

    async def check(self, identity: Identity) -> bool:
        """Return whether a socket's token and account are still good; in doubt, they are.

        A database that is away must not close every socket.
        """
        try:
            await self._executor.run_orm(_account, identity.claims)
        except UnauthenticatedError:
            return False
        except OrchestratorError:
            return True
        return True

    async def revoked_among(self, jtis: Collection[str]) -> frozenset[str]:
        """Return which of these tokens were taken back.

        Raises:
            StoreDownError: that can't be found out now.
        """
        return await self._executor.run_orm(revocations.revoked_among, jtis)


def _account(claims: Claims) -> Account:
    """Return the account behind a token, if both are still good; synchronous."""
    account = accounts.account(claims.user)
    if account is None or not account.is_active or account.tenant != claims.tenant:
        raise UnauthenticatedError("no such account, or closed")
    if revocations.is_revoked(claims.jti):
        raise TokenError("invalid")
    return account


def preferred_language(header: str) -> str:
    """Return the language of ours that an `Accept-Language` header wants most; English when it wants none."""
    best, most = "en", 0.0
    for entry in header.split(",")[:20]:
        name, _, parameters = entry.strip().partition(";")
        language = name.strip().lower().split("-")[0]
        try:
            weight = float(parameters.strip().removeprefix("q=")) if parameters else 1.0
        except ValueError:
            continue
        if language in LANGUAGES and weight > most:
            best, most = language, weight
    return best
