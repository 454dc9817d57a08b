"""Who changed what in the admin, and when: Django's own log, to look at only."""

from __future__ import annotations

from django.contrib import admin
from django.contrib.admin.models import ADDITION, CHANGE, LogEntry
from unfold.decorators import display

from orchestrator.admin.access import ReadOnlyAdmin

_DONE = {ADDITION: "added", CHANGE: "changed"}


@admin.register(LogEntry)
class AuditPage(ReadOnlyAdmin):
    """Every addition, change, deletion and action of the admin's pages."""

    #: One's own people's; what a superuser of another company did is the superusers' to see.
    tenant_lookup = "user__tenant_id"
    list_display = ("action_time", "user", "done", "content_type", "object_repr", "said")
    list_filter = ("action_flag", "content_type")
    list_select_related = ("user", "content_type")
    search_fields = ("object_repr", "object_id", "user__username", "change_message")
    date_hierarchy = "action_time"
    ordering = ("-action_time",)
    fields = ("action_time", "user", "done", "content_type", "object_id", "object_repr", "said")
    readonly_fields = ("done", "said")

    @display(description="did", label={"added": "success", "changed": "info", "deleted": "danger"})
    def done(self, entry: LogEntry) -> str:
        """Return what was done, as a label."""
        return _DONE.get(entry.action_flag, "deleted")

    @display(description="what")
    def said(self, entry: LogEntry) -> str:
        """Return the change in words."""
        return str(entry.get_change_message())
