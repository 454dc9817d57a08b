"""The contract's shapes, for the documentation at /api/docs; views answer what the core gives them, unchecked."""

from __future__ import annotations

from typing import Any, Literal

from ninja import Schema

from orchestrator.chat.ratings import Rating, Reason

TurnState = Literal["queued", "running", "waiting_for_user", "completed", "failed", "cancelled"]


class Artifact(Schema):
    """An artifact by reference."""

    id: str
    kind: Literal["table", "chart", "passages", "sql"]
    url: str
    preview: dict[str, Any]


class TurnError(Schema):
    """Why a turn has no answer."""

    code: str
    message: str
    retryable: bool


class Feedback(Schema):
    """What the asker thought of the answer."""

    rating: Rating
    reason: Reason | None = None
    comment: str | None = None


class Turn(Schema):
    """One question and its ending."""

    id: str
    conversation: str
    parent: str | None = None
    text: str
    state: TurnState
    route: str | None = None
    attempt: int
    message: str | None = None
    answer: str | None = None
    partial: str | None = None
    error: TurnError | None = None
    artifacts: list[Artifact]
    citations: list[dict[str, Any]]
    timeline: dict[str, Any] | None = None
    usage: dict[str, Any] | None = None
    feedback: Feedback | None = None
    created_at: str
    ended_at: str | None = None


class ConversationItem(Schema):
    """A conversation in a list."""

    id: str
    title: str
    created_at: str
    updated_at: str


class ConversationPage(Schema):
    """A page of conversations."""

    items: list[ConversationItem]
    next: str | None = None


class ConversationName(Schema):
    """Id and title."""

    id: str
    title: str


class Snapshot(Schema):
    """Enough to rebuild the page."""

    conversation: ConversationName
    epoch: str
    top: int
    turns: list[Turn]
    next: str | None = None


class Found(Schema):
    """A turn that a search found."""

    turn: str
    conversation: str
    title: str
    text: str
    #: The answer's part around the first word that was found.
    answer: str | None = None
    created_at: str


class FoundPage(Schema):
    """What a search found."""

    items: list[Found]


class Accepted(Schema):
    """A committed turn."""

    turn: str
    conversation: str
    duplicate: bool


class CancelAnswer(Schema):
    """What a cancel did."""

    turn: str
    #: True when the turn has ended with this very call; else whoever runs it stops soon.
    ended: bool


class ArtifactPage(Schema):
    """An artifact with its contents; the fields depend on the kind."""

    id: str
    kind: str
    title: str
    columns: list[dict[str, str]] | None = None
    rows: list[list[Any]] | None = None
    total: int | None = None
    truncated: bool | None = None
    sql: str | None = None
    passages: list[dict[str, Any]] | None = None
    next: str | None = None


class Document(Schema):
    """A document and where its ingestion is."""

    id: str
    title: str
    filename: str
    state: Literal["queued", "parsing", "indexed", "failed", "deleted"]
    error: str | None = None
    chunks: int
    size_bytes: int
    created_at: str


class DocumentPage(Schema):
    """A page of documents."""

    items: list[Document]
    next: str | None = None


class Problem(Schema):
    """RFC 9457's problem document."""

    type: str
    title: str
    status: int
    code: str
    detail: str
    cid: str
    retry_after_ms: int | None = None
    #: Which part of the request is wrong, for `invalid` and `too_big`.
    field: str | None = None
