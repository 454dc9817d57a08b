"""What people thought of their answers: what to mend, and what becomes labelled data."""

from __future__ import annotations

from typing import Any, ClassVar

from django.contrib import admin, messages
from django.contrib.admin.utils import unquote
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.db.models import QuerySet
from django.db.models.functions import Now
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from unfold.decorators import action, display

from orchestrator import catalogue
from orchestrator.admin.access import ReadOnlyAdmin, person
from orchestrator.admin.verified import adding_from
from orchestrator.chat.models import Feedback
from orchestrator.errors import InvalidInputError
from orchestrator.pipeline.labels import CHOICES, LABELS, wording
from orchestrator.pipeline.models import LabelledQuestion

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
    change_form_outer_before_template = "switchyard_admin/correction.html"
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

    def has_label_permission(self, request: HttpRequest) -> bool:
        """Return whether the person may say which route a question should have taken."""
        wanted = ("pipeline.add_labelledquestion", "pipeline.change_labelledquestion")
        return person(request).has_perms(wanted) and self.has_handle_permission(request)

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Show one, with what can be made of it; or keep the route that the question should have taken."""
        feedback = self.get_queryset(request).select_related("turn").filter(pk=unquote(object_id)).first()
        if request.method == "POST" and "_label" in request.POST:
            if feedback is None or not self.has_label_permission(request):
                raise PermissionDenied
            self._label(request, feedback, request.POST["_label"])
            return redirect(request.get_full_path())
        extra: dict[str, Any] = {"may_label": self.has_label_permission(request), "labels": CHOICES}
        if feedback is not None:
            extra["labelled"] = feedback.labels.first()
            extra["verify_url"] = adding_from(request, feedback) if self.has_handle_permission(request) else ""
        response: HttpResponse = super().change_view(request, object_id, form_url, extra | (extra_context or {}))
        return response

    @action(description="Mark as dealt with", permissions=["handle"])
    def mark_handled(self, request: HttpRequest, chosen: QuerySet[Any]) -> None:
        """Note that somebody has dealt with these."""
        waiting = list(chosen.filter(handled_at__isnull=True))
        for feedback in waiting:
            self.deal_with(request, feedback, "Marked as dealt with.")
        self.message_user(request, f"{len(waiting)} marked as dealt with.", messages.SUCCESS)

    def deal_with(self, request: HttpRequest, feedback: Feedback, said: str) -> None:
        """Note that somebody has dealt with it, and how; an earlier time stands."""
        Feedback.objects.filter(pk=feedback.pk, handled_at__isnull=True).update(handled_at=Now())
        self.log_change(request, feedback, said)

    def _label(self, request: HttpRequest, feedback: Feedback, route: str) -> None:
        try:
            text = wording(feedback.turn.text)
        except InvalidInputError as exc:
            self.message_user(request, catalogue.of_error(exc, "en"), messages.ERROR)
            return
        if route not in LABELS:
            self.message_user(request, "Choose the route that the question should have taken.", messages.ERROR)
            return
        with transaction.atomic():
            question, made = LabelledQuestion.objects.update_or_create(
                tenant_id=feedback.tenant_id,
                text=text,
                defaults={"route": route, "source": feedback, "labelled_by": person(request)},
            )
            self.log_change(request, question, f"Labelled {route} from feedback.")
            self.deal_with(request, feedback, f"Labelled {route}.")
        said = "Kept as a labelled question" if made else "The labelled question was changed"
        self.message_user(request, f"{said}: {route}. The feedback is dealt with.", messages.SUCCESS)
