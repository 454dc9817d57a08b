"""Whom the admin's tests sign in, and what they look at."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Any

from django.contrib.admin.utils import quote
from django.contrib.auth.models import Permission
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from orchestrator import ids
from orchestrator.chat.models import Conversation, StageRun, Turn
from orchestrator.tenants.models import Tenant, User, Warehouse
from orchestrator.tenants.sealing import seal


def a_tenant() -> Tenant:
    name = ids.new_id("t")[-20:]
    return Tenant.objects.create(slug=name, name=f"Company {name}")


def a_user(tenant: Tenant, *permissions: str, **more: Any) -> User:
    user = User.objects.create_user(username=ids.new_id("u")[-20:], password="x", tenant=tenant, **more)
    user.user_permissions.set(Permission.objects.filter(codename__in=permissions))
    return user


def signed_in(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client


def a_turn(tenant: Tenant, text: str = "How many orders?") -> Turn:
    user, now = a_user(tenant), timezone.now()
    conversation = Conversation.objects.create(tenant=tenant, user=user, title=text[:200])
    turn = Turn.objects.create(
        tenant=tenant, conversation=conversation, user=user, text=text, cid="c", deadline_at=now, message="msg_1",
        state="failed", error_code="internal", error_message="<script>alert(1)</script>", error_retryable=True,
        ended_at=now,
    )  # fmt: skip
    StageRun.objects.create(turn=turn, hop="classify", place=0, queue="gpu", state="done", started_at=now, ended_at=now)
    return turn


def a_shop(tenant: Tenant, folder: Path) -> str:
    """Connect a small database and return its admin page."""
    path = folder / "shop.db"
    with sqlite3.connect(path) as database:
        database.execute("CREATE TABLE sales (day TEXT, branch TEXT, amount REAL)")
        database.execute("INSERT INTO sales VALUES ('2026-11-17', 'Centro', 1200.5)")
    layer = {
        "name": "shop",
        "dialect": "sqlite",
        "facts": {"sales": {"relation": "sales"}},
        "measures": {
            "takings": {
                "labels": {"en": ["takings"], "es": ["caja"]},
                "format": "money",
                "sources": [{"fact": "sales", "sql": "sum(sales.amount)"}],
            }
        },
        "dimensions": {"branch": {"labels": {"en": ["branch"], "es": ["local"]}, "sql": "sales.branch"}},
    }
    Warehouse.objects.create(tenant=tenant, url_encrypted=seal(f"sqlite:///{path}"), label="shop", layer=layer)
    # As the list links to it: the admin writes an underscore of a key as _5F.
    return reverse("admin:tenants_warehouse_change", args=[quote(tenant.pk)])
