"""Processes and the outbox: rows of the machinery, which belong to no tenant."""

from __future__ import annotations

from datetime import timedelta
from typing import ClassVar

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone
from unfold.decorators import action, display

from orchestrator.admin.access import ReadOnlyAdmin, person
from orchestrator.control.models import OutboxRow, ProcessRow
from orchestrator.store.processes import DEAD_AFTER_S


@admin.register(ProcessRow)
class ProcessPage(ReadOnlyAdmin):
    """What runs, by its heartbeats."""

    tenant_lookup = ""
    list_display = ("name", "shown_state", "role", "queues", "host", "pid", "started_at", "seen_at")
    list_filter = ("role", "draining", "host")
    ordering = ("name", "-seen_at")
    readonly_fields = ("shown_state",)

    @display(description="state", label={"alive": "success", "draining": "warning", "silent": "danger"})
    def shown_state(self, process: ProcessRow) -> str:
        """Return whether it was heard of lately."""
        if process.seen_at < timezone.now() - timedelta(seconds=DEAD_AFTER_S):
            return "silent"
        return "draining" if process.draining else "alive"


@admin.register(OutboxRow)
class OutboxPage(ReadOnlyAdmin):
    """What must leave with a transaction, and whether it has."""

    tenant_lookup = ""
    list_display = ("__str__", "kind", "shown_state", "attempts", "created_at", "next_at", "done_at")
    list_filter = ("kind", ("done_at", admin.EmptyFieldListFilter))
    search_fields = ("key",)
    ordering = ("-id",)
    show_full_result_count = False
    actions: ClassVar = ["try_again"]

    @display(description="state", label={"done": "success", "open": "warning", "not understood": "danger"})
    def shown_state(self, row: OutboxRow) -> str:
        """Return whether it has left; only what this version can't read is put off and counts attempts."""
        if row.done_at is not None:
            return "done"
        return "not understood" if row.attempts else "open"

    @action(description="Try the chosen rows again now", permissions=["change_machinery"])
    def try_again(self, request: HttpRequest, rows: QuerySet[OutboxRow]) -> None:
        """Have the relay look again within seconds, once a version runs that understands them."""
        begun = rows.filter(done_at__isnull=True).update(next_at=timezone.now())
        self.message_user(request, f"{begun} will be tried again.", messages.SUCCESS)

    def has_change_machinery_permission(self, request: HttpRequest) -> bool:
        """Return whether the person is a superuser."""
        return person(request).is_superuser
