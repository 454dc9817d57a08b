"""Jobs, to look at."""

from __future__ import annotations

from typing import ClassVar

from django.contrib import admin
from unfold.decorators import display

from orchestrator.admin.access import ReadOnlyAdmin
from orchestrator.automation.models import Job

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
