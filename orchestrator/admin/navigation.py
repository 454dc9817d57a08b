"""The admin's side bar: by what people look for, not by how the code is divided."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.http import HttpRequest
from django.urls import reverse

_GROUPS: tuple[tuple[str, tuple[tuple[str, str, str], ...]], ...] = (
    (
        "Work",
        (
            ("Conversations", "forum", "chat_conversation"),
            ("Turns", "timeline", "chat_turn"),
            ("Artifacts", "table_chart", "chat_artifact"),
            ("Feedback", "thumbs_up_down", "chat_feedback"),
            ("Jobs", "precision_manufacturing", "automation_job"),
            ("Reports by mail", "mail", "automation_subscription"),
            ("Dead letters", "unsubscribe", "chat_deadletter"),
        ),
    ),
    (
        "Knowledge",
        (
            ("Documents", "description", "pipeline_document"),
            ("Warehouses", "database", "tenants_warehouse"),
            ("Labelled questions", "label", "pipeline_labelledquestion"),
        ),
    ),
    (
        "People",
        (
            ("Tenants", "domain", "tenants_tenant"),
            ("Users", "person", "tenants_user"),
            ("Groups", "group", "auth_group"),
            ("API keys", "key", "tenants_apikey"),
        ),
    ),
    (
        "Machinery",
        (
            ("Processes", "memory", "control_processrow"),
            ("Outbox", "outbox", "control_outboxrow"),
            ("Who changed what", "history", "admin_logentry"),
        ),
    ),
)


def groups(request: HttpRequest) -> list[dict[str, Any]]:
    """Return the side bar's groups in unfold's shape; what a person may not see is left out by its page."""
    return [
        {
            "title": title,
            "separator": True,
            "items": [
                {
                    "title": label,
                    "icon": icon,
                    "link": reverse(f"admin:{page}_changelist"),
                    "permission": _may_see(page),
                }
                for label, icon, page in pages
            ],
        }
        for title, pages in _GROUPS
    ]


def _may_see(page: str) -> Callable[[HttpRequest], bool]:
    def may(request: HttpRequest) -> bool:
        # Imported late: the pages register themselves while Django is still loading.
        from django.apps import apps
        from django.contrib import admin

        app, _, name = page.partition("_")
        model = apps.get_model(app, name)
        registered = admin.site._registry.get(model)
        return registered is not None and bool(
            registered.has_module_permission(request) and registered.has_view_permission(request)
        )

    return may
