"""Connected company databases: try the connection, try a question, and say what the figures mean.

The address stays sealed; it is typed on the command line, where nobody sees it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

import yaml
from django import forms
from django.contrib import admin, messages
from django.contrib.admin.utils import unquote
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from pydantic import ValidationError as LayerError
from unfold.decorators import action, display
from unfold.widgets import UnfoldAdminTextareaWidget

from orchestrator import catalogue
from orchestrator.admin.access import person
from orchestrator.admin.layers import write
from orchestrator.admin.verified import VerifiedPages
from orchestrator.errors import OrchestratorError
from orchestrator.pipeline.semantic.model import SemanticLayer
from orchestrator.tenants.models import Warehouse

if TYPE_CHECKING:
    from orchestrator.admin.warehouse_trial import Found

    # Generic for the type checker alone: at run time the class takes no parameter.
    _LayerForm = forms.ModelForm[Warehouse]
else:
    _LayerForm = forms.ModelForm

_HELP = (
    "Measures, dimensions and verified queries, as YAML. labels: what people say, the first one is shown. hidden: true"
    " keeps a measure from being offered; a column that no entry names is not asked about. Checked as a whole; workers"
    " see a change within a minute."
)
_LONGEST = 400_000
_CONFLICT = (
    "Somebody else has changed this layer since you opened it. Nothing was saved: keep your text, open the page again"
    " and put your change into theirs."
)


class Meaning(_LayerForm):
    """The semantic layer as text that a person can change."""

    #: When the row was last changed before the page was shown.
    seen = forms.CharField(widget=forms.HiddenInput)
    layer_text = forms.CharField(
        label="semantic layer",
        help_text=_HELP,
        max_length=_LONGEST,
        widget=UnfoldAdminTextareaWidget(attrs={"rows": 40, "spellcheck": "false", "style": "font-family:monospace"}),
    )

    class Meta:
        """Only the layer may be changed."""

        model = Warehouse
        fields = ()

    def __init__(self, *args: Any, **kwargs: Any) -> None:  # Any: Django's own arguments, handed on as they are
        """Show the layer without what it leaves to the defaults."""
        super().__init__(*args, **kwargs)
        if self.instance.pk:
            self.fields["seen"].initial = self.instance.updated_at.isoformat()
            try:
                shown = SemanticLayer.model_validate(self.instance.layer).model_dump(mode="json", exclude_defaults=True)
            except LayerError:
                # Of another version: shown as it is, so that somebody can mend it.
                shown = self.instance.layer
            self.fields["layer_text"].initial = yaml.safe_dump(shown, allow_unicode=True, sort_keys=False, width=120)

    def clean(self) -> dict[str, Any]:
        """Refuse to write over what somebody else has changed since the page was shown."""
        given = super().clean() or {}
        # The page runs in a transaction: the row is held until it is saved.
        now = Warehouse.objects.select_for_update().get(pk=self.instance.pk).updated_at.isoformat()
        if "seen" in given and given["seen"] != now:
            raise forms.ValidationError(_CONFLICT)
        return given

    def clean_layer_text(self) -> SemanticLayer:
        """Return the layer, or say which entry is wrong."""
        try:
            return SemanticLayer.model_validate(yaml.safe_load(self.cleaned_data["layer_text"]))
        except yaml.YAMLError as exc:
            mark = getattr(exc, "problem_mark", None)
            where = f"line {mark.line + 1}: " if mark is not None else ""
            raise forms.ValidationError(f"{where}this is not YAML: {getattr(exc, 'problem', None) or exc}") from exc
        except LayerError as exc:
            told = [f"{'.'.join(map(str, each['loc'])) or 'the layer'}: {each['msg']}" for each in exc.errors()[:5]]
            raise forms.ValidationError(told) from exc


@admin.register(Warehouse)
class WarehousePage(VerifiedPages):
    """What the `sql` stage asks."""

    form = Meaning
    list_display = ("tenant", "label", "known", "updated_at")
    list_select_related = ("tenant",)
    fields = ("tenant", "label", "known", "updated_at", "layer_text", "seen")
    readonly_fields = ("tenant", "label", "known", "updated_at")
    change_form_outer_before_template = "switchyard_admin/warehouse_trial.html"
    actions_detail: ClassVar = ["verified_queries"]

    def get_fields(self, request: HttpRequest, obj: Warehouse | None = None) -> tuple[str, ...]:
        """Return the layer's text only to whoever may change it: a form field can't be looked at alone."""
        return self.fields if self.has_change_permission(request, obj) else self.fields[:-2]

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Return no: `switchyard connect` takes the address unseen."""
        return False

    def has_meaning_permission(self, request: HttpRequest, object_id: str | None = None) -> bool:
        """Return whether the person may change the meaning of some warehouse; each page asks again of its own."""
        return self.has_change_permission(request)

    @action(description="Verified queries", permissions=["meaning"], icon="verified")
    def verified_queries(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Go to the statements that people have checked."""
        return redirect("admin:tenants_warehouse_verified", object_id)

    def save_model(self, request: HttpRequest, obj: Warehouse, form: Meaning, change: bool) -> None:
        """Keep the layer."""
        layer: SemanticLayer = form.cleaned_data["layer_text"]
        write(obj, layer)

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Show one, having tried its connection or a question when that was asked for."""
        # Here: the pages are loaded by every process, and the SQL compiler behind a trial is needed by few.
        from orchestrator.admin import warehouse_trial

        extra: dict[str, Any] = {}
        question = request.POST.get("_question", "").strip()
        warehouse = self.get_queryset(request).filter(pk=unquote(object_id)).first()
        if request.method == "POST" and ("_test" in request.POST or "_try" in request.POST):
            if warehouse is None or not self.has_change_permission(request, warehouse):
                raise PermissionDenied
            try:
                if "_test" in request.POST:
                    self._told(request, warehouse_trial.connection(warehouse))
                elif question:
                    extra["trial"] = warehouse_trial.question(warehouse, question, language=_language(request))
            except OrchestratorError as exc:
                self.message_user(request, catalogue.of_error(exc, "en"), messages.ERROR)
            # The form below is shown as it is kept: nothing of it was sent.
            request.method = "GET"
        warehouse_may = self.has_change_permission(
            request, self.get_queryset(request).filter(pk=unquote(object_id)).first()
        )
        extra |= {"may_try": warehouse_may, "question": question}
        response: HttpResponse = super().change_view(request, object_id, form_url, extra | (extra_context or {}))
        return response

    def _told(self, request: HttpRequest, found: Found) -> None:
        said = f"It answers in {found.took_ms} ms: {found.relations} relations, {found.columns} columns."
        self.message_user(request, said, messages.SUCCESS)
        for gap in found.gaps:
            self.message_user(request, f"Careful: {gap}.", messages.WARNING)

    @display(description="known")
    def known(self, warehouse: Warehouse) -> str:
        """Return how much is known about its figures."""
        layer = warehouse.layer or {}
        counted = [
            f"{len(layer[name])} {label}"
            for name, label in (
                ("measures", "measures"),
                ("dimensions", "dimensions"),
                ("verified", "verified queries"),
            )
            if layer.get(name)
        ]
        return ", ".join(counted) or "none"


def _language(request: HttpRequest) -> str:
    return person(request).language or "en"
