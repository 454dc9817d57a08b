"""What people thought of their answers: what to mend, and what becomes labelled data."""

from __future__ import annotations

from typing import Any, ClassVar

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.db.models.functions import Now
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from unfold.decorators import action, display

from orchestrator.admin.access import ReadOnlyAdmin, person
from orchestrator.chat.models import Feedback

_TONES = {"up": "success", "down": "danger"}


@admin.register(Feedback)
class FeedbackPage(ReadOnlyAdmin):
    """Thumbs with their reasons; those down and not dealt with are the work list."""

    list_display = ("question", "thumb", "reason", "comment", "route", "asked_by", "tenant", "handled", "updated_at")
    list_filter = (
        "rating",
        "reason",
        ("handled_at", admin.EmptyFieldListFilter),
        "turn__route",
        ("tenant", admin.RelatedOnlyFieldListFilter),
    )
    list_select_related = ("tenant", "turn__user")
    search_fields = ("comment", "turn__text", "turn__id", "turn__user__username")
    date_hierarchy = "updated_at"
    ordering = ("-updated_at",)
    actions: ClassVar = ["mark_handled"]
    readonly_fields = ("question", "thumb", "route", "asked_by", "answer")
    fieldsets: ClassVar = (
        (None, {"fields": ("question", "answer", "thumb", "reason", "comment")}),
        ("Whose", {"fields": ("route", "asked_by", "tenant", "created_at", "updated_at", "handled_at")}),
    )

    @display(description="question")
    def question(self, feedback: Feedback) -> SafeString:
        """Return the question with the way to its turn."""
        turn = feedback.turn
        return format_html(
            '<a class="underline" href="{}">{}</a>', reverse("admin:chat_turn_change", args=[turn.pk]), turn
        )

    @display(description="rating", label=_TONES, ordering="rating")
    def thumb(self, feedback: Feedback) -> str:
        """Return the rating as a label."""
        return feedback.rating

    @display(description="route", ordering="turn__route")
    def route(self, feedback: Feedback) -> str:
        """Return where the answer came from."""
        return feedback.turn.route or "-"

    @display(description="user", ordering="turn__user__username")
    def asked_by(self, feedback: Feedback) -> str:
        """Return who asked, and so who rated."""
        return feedback.turn.user.username

    @display(description="handled", boolean=True, ordering="handled_at")
    def handled(self, feedback: Feedback) -> bool:
        """Return whether somebody has dealt with it."""
        return feedback.handled_at is not None

    @display(description="answer")
    def answer(self, feedback: Feedback) -> str:
        """Return what was answered."""
        return feedback.turn.answer or "-"

    def has_handle_permission(self, request: HttpRequest, object_id: str | None = None) -> bool:
        """Return whether the person holds the permission to change feedback."""
        return person(request).has_perm("chat.change_feedback") and self.has_view_permission(request)

    @action(description="Mark as dealt with", permissions=["handle"])
    def mark_handled(self, request: HttpRequest, chosen: QuerySet[Any]) -> None:
        """Note that somebody has dealt with these."""
        waiting = list(chosen.filter(handled_at__isnull=True))
        chosen.filter(handled_at__isnull=True).update(handled_at=Now())
        for feedback in waiting:
            self.log_change(request, feedback, "Marked as dealt with.")
        self.message_user(request, f"{len(waiting)} marked as dealt with.", messages.SUCCESS)
