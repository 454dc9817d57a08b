"""Access tokens: signed, short-lived, checked without the database.

What the signature can't say (taken back since, tenant closed since) is asked
elsewhere: `revocations.py` and `accounts.py`.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol

import jwt
from django.conf import settings

from orchestrator.errors import UnauthenticatedError

_ALGORITHM = "HS256"
#: Clocks of two machines differ by this much at most.
_LEEWAY_S = 5
#: Ids reach the database as they are, and it takes no NUL.
_NAME = re.compile(r"[!-~]{1,64}")
#: Above it clocks and JSON lose whole seconds; infinity and NaN would never expire.
_LATEST_S = 2**53

TokenProblem = Literal["expired", "invalid"]


class TokenError(UnauthenticatedError):
    """A token proves nothing; `kind` says whether a newer one would."""

    def __init__(self, kind: TokenProblem) -> None:
        super().__init__(f"token {kind}", detail_key="error.token_expired" if kind == "expired" else None)
        self.kind: TokenProblem = kind


class Subject(Protocol):
    """Whom a token is for; an `Account` is one."""

    @property
    def user(self) -> str:
        """The user's id."""

    @property
    def tenant(self) -> str:
        """The tenant's id."""

    @property
    def roles(self) -> Sequence[str]:
        """What the user may do besides chatting."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Claims:
    """What a valid token says."""

    user: str
    tenant: str
    jti: str
    #: Seconds since 1970.
    issued_at: float
    expires_at: float
    roles: tuple[str, ...] = ()
    kind: Literal["access"] = "access"


@dataclass(frozen=True, slots=True, kw_only=True)
class Signing:
    """How tokens are signed and for whom."""

    key: str
    issuer: str
    audience: str
    lifetime_s: int


def signing() -> Signing:
    """Return how this deployment signs."""
    env = settings.SWITCHYARD
    return Signing(
        key=env.jwt_key.get_secret_value(),
        issuer=env.jwt_issuer,
        audience=env.jwt_audience,
        lifetime_s=env.access_token_s,
    )


def issue_access(account: Subject, *, now: float, by: Signing | None = None) -> tuple[str, Claims]:
    """Return a new token for `account` and what it says; `now` is in seconds since 1970."""
    by = by or signing()
    claims = Claims(
        user=account.user,
        tenant=account.tenant,
        jti=secrets.token_urlsafe(16),
        issued_at=float(int(now)),
        expires_at=float(int(now) + by.lifetime_s),
        roles=tuple(account.roles),
    )
    return encode(claims, by=by), claims


def encode(claims: Claims, *, by: Signing) -> str:
    """Return `claims` as a signed JWT."""
    body = {
        "iss": by.issuer,
        "aud": by.audience,
        "sub": claims.user,
        "tenant": claims.tenant,
        "jti": claims.jti,
        "iat": int(claims.issued_at),
        "exp": int(claims.expires_at),
        "roles": list(claims.roles),
        "kind": claims.kind,
    }
    return jwt.encode(body, by.key, algorithm=_ALGORITHM)


def read_access(token: str, *, now: float, by: Signing | None = None) -> Claims:
    """Return what a token says, once its signature, issuer, audience, kind and times are checked.

    Raises:
        TokenError: it is `expired`, or anything else about it is `invalid`.
    """
    by = by or signing()
    try:
        body: dict[str, Any] = jwt.decode(
            token,
            by.key,
            algorithms=[_ALGORITHM],
            issuer=by.issuer,
            audience=by.audience,
            # Times are compared below with the `now` given: PyJWT would read the clock by itself.
            options={
                "require": ["exp", "iat", "jti", "sub", "iss", "aud"],
                "verify_exp": False,
                "verify_iat": False,
                "verify_nbf": False,
            },
        )
    except (jwt.PyJWTError, ValueError, TypeError):
        # The reason may quote the token, so it goes nowhere.
        raise TokenError("invalid") from None
    claims = _claims(body)
    if claims.expires_at <= now:
        raise TokenError("expired")
    if max(claims.issued_at, body.get("nbf", 0)) > now + _LEEWAY_S:
        raise TokenError("invalid")
    return claims


def _claims(body: dict[str, Any]) -> Claims:
    names = (body["sub"], body.get("tenant"), body["jti"])
    times = (body["iat"], body["exp"], body.get("nbf", 0))
    roles = body.get("roles", [])
    shaped = (
        all(isinstance(name, str) and _NAME.fullmatch(name) for name in names)
        and all(
            isinstance(time, int | float) and not isinstance(time, bool) and 0 <= time < _LATEST_S for time in times
        )
        and isinstance(roles, list)
        and all(isinstance(role, str) for role in roles)
        and body.get("kind") == "access"
    )
    if not shaped:
        raise TokenError("invalid")
    return Claims(
        user=body["sub"],
        tenant=body["tenant"],
        jti=body["jti"],
        issued_at=float(body["iat"]),
        expires_at=float(body["exp"]),
        roles=tuple(roles),
    )
