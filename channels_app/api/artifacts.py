"""Artifacts: rows page by page, or a whole table as a file."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from typing import Literal
from urllib.parse import quote

from django.http import HttpRequest, HttpResponseBase, StreamingHttpResponse
from ninja import Router

from channels_app.api.authentication import signed_of
from channels_app.api.shapes import ArtifactPage
from channels_app.api.shared import answer, identifier, page_size, shared
from orchestrator.chat import artifacts

router = Router(tags=["artifacts"])


@router.get("/{artifact}", response=ArtifactPage, summary="Read an artifact")
async def read(
    request: HttpRequest,
    artifact: str,
    format: Literal["json", "csv"] = "json",
    limit: int | None = None,
    after: str | None = None,
) -> HttpResponseBase:
    """Return a page as JSON, or everything as CSV for a spreadsheet."""
    signed = signed_of(request)
    signed.require("chat")
    found = await shared().executor.run(
        artifacts.read, tenant=signed.account.tenant, user=signed.account.user, artifact=identifier(artifact)
    )
    if format == "json":
        return answer(artifacts.page(found, limit=page_size(limit), after=after))
    response = StreamingHttpResponse(_streamed(artifacts.csv_of(found)), content_type="text/csv; charset=utf-8")
    name = "".join(c if c.isalnum() or c in " -_" else "_" for c in found.title)[:80].strip() or found.id
    response["Content-Disposition"] = f"attachment; filename=\"{found.id}.csv\"; filename*=UTF-8''{quote(name)}.csv"
    response["Cache-Control"] = "no-store"
    return response


async def _streamed(pieces: Iterator[str]) -> AsyncIterator[bytes]:
    for piece in pieces:
        yield piece.encode()
