"""Dead letters: what was given up through no fault of its user, why, and once more."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta
from typing import Any, ClassVar

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from unfold.decorators import action, display
from unfold.views import ChangeList

from orchestrator import catalogue
from orchestrator.admin.access import ReadOnlyAdmin, person
from orchestrator.admin.timeline import Span, bars, duration
from orchestrator.chat import dead_letters
from orchestrator.chat.dead_letters import Happened
from orchestrator.chat.models import DeadLetter

#: Refusals told one by one; a page of a thousand would tell nobody anything.
_TOLD = 10
_TONES = {"waits": "warning", "queued": "info", "running": "info", "completed": "success", "failed": "danger"}


class _LetterList(ChangeList):
    """The list, which also knows how many of what it shows could be replayed."""

    def waiting(self) -> QuerySet[DeadLetter]:
        """Return the shown letters that nobody has replayed, on every page, the oldest first."""
        shown: QuerySet[DeadLetter] = self.queryset
        return shown.filter(replayed_at__isnull=True).order_by("pk")


@admin.register(DeadLetter)
class DeadLetterPage(ReadOnlyAdmin):
    """Turns that failed for no fault of their users', set aside to be asked again."""

    list_display = ("cause", "code", "hop", "shown_state", "tenant", "asked_by", "created_at")
    list_filter = (
        ("replayed_at", admin.EmptyFieldListFilter),
        "code",
        "hop",
        ("tenant", admin.RelatedOnlyFieldListFilter),
    )
    list_select_related = ("tenant", "turn__user", "replayed_as")
    search_fields = ("turn__id", "turn__cid", "cause")
    date_hierarchy = "created_at"
    ordering = ("-pk",)
    list_before_template = "switchyard_admin/letters_waiting.html"
    change_form_outer_before_template = "switchyard_admin/letter_waiting.html"
    actions: ClassVar = ["replay_chosen"]
    readonly_fields = ("shown_state", "asked_by", "question", "became", "happened")
    fieldsets: ClassVar = (
        (None, {"fields": ("cause", "code", "hop", "shown_state", "became")}),
        ("What happened", {"fields": ("happened",)}),
        ("Whose", {"fields": ("question", "asked_by", "tenant", "created_at", "replayed_at")}),
    )

    @display(description="state", label=_TONES)
    def shown_state(self, letter: DeadLetter) -> str:
        """Return where the replay is, or that there is none yet."""
        if letter.replayed_at is None:
            return "waits"
        return letter.replayed_as.state if letter.replayed_as is not None else "replayed"

    @display(description="user", ordering="turn__user__username")
    def asked_by(self, letter: DeadLetter) -> str:
        """Return who asked."""
        return letter.turn.user.username

    @display(description="turn")
    def question(self, letter: DeadLetter) -> SafeString:
        """Return the way to the turn; its text is shown there, to whom may see it."""
        return _turn(letter.turn_id)

    @display(description="replayed as")
    def became(self, letter: DeadLetter) -> SafeString | str:
        """Return the way to the turn that the replay made."""
        return "-" if letter.replayed_as_id is None else _turn(letter.replayed_as_id)

    @display(description="history")
    def happened(self, letter: DeadLetter) -> SafeString:
        """Return every stage of every attempt, as bars and in words."""
        turn = letter.turn
        history = [dead_letters.happened(entry, given_up_at=letter.created_at) for entry in letter.history]
        ended = turn.ended_at or letter.created_at
        return render_to_string(
            "switchyard_admin/letter_history.html",
            {
                "bars": bars(
                    [span for h in history if (span := _span(h))], began=turn.created_at, ended=ended, now=ended
                ),
                "total": duration((ended - turn.created_at) / timedelta(milliseconds=1)),
                "history": [{"entry": h, "worked": _worked(h)} for h in history],
            },
        )

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:
        """Return the list that counts what waits."""
        return _LetterList

    def has_replay_permission(self, request: HttpRequest, object_id: str | None = None) -> bool:
        """Return whether the person holds the permission to change dead letters."""
        return person(request).has_perm("chat.change_deadletter") and self.has_view_permission(request)

    @action(description="Replay the chosen letters", permissions=["replay"])
    def replay_chosen(self, request: HttpRequest, letters: QuerySet[DeadLetter]) -> None:
        """Ask the questions again, the oldest first."""
        self._replay(request, letters.order_by("pk"))

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        """Show the list, or replay all that its filters show."""
        if request.method == "POST" and "_replay_shown" in request.POST:
            if not self.has_replay_permission(request):
                raise PermissionDenied
            self._replay(request, self.get_changelist_instance(request).waiting())
            return redirect(request.get_full_path())
        extra = {"may_replay": self.has_replay_permission(request)} | (extra_context or {})
        response: HttpResponse = super().changelist_view(request, extra)
        return response

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Show one letter, or replay it."""
        if request.method == "POST" and "_replay" in request.POST:
            if not self.has_replay_permission(request):
                raise PermissionDenied
            self._replay(request, self.get_queryset(request).filter(pk=object_id))
            return redirect(request.get_full_path())
        extra = {"may_replay": self.has_replay_permission(request)} | (extra_context or {})
        response: HttpResponse = super().change_view(request, object_id, form_url, extra)
        return response

    def _replay(self, request: HttpRequest, letters: Iterable[DeadLetter]) -> None:
        by_id = {letter.pk: letter for letter in letters}
        results = dead_letters.replay_all(by_id, by=f"admin:{person(request).username}")
        made = [result for result in results if result.turn is not None]
        for result in made:
            self.log_change(request, by_id[result.letter], f"Replayed as {result.turn}.")
        if made:
            said = "1 question is asked again." if len(made) == 1 else f"{len(made)} questions are asked again."
            self.message_user(request, said, messages.SUCCESS)
        refused = [(result.letter, result.refusal) for result in results if result.refusal is not None]
        for letter, refusal in refused[:_TOLD]:
            self.message_user(request, f"Letter {letter}: {catalogue.of_error(refusal, 'en')}", messages.WARNING)
        if len(refused) > _TOLD:
            self.message_user(request, f"{len(refused) - _TOLD} more could not be replayed.", messages.WARNING)
        if not results:
            self.message_user(request, "Nothing there waits to be replayed.", messages.INFO)


def _turn(turn: str) -> SafeString:
    return format_html('<a class="underline" href="{}">{}</a>', reverse("admin:chat_turn_change", args=[turn]), turn)


def _span(happened: Happened) -> Span | None:
    began = happened.ready_at or happened.started_at
    if began is None:
        return None
    return Span(
        label=happened.hop if happened.attempt == 1 else f"{happened.hop} (attempt {happened.attempt})",
        queue="",
        worker=happened.worker,
        state=happened.outcome,
        ready_at=began,
        started_at=happened.started_at,
        ended_at=happened.ended_at,
        summary=happened.summary,
    )


def _worked(happened: Happened) -> str:
    if happened.started_at is None or happened.ended_at is None:
        return "–"
    return duration((happened.ended_at - happened.started_at) / timedelta(milliseconds=1))
