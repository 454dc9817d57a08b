"""Processes and the outbox: rows of the machinery, which belong to no tenant."""

from __future__ import annotations

from datetime import timedelta

from django.contrib import admin
from django.utils import timezone
from unfold.decorators import display

from orchestrator.admin.access import ReadOnlyAdmin
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

    @display(description="state", label={"done": "success", "open": "warning"})
    def shown_state(self, row: OutboxRow) -> str:
        """Return whether it has left."""
        return "done" if row.done_at is not None else "open"
