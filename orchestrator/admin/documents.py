"""Documents: how far their reading is, why it failed, and once more."""

from __future__ import annotations

from typing import ClassVar

from django.contrib import admin, messages
from django.contrib.admin.utils import unquote
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.defaultfilters import filesizeformat
from django.urls import reverse
from unfold.decorators import action, display

from orchestrator import catalogue, ids
from orchestrator.admin.access import ReadOnlyAdmin, person
from orchestrator.automation.documents import read_again
from orchestrator.errors import ConflictError, NotFoundError
from orchestrator.pipeline.models import Document

_TONES = {"queued": "warning", "parsing": "info", "indexed": "success", "failed": "danger", "deleted": "warning"}


@admin.register(Document)
class DocumentPage(ReadOnlyAdmin):
    """Files that tenants gave."""

    list_display = ("title", "shown_state", "why", "chunks", "size", "tenant", "created_by", "created_at")
    list_filter = ("state", "language", ("tenant", admin.RelatedOnlyFieldListFilter))
    list_select_related = ("tenant", "created_by")
    search_fields = ("id", "title", "filename")
    ordering = ("-created_at",)
    actions: ClassVar = ["read_again"]
    actions_detail: ClassVar = ["read_this_again"]
    readonly_fields = ("shown_state", "why", "size")
    fields = (
        "id", "title", "filename", "mime", "size", "shown_state", "why", "chunks", "language", "tenant", "created_by",
        "created_at", "updated_at",
    )  # fmt: skip

    @display(description="state", label=_TONES, ordering="state")
    def shown_state(self, document: Document) -> str:
        """Return the state as a label."""
        return document.state

    @display(description="error")
    def why(self, document: Document) -> str:
        """Return what went wrong, as a sentence."""
        return catalogue.text(document.error, "en", limit="") if catalogue.has(document.error) else document.error

    @display(description="size", ordering="size_bytes")
    def size(self, document: Document) -> str:
        """Return the size in words."""
        return str(filesizeformat(document.size_bytes))

    @action(description="Read the chosen documents again", permissions=["reread"])
    def read_again(self, request: HttpRequest, documents: QuerySet[Document]) -> None:
        """Have documents read anew."""
        begun = sum(self._begin(request, document) for document in documents)
        self.message_user(request, f"{begun} will be read again.", messages.SUCCESS)

    @action(description="Read again", permissions=["reread"], icon="refresh")
    def read_this_again(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Have one document read anew."""
        document = self.get_queryset(request).filter(pk=unquote(object_id)).first()
        if document is not None and self._begin(request, document):
            self.message_user(request, "It will be read again.", messages.SUCCESS)
        return redirect(reverse("admin:pipeline_document_change", args=[object_id]))

    def has_reread_permission(self, request: HttpRequest, object_id: str | None = None) -> bool:
        """Return whether the person holds the permission to change documents."""
        return person(request).has_perm("pipeline.change_document") and self.has_view_permission(request)

    def _begin(self, request: HttpRequest, document: Document) -> bool:
        try:
            read_again(tenant=document.tenant_id, document=document.pk, user=person(request).pk, cid=ids.new_id("adm"))
        except (ConflictError, NotFoundError) as exc:
            self.message_user(request, f"{document}: {catalogue.of_error(exc, 'en')}", messages.WARNING)
            return False
        return True
