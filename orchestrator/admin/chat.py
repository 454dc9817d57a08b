"""Conversations, turns with their time, and what they left. All of it to look at only."""

from __future__ import annotations

from typing import Any, ClassVar

import orjson
from django.contrib import admin
from django.db.models import Count, QuerySet
from django.http import HttpRequest
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString
from unfold.decorators import display

from orchestrator.admin.access import ReadOnlyAdmin, ReadOnlyInline
from orchestrator.admin.timeline import Span, bars, duration
from orchestrator.chat.models import Artifact, Conversation, StageRun, Turn

_TONES = {
    "queued": "warning",
    "running": "info",
    "waiting_for_user": "info",
    "completed": "success",
    "failed": "danger",
    "cancelled": "warning",
}
_SHOWN_ROWS = 50


class TurnInline(ReadOnlyInline):
    """A conversation's turns."""

    model = Turn
    fk_name = "conversation"
    fields = ("question", "state", "route", "answer", "created_at", "ended_at")
    readonly_fields = fields
    ordering = ("created_at",)
    per_page = 20

    @display(description="question")
    def question(self, turn: Turn) -> SafeString:
        """Return the question with the way to its page."""
        return _link("admin:chat_turn_change", turn.pk, turn.text)


class StageInline(ReadOnlyInline):
    """A turn's stages, each attempt by itself."""

    model = StageRun
    fields = (
        "hop",
        "fence",
        "queue",
        "state",
        "dispatch_no",
        "worker",
        "ready_at",
        "started_at",
        "ended_at",
        "summary",
    )
    readonly_fields = fields
    ordering = ("fence", "place")


class ArtifactInline(ReadOnlyInline):
    """What a turn left."""

    model = Artifact
    fields = ("named", "kind", "step", "created_at")
    readonly_fields = fields

    @display(description="title")
    def named(self, artifact: Artifact) -> SafeString:
        """Return the title with the way to its page."""
        return _link("admin:chat_artifact_change", artifact.pk, artifact.title or artifact.pk)


@admin.register(Conversation)
class ConversationPage(ReadOnlyAdmin):
    """Threads of turns."""

    list_display = ("__str__", "user", "tenant", "turn_count", "updated_at", "deleted_at")
    list_filter = (("tenant", admin.RelatedOnlyFieldListFilter),)
    list_select_related = ("user", "tenant")
    search_fields = ("id", "title", "user__username")
    date_hierarchy = "updated_at"
    ordering = ("-updated_at",)
    inlines: ClassVar = [TurnInline]
    fields = ("id", "title", "tenant", "user", "created_at", "updated_at", "deleted_at")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        """Return the conversations with the number of their turns."""
        rows: QuerySet[Any] = super().get_queryset(request).annotate(turn_total=Count("turns"))
        return rows

    @display(description="turns", ordering="turn_total")
    def turn_count(self, conversation: Any) -> int:  # Any: the annotation is not on the model
        """Return how many turns there are."""
        return int(conversation.turn_total)


@admin.register(Turn)
class TurnPage(ReadOnlyAdmin):
    """Questions and their endings."""

    list_display = ("__str__", "shown_state", "route", "user", "tenant", "took", "error_code", "created_at")
    list_filter = ("state", "route", "error_code", ("tenant", admin.RelatedOnlyFieldListFilter))
    list_select_related = ("user", "tenant")
    search_fields = ("id", "text", "cid", "user__username")
    date_hierarchy = "created_at"
    ordering = ("-created_at",)
    show_full_result_count = False
    inlines: ClassVar = [StageInline, ArtifactInline]
    readonly_fields = ("time", "shown_state", "took", "problem", "cited", "used")
    fieldsets = (
        (None, {"fields": ("text", "shown_state", "answer", "problem")}),
        ("Time", {"fields": ("time", "created_at", "started_at", "ended_at", "deadline_at", "cancel_requested_at")}),
        ("Way", {"fields": ("route", "confidence", "forced_route", "fence", "reached", "told_waiting")}),
        ("Sources", {"fields": ("cited", "used")}),
        ("Who", {"fields": ("tenant", "user", "conversation", "parent", "language", "cid", "client_id")}),
    )

    @display(description="state", label=_TONES, ordering="state")
    def shown_state(self, turn: Turn) -> str:
        """Return the state as a label."""
        return turn.state

    @display(description="took")
    def took(self, turn: Turn) -> str:
        """Return the seconds from the question to its ending."""
        return f"{(turn.ended_at - turn.created_at).total_seconds():.2f} s" if turn.ended_at else "…"

    @display(description="timeline")
    def time(self, turn: Turn) -> SafeString:
        """Return the stages as bars."""
        spans = [
            Span(
                label=stage.hop if stage.fence == 1 else f"{stage.hop} (attempt {stage.fence})",
                queue=stage.queue,
                worker=stage.worker or "",
                state=stage.state,
                ready_at=stage.ready_at,
                started_at=stage.started_at,
                ended_at=stage.ended_at,
                summary=stage.summary,
            )
            for stage in turn.stages.order_by("fence", "place")
        ]
        now = timezone.now()
        overhead_ms = (turn.timeline or {}).get("overhead_ms")
        return render_to_string(
            "switchyard_admin/timeline.html",
            {
                "bars": bars(spans, began=turn.created_at, ended=turn.ended_at, now=now),
                "total": duration(((turn.ended_at or now) - turn.created_at).total_seconds() * 1000),
                "overhead": None if overhead_ms is None else duration(overhead_ms),
            },
        )

    @display(description="error")
    def problem(self, turn: Turn) -> str:
        """Return why there is no answer."""
        if turn.error_code is None:
            return "-"
        again = "may be tried again" if turn.error_retryable else "trying again will not help"
        return format_html("<strong>{}</strong>: {} ({})", turn.error_code, turn.error_message, again)

    @display(description="citations")
    def cited(self, turn: Turn) -> SafeString:
        """Return the citations."""
        return pretty(turn.citations)

    @display(description="usage")
    def used(self, turn: Turn) -> SafeString:
        """Return the tokens and the model."""
        return pretty(turn.usage)


@admin.register(Artifact)
class ArtifactPage(ReadOnlyAdmin):
    """Tables, passages and SQL that turns and jobs left."""

    list_display = ("__str__", "kind", "tenant", "turn", "job", "created_at")
    list_filter = ("kind", ("tenant", admin.RelatedOnlyFieldListFilter))
    list_select_related = ("tenant", "turn")
    search_fields = ("id", "title", "turn__id", "job")
    ordering = ("-created_at",)
    show_full_result_count = False
    readonly_fields = ("contents",)
    fields = ("id", "kind", "title", "tenant", "turn", "job", "step", "created_at", "contents")

    @display(description="contents")
    def contents(self, artifact: Artifact) -> SafeString:
        """Return the beginning of what it holds."""
        body = dict(artifact.body)
        for name in ("rows", "passages"):
            if len(body.get(name, ())) > _SHOWN_ROWS:
                body[name] = [*body[name][:_SHOWN_ROWS], "…"]
        return pretty(body)


def _link(page: str, key: str, text: str) -> SafeString:
    return format_html('<a href="{}" class="text-primary-600">{}</a>', reverse(page, args=[key]), text)


def pretty(value: object) -> SafeString:
    """Return JSON as people read it, escaped."""
    if value in (None, [], {}):
        return format_html("{}", "-")
    text = orjson.dumps(value, option=orjson.OPT_INDENT_2, default=str).decode()
    return format_html('<pre style="white-space:pre-wrap;max-height:24rem;overflow:auto">{}</pre>', text)
