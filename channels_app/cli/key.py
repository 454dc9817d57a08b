"""`switchyard key`: API keys of other systems."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated

import typer
from rich.table import Table

from channels_app.cli.local import UsageError, err, explained, out, print_json, tenant_of
from channels_app.cli.render import clean

app = typer.Typer(help="Make API keys for other systems, list and revoke them.", no_args_is_help=True)
SCOPES = ("chat", "documents", "events:publish")


@app.command()
@explained
def create(
    user: Annotated[str, typer.Argument(help="Whom the key acts as.")],
    name: Annotated[str, typer.Option("--name", help="What it is for.")],
    scope: Annotated[list[str] | None, typer.Option("--scope", help=f"{', '.join(SCOPES)}; repeatable.")] = None,
    days: Annotated[int | None, typer.Option("--days", min=1, help="It ends after so many days.")] = None,
) -> None:
    """Make a key. Its text goes to standard output, once: only a digest is kept."""
    from django.utils import timezone

    from orchestrator.tenants.accounts import issue_api_key
    from orchestrator.tenants.models import ApiKey, User

    wanted = tuple(scope or ("chat",))
    if unknown := sorted(set(wanted) - set(SCOPES)):
        raise UsageError(f"There is no scope {unknown[0]}; there are: {', '.join(SCOPES)}.")
    person = User.objects.select_related("tenant").filter(username=user, is_active=True).first()
    if person is None:
        raise UsageError(f"There is no user {user} who may sign in.")
    text = issue_api_key(tenant=person.tenant, user=person, name=name, scopes=wanted)
    if days is not None:
        prefix = "_".join(text.split("_", 2)[:2])
        ApiKey.objects.filter(prefix=prefix).update(expires_at=timezone.now() + timedelta(days=days))
    out.print(text, markup=False, soft_wrap=True)
    err.print("Keep it now: it can't be shown again. Clients send it as X-API-Key.", style="dim")


@app.command("list")
@explained
def list_(
    tenant: Annotated[str | None, typer.Option("--tenant", help="Only this company's.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON, for machines.")] = False,
) -> None:
    """List the keys, without their texts."""
    from django.utils import timezone

    from orchestrator.tenants.models import ApiKey

    keys = ApiKey.objects.select_related("tenant", "user").order_by("-created_at")
    if tenant is not None:
        keys = keys.filter(tenant=tenant_of(tenant))

    def state(key: ApiKey) -> str:
        if key.revoked_at is not None:
            return "revoked"
        return "expired" if key.expires_at is not None and key.expires_at <= timezone.now() else "good"

    if as_json:
        print_json(
            [
                {
                    "prefix": key.prefix,
                    "name": key.name,
                    "tenant": key.tenant.slug,
                    "user": key.user.username,
                    "scopes": key.scopes,
                    "state": state(key),
                    "created_at": key.created_at,
                    "expires_at": key.expires_at,
                }
                for key in keys
            ]
        )
        return
    table = Table(box=None, pad_edge=False, header_style="bold")
    for heading in ("KEY", "FOR", "COMPANY", "ACTS AS", "SCOPES", "STATE", "ENDS"):
        table.add_column(heading)
    for key in keys:
        ends = key.expires_at.strftime("%Y-%m-%d") if key.expires_at else "–"
        scopes = ", ".join(map(str, key.scopes))
        table.add_row(key.prefix, clean(key.name), key.tenant.slug, clean(key.user.username), scopes, state(key), ends)
    out.print(table)


@app.command()
@explained
def revoke(prefix: Annotated[str, typer.Argument(help="The key's first part, from the list: swy_….")]) -> None:
    """Make a key worthless from now on."""
    from django.utils import timezone

    from orchestrator.tenants.models import ApiKey

    # Somebody may paste the whole key.
    short = "_".join(prefix.split("_", 2)[:2])
    found = ApiKey.objects.filter(prefix=short)
    if not found.exists():
        raise UsageError(f"There is no key {short}; `switchyard key list` shows those there are.")
    changed = found.filter(revoked_at=None).update(revoked_at=timezone.now())
    out.print(f"{short} is revoked." if changed else f"{short} was revoked before.", markup=False)
