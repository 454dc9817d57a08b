"""Jobs, to look at; and who gets what they make by mail."""

from __future__ import annotations

from typing import ClassVar

from django.contrib import admin
from unfold.decorators import display

from orchestrator.admin.access import ReadOnlyAdmin, ReadOnlyInline, TenantAdmin
from orchestrator.automation.models import Delivery, Job, Subscription

_TONES = {
    "CREATED": "warning",
    "PENDING": "warning",
    "ASSIGNED": "info",
    "RUNNING": "info",
    "SUCCEEDED": "success",
    "FAILED": "danger",
    "CANCELLED": "warning",
    "TIMED_OUT": "danger",
    "RETRY_WAIT": "warning",
    "WAITING_FOR_USER": "info",
    "NEEDS_OPERATOR": "danger",
}


class DeliveryInline(ReadOnlyInline):
    """Who got a job's report."""

    model = Delivery
    fields = ("email", "state", "answer", "at")
    readonly_fields = fields
    ordering = ("email",)


@admin.register(Subscription)
class SubscriptionPage(TenantAdmin):
    """Who gets a schedule's report by mail."""

    list_display = ("email", "schedule", "language", "tenant", "is_active", "created_at")
    list_filter = ("schedule", "is_active", ("tenant", admin.RelatedOnlyFieldListFilter))
    list_select_related = ("tenant",)
    search_fields = ("email",)
    ordering = ("email",)
    readonly_fields = ("created_at",)


@admin.register(Job)
class JobPage(ReadOnlyAdmin):
    """Units of automation work."""

    list_display = ("__str__", "type", "shown_state", "attempts", "tenant", "worker", "created_at", "ended_at", "error")
    list_filter = ("state", "type", "schedule", ("tenant", admin.RelatedOnlyFieldListFilter))
    list_select_related = ("tenant",)
    search_fields = ("id", "cid", "payload")
    date_hierarchy = "created_at"
    ordering = ("-created_at",)
    show_full_result_count = False
    readonly_fields = ("shown_state",)
    inlines: ClassVar = [DeliveryInline]
    fieldsets: ClassVar = (
        (None, {"fields": ("id", "type", "shown_state", "error", "payload", "result")}),
        (
            "Time",
            {"fields": ("created_at", "run_at", "dispatched_at", "started_at", "ended_at", "cancel_requested_at")},
        ),
        ("Run", {"fields": ("queue", "attempts", "max_attempts", "fence", "dispatch_no", "worker", "owner")}),
        ("Who", {"fields": ("tenant", "created_by", "schedule", "fire_time", "cid")}),
    )

    @display(description="state", label=_TONES, ordering="state")
    def shown_state(self, job: Job) -> str:
        """Return the state as a label."""
        return job.state
