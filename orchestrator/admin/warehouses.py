"""Connected company databases: try the connection, try a question, and say what the figures mean.

The address stays sealed; it is typed on the command line, where nobody sees it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from django import forms
from django.contrib import admin, messages
from django.contrib.admin.utils import unquote
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from unfold.decorators import action, display

from orchestrator import catalogue
from orchestrator.admin.access import person
from orchestrator.admin.layer_forms import LayerUpload, Meaning
from orchestrator.admin.layers import UNCHECKED, as_text, of_text, require_fit, require_unchanged, version, write
from orchestrator.admin.transfer import upload_page
from orchestrator.admin.verified import VerifiedPages
from orchestrator.errors import OrchestratorError
from orchestrator.pipeline.semantic.model import SemanticLayer
from orchestrator.tenants.models import Warehouse

if TYPE_CHECKING:
    from orchestrator.admin.warehouse_trial import Found

_UPLOAD = (
    "A YAML file as Download YAML gives it. It takes the place of the whole layer, verified queries included; a file"
    " with a wrong entry changes nothing."
)


@admin.register(Warehouse)
class WarehousePage(VerifiedPages):
    """What the `sql` stage asks."""

    form = Meaning
    list_display = ("tenant", "label", "known", "updated_at")
    list_select_related = ("tenant",)
    fields = ("tenant", "label", "known", "updated_at", "layer_text", "seen")
    readonly_fields = ("tenant", "label", "known", "updated_at")
    change_form_outer_before_template = "switchyard_admin/warehouse_trial.html"
    actions_detail: ClassVar = ["verified_queries", "give_yaml", "take_yaml"]

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

    @action(description="Download YAML", permissions=["meaning"], url_path="yaml", icon="download")
    def give_yaml(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Return the layer as a file."""
        warehouse = self._changeable(request, object_id)
        response = HttpResponse(as_text(warehouse), content_type="application/yaml; charset=utf-8")
        response["Content-Disposition"] = f'attachment; filename="layer-{warehouse.tenant.slug}.yaml"'
        response["Cache-Control"] = "no-store"
        return response

    @action(description="Upload YAML", permissions=["meaning"], url_path="upload", icon="upload")
    def take_yaml(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Ask for a file, and keep the layer in it."""
        warehouse = self._changeable(request, object_id)
        sent = request.method == "POST"
        form = LayerUpload(request.POST, request.FILES) if sent else LayerUpload(initial={"seen": version(warehouse)})
        refused: list[str] = []
        if form.is_valid():
            try:
                layer = of_text(form.cleaned_data["file"])
                checked = require_fit(warehouse, layer)
                with transaction.atomic():
                    require_unchanged(warehouse, form.cleaned_data["seen"])
                    write(warehouse, layer)
                    self.log_change(request, warehouse, "Semantic layer uploaded.")
            except forms.ValidationError as exc:
                refused = exc.messages
            else:
                self.message_user(request, "The layer was replaced; workers see it within a minute.", messages.SUCCESS)
                if not checked:
                    self.message_user(request, UNCHECKED, messages.WARNING)
                return redirect("admin:tenants_warehouse_change", object_id)
        title = f"Upload the semantic layer of {warehouse}"
        return upload_page(self, request, form, title=title, needs=_UPLOAD, refused=refused)

    def _changeable(self, request: HttpRequest, object_id: str) -> Warehouse:
        warehouse: Warehouse | None = self.get_queryset(request).filter(pk=unquote(object_id)).first()
        if warehouse is None or not self.has_change_permission(request, warehouse):
            raise PermissionDenied
        return warehouse

    def save_model(self, request: HttpRequest, obj: Warehouse, form: Meaning, change: bool) -> None:
        """Keep the layer."""
        layer: SemanticLayer = form.cleaned_data["layer_text"]
        write(obj, layer)
        if not form.checked:
            self.message_user(request, UNCHECKED, messages.WARNING)

    def render_change_form(self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any) -> Any:
        """Show the text as it was sent for a trial, so that nothing typed is lost, and its mistakes above it."""
        # Django puts them under forty lines of text.
        for line in context["adminform"].form.errors.get("layer_text", ()):
            self.message_user(request, line, messages.ERROR)
        for name, value in context.get("unsaved", {}).items():
            context["adminform"].form.fields[name].initial = value
        return super().render_change_form(request, context, *args, **kwargs)

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
                    layer = of_text(request.POST["layer_text"]) if "layer_text" in request.POST else None
                    extra["trial"] = warehouse_trial.question(
                        warehouse, question, layer=layer, language=_language(request)
                    )
            except forms.ValidationError as exc:
                for line in exc.messages:
                    self.message_user(request, line, messages.ERROR)
            except OrchestratorError as exc:
                self.message_user(request, catalogue.of_error(exc, "en"), messages.ERROR)
            extra["unsaved"] = {name: request.POST[name] for name in ("layer_text", "seen") if name in request.POST}
            # Shown, not saved.
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
