"""Make what a development start has: two tenants, their users, keys, database and documents."""

from __future__ import annotations

import hashlib
import hmac
import json
import mimetypes
import os
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit, urlunsplit

import psycopg2
from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from psycopg2 import sql

from deploy.example import company, readers, views
from orchestrator import ids, logs
from orchestrator.automation.documents import add_document
from orchestrator.errors import ConflictError
from orchestrator.pipeline.semantic.model import load_layer
from orchestrator.tenants.accounts import issue_api_key
from orchestrator.tenants.models import ApiKey, Tenant, User, Warehouse
from orchestrator.tenants.sealing import seal, unseal

HERE = Path(company.__file__).parent
TENANTS = {"trattoria": "Trattoria Meridiana", "rival": "Rivale"}
#: User -> (tenant, roles, superuser). Each password equals the name.
USERS: dict[str, tuple[str, list[str], bool]] = {
    "admin": ("trattoria", ["admin"], True),
    "demo": ("trattoria", [], False),
    "waiter": ("trattoria", ["waiter"], False),
    "rival": ("rival", [], False),
}
SEED = 7


class Command(BaseCommand):
    """`manage.py setup_example`: safe to repeat; prints API keys the one time they are made."""

    help = "Create the example tenants, users, company database and documents."

    def handle(self, *_: Any, **__: Any) -> None:  # Any: Django's own signature
        """Bring everything to today's state.

        Raises:
            CommandError: these settings don't allow development users, or the database role lacks a right.
        """
        logs.configure("setup")
        environment = settings.SWITCHYARD
        if not environment.development_users:
            self.stdout.write("no development users wanted (SWITCHYARD_DEVELOPMENT_USERS)")
            return
        tenants = {slug: self._tenant(slug, name) for slug, name in TENANTS.items()}
        for name, (slug, roles, is_superuser) in USERS.items():
            self._user(name, tenants[slug], roles, is_superuser=is_superuser)
        for slug, tenant in tenants.items():
            self._key(tenant, User.objects.get(username="demo" if slug == "trattoria" else slug))
        self._company(tenants)
        for tenant in tenants.values():
            self._documents(tenant)

    def _tenant(self, slug: str, name: str) -> Tenant:
        return Tenant.objects.get_or_create(slug=slug, defaults={"name": name})[0]

    def _user(self, name: str, tenant: Tenant, roles: list[str], *, is_superuser: bool) -> None:
        user, made = User.objects.get_or_create(
            username=name,
            defaults={
                "tenant": tenant,
                "roles": roles,
                "is_staff": is_superuser,
                "is_superuser": is_superuser,
                "email": f"{name}@example.com",
            },
        )
        if made:
            user.set_password(name)
            user.save()

    def _key(self, tenant: Tenant, user: User) -> None:
        if not ApiKey.objects.filter(tenant=tenant).exists():
            text = issue_api_key(tenant=tenant, user=user, name="development", scopes=("chat", "documents"))
            self.stdout.write(f"API key of {tenant.slug} (shown once): {text}")

    def _company(self, tenants: dict[str, Tenant]) -> None:
        environment = settings.SWITCHYARD
        platform_url = environment.database_direct_url.get_secret_value() or environment.database_url.get_secret_value()
        database = urlsplit(platform_url).path.lstrip("/") + "_example"
        passwords = {slug: _password(slug) for slug in tenants}
        try:
            company.build(
                platform_url.replace("postgres://", "postgresql://", 1),
                database=database,
                reader_passwords=passwords,
                today=datetime.now(UTC).date(),
                size=environment.example_size,
                seed=SEED,
            )
        except company.CompanyBuildError as exc:
            raise CommandError(str(exc)) from exc
        harden_private(database, urlsplit(platform_url).path.lstrip("/"))
        for slug, tenant in tenants.items():
            url = _reader_url(platform_url, database, views.reader_role(slug), passwords[slug])
            layer = load_layer(HERE / f"semantic_{slug}.yaml").model_dump(mode="json")
            kept = Warehouse.objects.filter(tenant=tenant).first()
            label = f"{database} as {views.reader_role(slug)}"
            if kept is not None and kept.label != label:
                # Somebody connected this tenant to a database of their own.
                continue
            if kept is None or kept.layer != layer or _address(kept) != url:
                Warehouse.objects.update_or_create(
                    tenant=tenant,
                    defaults={
                        "url_encrypted": seal(url),
                        "layer": layer,
                        "label": label,
                    },
                )

    def _documents(self, tenant: Tenant) -> None:
        owner = User.objects.filter(tenant=tenant).order_by("username").first()
        if owner is None:
            raise CommandError(f"tenant {tenant.slug} has no user")
        for path in sorted((HERE / "documents" / tenant.slug).iterdir()):
            add_document(
                tenant=tenant.pk,
                user=owner.pk,
                filename=path.name,
                mime=_mime(path),
                content=path.read_bytes(),
                cid=ids.new_id("cid"),
            )


def _address(kept: Warehouse) -> str:
    """Return what is sealed there; nothing where another key has sealed it, as after a restore."""
    try:
        return unseal(bytes(kept.url_encrypted))
    except ConflictError:
        return ""


def _password(slug: str) -> str:
    """Return a reader's password, made from the field key, so that nothing more must be kept."""
    key = settings.SWITCHYARD.field_key.get_secret_value().encode()
    return hmac.new(key, f"reader:{slug}".encode(), hashlib.sha256).hexdigest()[:40]


def _reader_url(platform_url: str, database: str, role: str, password: str) -> str:
    parts = urlsplit(platform_url)
    host = parts.netloc.rsplit("@", 1)[-1]
    return urlunsplit(("postgresql", f"{quote(role)}:{quote(password)}@{host}", f"/{database}", parts.query, ""))


def harden_private(database: str, platform: str) -> None:
    """Close system functions and every other database to the readers, where the superuser is at hand."""
    path = os.environ.get("SWITCHYARD_SECRETS_FILE")
    url = json.loads(Path(path).read_text()).get("database_superuser_url") if path else None
    if not url:
        return
    with closing(psycopg2.connect(url, dbname=database)) as superuser, superuser.cursor() as cursor:
        readers.harden(superuser)
        # PUBLIC may connect anywhere by default: a reader's password must open nothing but its company.
        for other in (platform, "postgres", "template1"):
            cursor.execute(sql.SQL("revoke connect on database {} from public").format(sql.Identifier(other)))
        superuser.commit()


def _mime(path: Path) -> str:
    known = {".md": "text/markdown", ".docx": "application/vnd.openxmlformats-officedocument.wordprocessingml.document"}
    return known.get(path.suffix) or mimetypes.guess_type(path.name)[0] or "application/octet-stream"
