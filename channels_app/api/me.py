"""Who the caller is, and the language in which they are answered."""

from __future__ import annotations

from typing import Literal

from django.http import HttpRequest, HttpResponse
from ninja import Router, Schema

from channels_app.api.authentication import signed_of
from channels_app.api.shared import Body, answer, orm
from orchestrator.tenants import accounts
from orchestrator.tenants.accounts import Account

router = Router(tags=["auth"])


class Me(Schema):
    """The signed-in person."""

    id: str
    username: str
    tenant: str
    roles: list[str]
    #: The setting; null while the browser's preference decides.
    language: Literal["en", "es"] | None


class Change(Body):
    """What a person may change about themselves."""

    language: Literal["en", "es"] | None


@router.get("", response=Me, summary="Who am I?")
async def read(request: HttpRequest) -> HttpResponse:
    """Return the person behind the credentials."""
    return _me(signed_of(request).account)


@router.patch("", response=Me, summary="Set my language")
async def change(request: HttpRequest, body: Change) -> HttpResponse:
    """Set the language of answers and errors, from the next call and the next socket on."""
    account = signed_of(request).account
    await orm().run_orm(accounts.set_language, account.user, body.language)
    changed = await orm().run_orm(accounts.account, account.user)
    return _me(changed or account)


def _me(account: Account) -> HttpResponse:
    return answer(
        {
            "id": account.user,
            "username": account.username,
            "tenant": account.tenant_slug,
            "roles": list(account.roles),
            "language": account.language,
        }
    )
