"""What can be asked here."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Literal

from django.http import HttpRequest, HttpResponse
from ninja import Router, Schema

from channels_app.api.authentication import signed_of
from channels_app.api.shared import answer, shared

router = Router(tags=["conversations"])


class Example(Schema):
    """A question that works, and where its answer comes from."""

    route: Literal["sql", "rag", "chat"]
    text: str


class Topics(Schema):
    """A document that has been read."""

    id: str
    title: str
    topics: list[str]


class Abilities(Schema):
    """What the data and the documents answer."""

    questions: list[Example]
    measures: list[str]
    dimensions: list[str]
    documents: list[Topics]


@router.get("", response=Abilities, summary="What can I ask?")
async def read(request: HttpRequest, language: Literal["en", "es"] | None = None) -> HttpResponse:
    """Return example questions, the figures and what splits them, and the documents with their topics."""
    # Here: composing the questions needs the SQL compiler, which a gateway that is never asked this need not load.
    from orchestrator.pipeline.asking import what_can_be_asked

    signed = signed_of(request)
    signed.require("chat")
    return answer(
        await shared().executor.run(
            what_can_be_asked,
            tenant=signed.account.tenant,
            language=language or ("es" if signed.language == "es" else "en"),
            today=datetime.now(UTC).date(),
        )
    )
