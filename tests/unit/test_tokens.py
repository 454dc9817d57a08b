"""Access tokens: what makes one good, and everything that does not."""

from __future__ import annotations

import base64
from dataclasses import dataclass, replace

import jwt
import orjson
import pytest

from orchestrator.tenants.tokens import Claims, Signing, TokenError, encode, issue_access, read_access

BY = Signing(key="k" * 32, issuer="us", audience="you", lifetime_s=900)
NOW = 1_800_000_000.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Somebody:
    user: str = "usr_1"
    tenant: str = "tnt_1"
    roles: tuple[str, ...] = ("waiter",)


def a_body(**changes: object) -> dict[str, object]:
    body: dict[str, object] = {
        "iss": "us",
        "aud": "you",
        "sub": "usr_1",
        "tenant": "tnt_1",
        "jti": "j",
        "iat": int(NOW),
        "exp": int(NOW) + 900,
        "roles": [],
        "kind": "access",
        **changes,
    }
    return {name: value for name, value in body.items() if value is not ...}


def test_what_is_issued_reads_back_as_it_was() -> None:
    token, claims = issue_access(Somebody(), now=NOW, by=BY)

    assert read_access(token, now=NOW + 899, by=BY) == claims
    assert (claims.user, claims.tenant, claims.roles) == ("usr_1", "tnt_1", ("waiter",))
    assert claims.expires_at == NOW + 900


def test_each_token_has_an_id_of_its_own() -> None:
    _, one = issue_access(Somebody(), now=NOW, by=BY)
    _, two = issue_access(Somebody(), now=NOW, by=BY)

    assert one.jti != two.jti


def test_an_expired_token_says_that_a_newer_one_would_help() -> None:
    token, _ = issue_access(Somebody(), now=NOW, by=BY)

    with pytest.raises(TokenError) as caught:
        read_access(token, now=NOW + 900, by=BY)

    assert (caught.value.kind, caught.value.code) == ("expired", "unauthenticated")


@pytest.mark.parametrize(
    "changes",
    [
        {"iss": "them"},
        {"aud": "them"},
        {"iss": ...},
        {"aud": ...},
        {"sub": ...},
        {"tenant": ...},
        {"jti": ...},
        {"exp": ...},
        {"iat": ...},
        {"kind": ...},
        {"kind": "table"},
        {"sub": 7},
        {"sub": ""},
        {"tenant": ["tnt_1"]},
        {"jti": "x" * 65},
        {"exp": "tomorrow"},
        {"exp": True},
        {"exp": float("inf")},
        {"exp": float("nan")},
        {"exp": 1e30},
        {"nbf": int(NOW) + 60},
        {"nbf": "tomorrow"},
        {"sub": "usr_\x00"},
        {"jti": "j\x00"},
        {"iat": int(NOW) + 60},
        {"roles": "admin"},
        {"roles": [1]},
    ],
)
def test_a_token_with_a_wrong_or_missing_claim_is_invalid(changes: dict[str, object]) -> None:
    token = jwt.encode(a_body(**changes), BY.key, algorithm="HS256")

    with pytest.raises(TokenError) as caught:
        read_access(token, now=NOW, by=BY)

    assert caught.value.kind == "invalid"


@pytest.mark.parametrize("algorithm", ["HS384", "HS512"])
def test_another_algorithm_is_invalid(algorithm: str) -> None:
    token = jwt.encode(a_body(), "k" * 64, algorithm=algorithm)

    with pytest.raises(TokenError):
        read_access(token, now=NOW, by=replace(BY, key="k" * 64))


def test_no_signature_at_all_is_invalid() -> None:
    parts = [orjson.dumps({"alg": "none", "typ": "JWT"}), orjson.dumps(a_body()), b""]
    token = ".".join(base64.urlsafe_b64encode(part).rstrip(b"=").decode() for part in parts)

    with pytest.raises(TokenError):
        read_access(token, now=NOW, by=BY)


@pytest.mark.parametrize("token", ["", "a", "a.b.c", "é.é.é", "\x00", "a" * 10_000, "..", "null"])
def test_what_is_no_token_is_invalid(token: str) -> None:
    with pytest.raises(TokenError) as caught:
        read_access(token, now=NOW, by=BY)

    assert (caught.value.kind, str(caught.value)) == ("invalid", "token invalid")


def test_another_key_is_invalid() -> None:
    token = encode(Claims(user="u", tenant="t", jti="j", issued_at=NOW, expires_at=NOW + 9), by=BY)

    with pytest.raises(TokenError):
        read_access(token, now=NOW, by=replace(BY, key="x" * 32))
