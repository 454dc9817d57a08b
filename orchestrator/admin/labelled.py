"""Labelled questions: which route a question should take, said one by one or as a table."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from django import forms
from django.contrib import admin, messages
from django.contrib.admin.models import ADDITION, CHANGE, LogEntry
from django.contrib.admin.utils import quote
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString
from unfold.decorators import action, display

from orchestrator import catalogue
from orchestrator.admin.access import TenantAdmin, person
from orchestrator.admin.transfer import FileRefusedError, Line, Upload, download, lines, refuse_if_any, upload_page
from orchestrator.errors import InvalidInputError
from orchestrator.pipeline.labels import LABELS, wording
from orchestrator.pipeline.models import LabelledQuestion
from orchestrator.tenants.models import Tenant, User

if TYPE_CHECKING:
    # Generic for the type checker alone: at run time the class takes no parameter.
    _QuestionForm = forms.ModelForm[LabelledQuestion]
else:
    _QuestionForm = forms.ModelForm

_COLUMNS = ("question", "route")
_NEEDS = (
    "A CSV file whose first line names the columns question and route; routes are " + ", ".join(LABELS) + "."
    " A question that is labelled already gets the file's route. Either all lines are taken or none."
)


class Labelled(_QuestionForm):
    """A question in the wording that it is kept in."""

    class Meta:
        """Name the fields."""

        model = LabelledQuestion
        fields = ("tenant", "text", "route")

    def clean_text(self) -> str:
        """Return the kept wording, so that two that differ in white space alone are one."""
        try:
            return wording(self.cleaned_data["text"])
        except InvalidInputError as exc:
            raise forms.ValidationError(catalogue.of_error(exc, "en")) from exc


@admin.register(LabelledQuestion)
class LabelledQuestionPage(TenantAdmin):
    """What the router is judged by every night."""

    form = Labelled
    list_display = ("text", "shown_route", "from_feedback", "tenant", "labelled_by", "updated_at")
    list_filter = ("route", ("source", admin.EmptyFieldListFilter), ("tenant", admin.RelatedOnlyFieldListFilter))
    list_select_related = ("tenant", "labelled_by")
    search_fields = ("text", "source__turn__id", "labelled_by__username")
    date_hierarchy = "updated_at"
    ordering = ("-updated_at",)
    readonly_fields = ("from_feedback", "labelled_by", "created_at", "updated_at")
    actions_list: ClassVar = ["take_csv", "give_csv"]

    def get_fields(self, request: HttpRequest, obj: LabelledQuestion | None = None) -> tuple[str, ...]:
        """Return what is asked; of one that is there also where it came from."""
        return Labelled.Meta.fields if obj is None else (*Labelled.Meta.fields, *self.readonly_fields)

    def get_changeform_initial_data(self, request: HttpRequest) -> dict[str, Any]:
        """Begin with one's own company."""
        given: dict[str, Any] = super().get_changeform_initial_data(request)
        return {"tenant": person(request).tenant_id} | given

    @display(description="route", label=True, ordering="route")
    def shown_route(self, question: LabelledQuestion) -> str:
        """Return the route as a label."""
        return question.route

    @display(description="from")
    def from_feedback(self, question: LabelledQuestion) -> SafeString | str:
        """Return the way to the rating that gave rise to it."""
        if question.source_id is None:
            return "-"
        where = reverse("admin:chat_feedback_change", args=[quote(question.source_id)])
        return format_html('<a class="underline" href="{}">feedback</a>', where)

    def save_model(self, request: HttpRequest, obj: LabelledQuestion, form: _QuestionForm, change: bool) -> None:
        """Keep the question and who said so last."""
        obj.labelled_by = person(request)
        super().save_model(request, obj, form, change)

    def has_import_permission(self, request: HttpRequest) -> bool:
        """Return whether the person may add and change: a file does both."""
        return self.has_add_permission(request) and self.has_change_permission(request)

    @action(description="Export CSV", permissions=["view"], url_path="csv", icon="download")
    def give_csv(self, request: HttpRequest) -> HttpResponse:
        """Return all questions that the person may see."""
        found = self.get_queryset(request).select_related("tenant", "labelled_by").order_by("tenant__slug", "text")
        rows = [
            (q.text, q.route, q.tenant.slug, q.labelled_by.username if q.labelled_by else "", q.updated_at.isoformat())
            for q in found
        ]
        return download("labelled-questions", (*_COLUMNS, "tenant", "labelled by", "updated at"), rows)

    @action(description="Import CSV", permissions=["import"], url_path="import", icon="upload")
    def take_csv(self, request: HttpRequest) -> HttpResponse:
        """Ask for a file, and take it as a whole."""
        form = Upload(request)
        refused: tuple[str, ...] = ()
        if request.method == "POST" and form.is_valid():
            file = form.cleaned_data["file"]
            try:
                routes = _routes(lines(file.read(), _COLUMNS))
            except FileRefusedError as exc:
                refused = exc.reasons
            else:
                made, changed = _keep(routes, tenant=form.cleaned_data["tenant"], by=person(request), file=file.name)
                said = f"{made} added, {changed} changed, {len(routes) - made - changed} as they were."
                self.message_user(request, said, messages.SUCCESS)
                return redirect("admin:pipeline_labelledquestion_changelist")
        return upload_page(self, request, form, title="Import labelled questions", needs=_NEEDS, refused=refused)


def _routes(given: list[Line]) -> dict[str, str]:
    """Return question -> route.

    Raises:
        FileRefusedError: a line holds no question or no route, or two lines contradict each other.
    """
    routes: dict[str, tuple[int, str]] = {}
    wrong: list[str] = []
    for line in given:
        route = line.cells["route"].lower()
        try:
            text = wording(line.cells["question"])
        except InvalidInputError as exc:
            said = catalogue.of_error(exc, "en") if line.cells["question"] else "no question."
            wrong.append(f"Line {line.number}: {said}")
            continue
        if route not in LABELS:
            wrong.append(f"Line {line.number}: “{line.cells['route'][:40]}” is no route.")
        elif text in routes and routes[text][1] != route:
            wrong.append(f"Line {line.number}: line {routes[text][0]} has the same question with another route.")
        routes.setdefault(text, (line.number, route))
    refuse_if_any(wrong)
    return {text: route for text, (_, route) in routes.items()}


def _keep(routes: dict[str, str], *, tenant: Tenant, by: User, file: str) -> tuple[int, int]:
    """Write what is new or other than it was, and return how many of each."""
    with transaction.atomic():
        # One file of a company after the other: two with the same questions would lock them in different orders.
        Tenant.objects.select_for_update(no_key=True).get(pk=tenant.pk)
        known = {
            question.text: question
            for question in LabelledQuestion.objects.select_for_update().filter(tenant=tenant, text__in=routes)
        }
        now = timezone.now()
        made = [
            LabelledQuestion(tenant=tenant, text=text, route=route, labelled_by=by)
            for text, route in routes.items()
            if text not in known
        ]
        changed = [question for text, question in known.items() if question.route != routes[text]]
        for question in changed:
            question.route, question.labelled_by, question.updated_at = routes[question.text], by, now
        LabelledQuestion.objects.bulk_update(changed, ("route", "labelled_by", "updated_at"), batch_size=500)
        # Whoever added one of them in between has said it too: the file's word counts.
        LabelledQuestion.objects.bulk_create(
            made, update_conflicts=True, unique_fields=("tenant", "text"), update_fields=("route", "labelled_by")
        )
        for rows, flag in ((made, ADDITION), (changed, CHANGE)):
            if rows:
                LogEntry.objects.log_actions(by.pk, rows, flag, change_message=f"Imported from {file}.")
    return len(made), len(changed)
