"""Verified queries one by one: the layer stays the one place where they are kept."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from django.contrib import admin, messages
from django.contrib.admin.utils import quote, unquote
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse

from orchestrator.admin.access import TenantAdmin
from orchestrator.admin.layers import UnreadableError, locked, read, write
from orchestrator.admin.verified_form import VerifiedForm, drawn_from, shown
from orchestrator.chat.models import Feedback
from orchestrator.errors import ConflictError, InvalidInputError, OrchestratorError
from orchestrator.pipeline.semantic.editing import find, mark, with_verified, without_verified
from orchestrator.pipeline.semantic.model import SemanticLayer, Verified
from orchestrator.tenants.models import Warehouse

if TYPE_CHECKING:
    from orchestrator.admin.feedback import FeedbackPage
    from orchestrator.admin.verified_trial import Outcome

_CONFLICT = "Somebody else has changed this query meanwhile. Nothing was saved: open it again to see their change."
_LOST = (
    "Nothing was saved: none of its questions would find it. What a question says of dates, numbers and values must go"
    " into holes, and another query may not have the same questions."
)


class VerifiedPages(TenantAdmin):
    """The pages below a warehouse's own."""

    def get_urls(self) -> list[URLPattern]:
        """Return the model's pages and, before them, as they take any id, these."""
        below = (
            ("", "", self.verified_list),
            ("add/", "_add", self.verified_form),
            ("of/<slug:name>/", "_edit", self.verified_form),
            ("of/<slug:name>/delete/", "_delete", self.verified_delete),
        )
        ours = [
            path(
                f"<path:object_id>/verified/{route}",
                self.admin_site.admin_view(self._readable(view)),
                name=f"tenants_warehouse_verified{name}",
            )
            for route, name, view in below
        ]
        return [*ours, *super().get_urls()]

    def verified_list(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Show a warehouse's verified queries."""
        warehouse, layer = self._opened(request, object_id)
        return self._page(request, "verified_list", warehouse, title="Verified queries", queries=layer.verified)

    def verified_form(self, request: HttpRequest, object_id: str, name: str = "") -> HttpResponse:
        """Show a query, a further one when it has no name yet; try what was typed, or try it and keep it."""
        # Here: the pages are loaded by every process, and the SQL compiler behind a trial is needed by few.
        from orchestrator.admin import verified_trial

        warehouse, layer = self._opened(request, object_id)
        before = find(layer, name)
        feedback = self._feedback(request, warehouse)
        if request.method == "POST":
            # Where the query has gone meanwhile, what was typed is still tried; keeping it is refused.
            form = VerifiedForm(request.POST)
        elif name and before is None:
            raise Http404
        else:
            drawn = drawn_from(feedback.turn) if feedback is not None else {}
            form = VerifiedForm(initial=shown(before) if before is not None else drawn)
        outcome: Outcome | None = None
        reason = ""
        if form.is_valid():
            verified: Verified = form.cleaned_data["verified"]
            try:
                trial = with_verified(layer, verified, before=name if before else "", seen=mark(before))
                outcome = verified_trial.outcome(warehouse, trial, verified)
                if "_save" in request.POST and outcome.lost:
                    form.add_error(None, _LOST)
                elif "_save" in request.POST:
                    with transaction.atomic():
                        self._keep(request, warehouse, verified, before=name, seen=form.cleaned_data["seen"])
                        if feedback is not None:
                            _feedback_page().deal_with(request, feedback, f"Made the verified query {verified.name}.")
                    if outcome.missed:
                        said = ", ".join(f"“{question}”" for question in outcome.missed)
                        self.message_user(request, f"Careful: these do not find it: {said}.", messages.WARNING)
                    return redirect(_url("", warehouse))
            except ConflictError:
                form.add_error(None, _CONFLICT)
            except InvalidInputError as exc:
                form.add_error(exc.field if exc.field in form.fields else None, str(exc))
            except OrchestratorError as exc:
                reason = verified_trial.reason_of(exc)
        return self._page(
            request,
            "verified_form",
            warehouse,
            title=name or "A further verified query",
            form=form,
            name=name,
            feedback=feedback,
            outcome=outcome,
            reason=reason,
        )

    def verified_delete(self, request: HttpRequest, object_id: str, name: str) -> HttpResponse:
        """Ask whether a query may go, and take it out."""
        warehouse, layer = self._opened(request, object_id)
        before = find(layer, name)
        if before is None:
            raise Http404
        if request.method == "POST":
            try:
                with transaction.atomic():
                    row, now = locked(warehouse)
                    write(row, without_verified(now, name, seen=request.POST.get("seen", "")))
                    self.log_change(request, row, f"Verified query {name} deleted.")
            except ConflictError:
                self.message_user(request, _CONFLICT, messages.ERROR)
                return redirect(_url("_edit", warehouse, name))
            self.message_user(request, f"{name} was deleted.", messages.SUCCESS)
            return redirect(_url("", warehouse))
        return self._page(
            request, "verified_delete", warehouse, title=f"Delete {name}", query=before, seen=mark(before)
        )

    def _keep(self, request: HttpRequest, warehouse: Warehouse, verified: Verified, *, before: str, seen: str) -> None:
        row, layer = locked(warehouse)
        write(row, with_verified(layer, verified, before=before, seen=seen))
        done = "changed" if before else "added"
        self.log_change(request, row, f"Verified query {verified.name} {done}.")
        self.message_user(request, f"{verified.name} was {done}; workers see it within a minute.", messages.SUCCESS)

    def _readable(self, view: Callable[..., HttpResponse]) -> Callable[..., HttpResponse]:
        """Send whoever meets a layer that can't be read to where it is mended."""

        def shown_or_sent(request: HttpRequest, object_id: str, **named: str) -> HttpResponse:
            try:
                return view(request, object_id, **named)
            except UnreadableError:
                self.message_user(request, "The semantic layer can't be read: mend its text first.", messages.ERROR)
                return redirect("admin:tenants_warehouse_change", object_id)

        return shown_or_sent

    def _opened(self, request: HttpRequest, object_id: str) -> tuple[Warehouse, SemanticLayer]:
        warehouse = self.get_queryset(request).filter(pk=unquote(object_id)).first()
        if warehouse is None or not self.has_change_permission(request, warehouse):
            raise PermissionDenied
        return warehouse, read(warehouse)

    def _feedback(self, request: HttpRequest, warehouse: Warehouse) -> Feedback | None:
        """Return the rating that a query is made from, if the person may deal with it."""
        page = _feedback_page()
        wanted = request.GET.get("feedback")
        if not wanted or "\0" in wanted or not page.has_handle_permission(request):
            return None
        found: Feedback | None = page.get_queryset(request).filter(pk=wanted, tenant=warehouse.pk).first()
        return found

    def _page(self, request: HttpRequest, template: str, warehouse: Warehouse, **more: Any) -> HttpResponse:
        """Return a page of ours; `more` is what its template names."""
        return TemplateResponse(
            request,
            f"switchyard_admin/{template}.html",
            {
                **self.admin_site.each_context(request),
                "opts": self.opts,
                "warehouse": warehouse,
                "key": quote(warehouse.pk),
                **more,
            },
        )


def adding_from(request: HttpRequest, feedback: Feedback) -> str:
    """Return where a rated question is made a verified query; empty when the person may not, or there is none."""
    page = admin.site._registry[Warehouse]
    warehouse = page.get_queryset(request).filter(pk=feedback.tenant_id).first()
    if warehouse is None or not page.has_change_permission(request, warehouse):
        return ""
    return f"{_url('_add', warehouse)}?feedback={feedback.pk}"


def _url(page: str, warehouse: Warehouse, *more: str) -> str:
    return reverse(f"admin:tenants_warehouse_verified{page}", args=[quote(warehouse.pk), *more])


def _feedback_page() -> FeedbackPage:
    page: FeedbackPage = admin.site._registry[Feedback]  # type: ignore[assignment]  # registered in that module
    return page
