"""`switchyard user`: people, from the machine that Switchyard runs on."""

from __future__ import annotations

import os
import secrets
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from channels_app.cli.local import UsageError, err, explained, out, print_json, tenant_of
from channels_app.cli.render import clean

if TYPE_CHECKING:
    from orchestrator.tenants.models import User

app = typer.Typer(help="Add people, list them, let them in or keep them out.", no_args_is_help=True)

Tenant = Annotated[str | None, typer.Option("--tenant", help="The company's slug; not needed while there is one.")]
Name = Annotated[str, typer.Argument(help="The user name.")]


@app.command()
@explained
def add(
    name: Name,
    tenant: Tenant = None,
    new_tenant: Annotated[
        str | None, typer.Option("--new-tenant", metavar="NAME", help="Make this company first, for its first person.")
    ] = None,
    email: Annotated[str, typer.Option(help="Where reports go.")] = "",
    role: Annotated[list[str] | None, typer.Option("--role", help="A role that the token carries; repeatable.")] = None,
    staff: Annotated[bool, typer.Option("--staff", help="May sign in to the admin, for their own company.")] = False,
    superuser: Annotated[bool, typer.Option("--superuser", help="May do everything, for every company.")] = False,
    generate: Annotated[bool, typer.Option("--generate", help="Make up a password and show it once.")] = False,
) -> None:
    """Add somebody. The password is asked for unseen, or read from SWITCHYARD_PASSWORD."""
    from django.utils.text import slugify

    from orchestrator.tenants.models import Tenant as TenantRow
    from orchestrator.tenants.models import User

    if User.objects.filter(username=name).exists():
        raise UsageError(f"There is already a user {name}.")
    if new_tenant is not None:
        slug = slugify(new_tenant)
        if not slug or TenantRow.objects.filter(slug=slug).exists():
            raise UsageError(f"A company “{slug or new_tenant}” can't be made: the name is taken or has no letters.")
        owner = TenantRow(name=new_tenant, slug=slug)
    else:
        owner = tenant_of(tenant)
    person = User(
        username=name, tenant=owner, email=email, roles=role or [], is_staff=staff or superuser, is_superuser=superuser
    )
    person.set_password(_password(person, generate=generate))
    if new_tenant is not None:
        owner.save()
    person.save()
    out.print(clean(f"Added {name} to {owner.slug}."), style="green", markup=False)


@app.command("list")
@explained
def list_(
    tenant: Tenant = None, as_json: Annotated[bool, typer.Option("--json", help="Print JSON, for machines.")] = False
) -> None:
    """List the people."""
    from orchestrator.tenants.models import User

    people = User.objects.select_related("tenant").order_by("tenant__slug", "username")
    if tenant is not None:
        people = people.filter(tenant=tenant_of(tenant))
    if as_json:
        print_json([_shape(person) for person in people])
        return
    table = Table(box=None, pad_edge=False, header_style="bold")
    for heading in ("USER", "COMPANY", "ROLES", "MAY", "LAST SIGNED IN"):
        table.add_column(heading)
    for person in people:
        may = "nothing (disabled)" if not person.is_active else "everything" if person.is_superuser else ""
        may = may or ("chat, admin" if person.is_staff else "chat")
        last = person.last_login.strftime("%Y-%m-%d %H:%M") if person.last_login else "–"
        table.add_row(clean(person.username), person.tenant.slug, ", ".join(map(str, person.roles)), may, last)
    out.print(table)


@app.command()
@explained
def disable(name: Name) -> None:
    """Keep somebody out.

    No new sign-in, and open sockets end within five minutes; conversations stay.
    """
    person = _one(name)
    person.is_active = False
    person.save(update_fields=["is_active"])
    out.print(clean(f"{name} can't sign in any more."), markup=False)


@app.command()
@explained
def enable(name: Name) -> None:
    """Let somebody in again."""
    person = _one(name)
    person.is_active = True
    person.save(update_fields=["is_active"])
    out.print(clean(f"{name} may sign in."), markup=False)


@app.command()
@explained
def password(
    name: Name, generate: Annotated[bool, typer.Option("--generate", help="Make one up and show it once.")] = False
) -> None:
    """Give somebody another password; what was signed in with the old one ends."""
    person = _one(name)
    person.set_password(_password(person, generate=generate))
    person.save()
    out.print(clean(f"{name} has another password."), style="green", markup=False)


@app.command()
@explained
def roles(
    name: Name,
    role: Annotated[
        list[str] | None, typer.Argument(help="All that they are to have; without any, theirs are shown.")
    ] = None,
    none: Annotated[bool, typer.Option("--none", help="Take all of them away.")] = False,
) -> None:
    """Show somebody's roles, or set them: tokens carry them from the next sign-in on."""
    if role and none:
        raise UsageError("Name roles, or take all away by --none; not both.")
    person = _one(name)
    if role or none:
        person.roles = role or []
        person.save(update_fields=["roles"])
    out.print(clean(f"{name}: {', '.join(person.roles) or 'no role'}."), markup=False)


def _one(name: str) -> User:
    from orchestrator.tenants.models import User

    found = User.objects.filter(username=name).first()
    if found is None:
        raise UsageError(f"There is no user {name}; `switchyard user list` shows those there are.")
    return found


def _password(person: User, *, generate: bool) -> str:
    from django.contrib.auth.password_validation import validate_password
    from django.core.exceptions import ValidationError

    if generate:
        made = secrets.token_urlsafe(12)
        out.print(f"Password (shown once): {made}", markup=False)
        return made
    given = os.environ.get("SWITCHYARD_PASSWORD")
    if given is None:
        given = typer.prompt("Password", hide_input=True, confirmation_prompt="Once more", err=True)
    try:
        validate_password(given, person)
    except ValidationError as exc:
        err.print("Not done.", style="red")
        raise UsageError(" ".join(exc.messages)) from exc
    return given


def _shape(person: User) -> dict[str, object]:
    return {
        "username": person.username,
        "tenant": person.tenant.slug,
        "email": person.email,
        "roles": person.roles,
        "active": person.is_active,
        "staff": person.is_staff,
        "superuser": person.is_superuser,
        "last_login": person.last_login,
    }
