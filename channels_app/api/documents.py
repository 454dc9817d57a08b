"""Documents: give, list, look at, remove."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.core.exceptions import RequestDataTooBig, SuspiciousOperation
from django.http import HttpRequest, HttpResponse
from django.http.multipartparser import MultiPartParserError
from ninja import Router, Status
from pydantic import Field, ValidationError

from channels_app.api.authentication import Signed, signed_of
from channels_app.api.correlation import cid_of
from channels_app.api.shapes import Document, DocumentPage
from channels_app.api.shared import Body, Text, answer, identifier, orm, page_size
from orchestrator.automation import documents
from orchestrator.automation.documents import DocumentRow
from orchestrator.errors import BadFrameError, InvalidInputError, TooBigError

router = Router(tags=["documents"])

#: Boundaries, headers and JSON's escapes around a document of the largest size.
_AROUND_BYTES = 1_000_000
#: May remove what others gave.
_CURATORS = frozenset({"admin", "documents"})


class TextDocument(Body):
    """A document as text."""

    text: Text = Field(min_length=1)
    title: Text | None = Field(None, min_length=1, max_length=300)
    filename: Text | None = Field(None, min_length=1, max_length=300)


_UPLOAD: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "required": ["file"],
                    "properties": {
                        "file": {"type": "string", "format": "binary"},
                        "title": {"type": "string", "maxLength": 300},
                    },
                }
            },
            "application/json": {
                "schema": {
                    "type": "object",
                    "required": ["text"],
                    "properties": {
                        "text": {"type": "string"},
                        "title": {"type": "string", "maxLength": 300},
                        "filename": {"type": "string", "maxLength": 300},
                    },
                }
            },
        },
    }
}


@router.post("", response={202: Document}, openapi_extra=_UPLOAD, summary="Give a document")
async def add(request: HttpRequest) -> HttpResponse:
    """Keep a file (multipart field `file`) or a text; a job reads it, and the list says how far it is."""
    signed = signed_of(request)
    signed.require("documents")
    limit = settings.SWITCHYARD.max_upload_bytes
    if _declared(request) > limit + _AROUND_BYTES:
        raise TooBigError("body too big", limit=limit, field="file")
    # In a thread: a form of some megabytes takes a while to be taken apart.
    row = await orm().run_orm(_keep, request, signed)
    response = answer(row.wire(), status=202)
    response["Location"] = f"/api/documents/{row.id}"
    return response


@router.get("", response=DocumentPage, summary="List the documents")
async def list_page(request: HttpRequest, limit: int | None = None, after: str | None = None) -> HttpResponse:
    """Return a page of the tenant's documents, the newest first."""
    signed = signed_of(request)
    signed.require("documents")
    return answer(
        await orm().run_orm(
            documents.page,
            tenant=signed.account.tenant,
            language=signed.language,
            limit=page_size(limit),
            after=identifier(after) if after else None,
        )
    )


@router.get("/{document}", response=Document, summary="Look at a document")
async def one(request: HttpRequest, document: str) -> HttpResponse:
    """Return a document's state and, when its reading failed, why."""
    signed = signed_of(request)
    signed.require("documents")
    row = await orm().run_orm(
        documents.read_document,
        tenant=signed.account.tenant,
        document=identifier(document),
        language=signed.language,
    )
    return answer(row.wire())


@router.delete("/{document}", response={204: None}, summary="Remove a document")
async def remove(request: HttpRequest, document: str) -> Status[None]:
    """Forget a document and its passages; others' documents only with the role `admin` or `documents`."""
    signed = signed_of(request)
    signed.require("documents")
    await orm().run_orm(
        documents.remove_document,
        tenant=signed.account.tenant,
        document=identifier(document),
        user=signed.account.user,
        may_remove_all=bool(_CURATORS & set(signed.account.roles)),
    )
    return Status(204, None)


def _declared(request: HttpRequest) -> int:
    digits = request.headers.get("Content-Length", "")
    return int(digits) if digits.isdigit() else 0


def _keep(request: HttpRequest, signed: Signed) -> DocumentRow:
    """Take the request apart and keep its document; synchronous."""
    filename, mime, title, content = _taken_apart(request)
    return documents.add_document(
        tenant=signed.account.tenant,
        user=signed.account.user,
        filename=filename,
        mime=mime,
        content=content,
        title=title,
        cid=cid_of(request),
    )


def _taken_apart(request: HttpRequest) -> tuple[str, str, str | None, bytes]:
    kind = (request.content_type or "").lower()
    if kind == "multipart/form-data":
        try:
            file = request.FILES.get("file")
        except RequestDataTooBig as exc:
            raise TooBigError("form too big", limit=settings.SWITCHYARD.max_upload_bytes, field="file") from exc
        except (MultiPartParserError, SuspiciousOperation) as exc:
            raise InvalidInputError(
                "the form can't be taken apart", field="body", detail_key="error.invalid_field"
            ) from exc
        if file is None or isinstance(file, list):
            raise InvalidInputError("no file in the form", field="file", detail_key="error.invalid_field")
        if (file.size or 0) > settings.SWITCHYARD.max_upload_bytes:
            raise TooBigError("document too big", limit=settings.SWITCHYARD.max_upload_bytes, field="file")
        title = request.POST.get("title") or None
        return file.name or "document", file.content_type or "application/octet-stream", title, file.read()
    try:
        body = request.body
    except RequestDataTooBig as exc:
        raise TooBigError("body too big", limit=settings.SWITCHYARD.max_upload_bytes, field="text") from exc
    if kind == "application/json":
        try:
            given = TextDocument.model_validate_json(body)
        except ValidationError as exc:
            first = exc.errors(include_input=False, include_url=False, include_context=False)[0]
            if first["type"] == "json_invalid":
                raise BadFrameError("body is not JSON", frame_code="bad_json") from None
            field = ".".join(str(part) for part in first["loc"]) or "body"
            raise InvalidInputError(first["msg"], field=field, detail_key="error.invalid_field") from None
        name = given.filename or f"{(given.title or 'text')[:100]}.md"
        return name, "text/markdown", given.title, given.text.encode()
    if kind in ("text/plain", "text/markdown", "text/html", "text/csv"):
        endings = {"text/plain": "txt", "text/markdown": "md", "text/html": "html", "text/csv": "csv"}
        return f"text.{endings[kind]}", kind, request.headers.get("X-Title"), body
    raise InvalidInputError(f"content type {kind}", field="Content-Type", detail_key="error.invalid_field")
