"""Jobs: what they did and said, and once more when they failed; who gets what they make by mail."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any, ClassVar

from django.contrib import admin, messages
from django.contrib.admin.utils import unquote
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.loader import render_to_string
from django.utils import timezone
from django.utils.safestring import SafeString
from unfold.decorators import action, display

from orchestrator import catalogue
from orchestrator.admin.access import ReadOnlyAdmin, ReadOnlyInline, TenantAdmin, person
from orchestrator.admin.job_facts import facts
from orchestrator.admin.timeline import duration
from orchestrator.automation.models import Delivery, Job, Subscription
from orchestrator.automation.notes import MOST_LINES
from orchestrator.automation.reruns import run_again
from orchestrator.errors import ConflictError

#: A fence has fewer.
_DIGITS = 10
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
    verbose_name_plural = "deliveries"


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

    list_display = ("__str__", "type", "shown_state", "attempts", "tenant", "worker", "created_at", "took", "error")
    list_filter = ("state", "type", "schedule", ("tenant", admin.RelatedOnlyFieldListFilter))
    list_select_related = ("tenant",)
    search_fields = ("id", "cid", "payload")
    date_hierarchy = "created_at"
    ordering = ("-created_at",)
    show_full_result_count = False
    actions: ClassVar = ["run_chosen_again"]
    change_form_outer_before_template = "switchyard_admin/job_failed.html"
    readonly_fields = ("shown_state", "took", "outcome", "said")
    inlines: ClassVar = [DeliveryInline]
    fieldsets: ClassVar = (
        (None, {"fields": ("id", "type", "shown_state", "took", "error", "outcome")}),
        ("Log", {"fields": ("said",)}),
        (
            "Time",
            {"fields": ("created_at", "run_at", "dispatched_at", "started_at", "ended_at", "cancel_requested_at")},
        ),
        (
            "Run",
            {"fields": ("payload", "queue", "attempts", "max_attempts", "fence", "dispatch_no", "worker", "owner")},
        ),
        ("Who", {"fields": ("tenant", "created_by", "schedule", "fire_time", "cid")}),
    )

    @display(description="state", label=_TONES, ordering="state")
    def shown_state(self, job: Job) -> str:
        """Return the state as a label."""
        return job.state

    @display(description="took")
    def took(self, job: Job) -> str:
        """Return how long the last attempt worked, or has so far."""
        if job.started_at is None or (job.ended_at is None and job.state != "RUNNING"):
            return "–"
        worked = duration(((job.ended_at or timezone.now()) - job.started_at) / timedelta(milliseconds=1))
        return worked if job.ended_at is not None else f"{worked} so far"

    @display(description="result")
    def outcome(self, job: Job) -> SafeString | str:
        """Return the result in words and tables."""
        return render_to_string("switchyard_admin/job_result.html", {"facts": facts(job.result)}) if job.result else "–"

    @display(description="log")
    def said(self, job: Job) -> SafeString | str:
        """Return what the job said of its work, attempt by attempt."""
        if not job.log:
            return "It has said nothing."
        lines = [line | {"at": datetime.fromisoformat(line["at"])} for line in job.log]
        return render_to_string("switchyard_admin/job_log.html", {"lines": lines, "full": len(lines) >= MOST_LINES})

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        """Return the jobs without their lines: a list of a hundred would read megabytes."""
        return super().get_queryset(request).defer("log")

    def has_run_again_permission(self, request: HttpRequest, object_id: str | None = None) -> bool:
        """Return whether the person holds the permission to change jobs."""
        return person(request).has_perm("automation.change_job") and self.has_view_permission(request)

    @action(description="Run the chosen failed jobs again", permissions=["run_again"])
    def run_chosen_again(self, request: HttpRequest, jobs: QuerySet[Job]) -> None:
        """Have failed jobs tried anew."""
        self._run_again(request, [(job, job.fence) for job in jobs])

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Show one job, or have it tried anew: the button carries the failure that was looked at."""
        fence = request.POST.get("_run_again", "")
        if request.method == "POST" and fence.isdecimal() and len(fence) < _DIGITS:
            if not self.has_run_again_permission(request):
                raise PermissionDenied
            # The admin's addresses hold the key quoted.
            chosen = self.get_queryset(request).filter(pk=unquote(object_id))
            self._run_again(request, [(job, int(fence)) for job in chosen])
            return redirect(request.get_full_path())
        extra = {"may_run_again": self.has_run_again_permission(request)} | (extra_context or {})
        response: HttpResponse = super().change_view(request, object_id, form_url, extra)
        return response

    def _run_again(self, request: HttpRequest, jobs: Iterable[tuple[Job, int]]) -> None:
        begun = 0
        for job, fence in jobs:
            try:
                run_again(job.pk, fence=fence, by=f"admin:{person(request).username}")
            except ConflictError as exc:
                self.message_user(request, f"{job}: {catalogue.of_error(exc, 'en')}", messages.WARNING)
            else:
                begun += 1
                self.log_change(request, job, "Run again.")
        if begun:
            said = "1 job is run again." if begun == 1 else f"{begun} jobs are run again."
            self.message_user(request, said, messages.SUCCESS)
