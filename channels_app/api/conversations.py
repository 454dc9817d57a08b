"""Conversations: make, list, rebuild, rename, delete, search."""

from __future__ import annotations

import asyncio

from django.http import HttpRequest, HttpResponse
from ninja import Router, Schema, Status
from pydantic import Field
from redis.exceptions import RedisError

from channels_app.api.authentication import signed_of
from channels_app.api.shapes import ConversationPage, FoundPage, Snapshot
from channels_app.api.shared import Body, Text, answer, identifier, page_size, shared
from channels_app.commands import store_down
from orchestrator.chat import conversations, search
from orchestrator.errors import ConflictError, InvalidInputError, NotFoundError

router = Router(tags=["conversations"])
search_router = Router(tags=["conversations"])

_HEAD_S = 5.0


class NewConversation(Body):
    """A conversation may have a title from the start; else its first question gives one."""

    title: Text = Field("", max_length=1_000)


class Title(Body):
    """Another title."""

    title: Text = Field(max_length=1_000)


class Made(Schema):
    """A conversation as its owner names it."""

    id: str
    title: str


@router.post("", response={201: Made}, summary="Begin a conversation")
async def create(request: HttpRequest, body: NewConversation | None = None) -> HttpResponse:
    """Return the id of a new, empty conversation."""
    signed = signed_of(request)
    signed.require("chat")
    made = await shared().executor.run(
        conversations.create,
        tenant=signed.account.tenant,
        user=signed.account.user,
        title=body.title if body else "",
    )
    response = answer({"id": made.id, "title": made.title}, status=201)
    response["Location"] = f"/api/conversations/{made.id}/snapshot"
    return response


@router.get("", response=ConversationPage, summary="List own conversations")
async def list_page(request: HttpRequest, limit: int | None = None, after: str | None = None) -> HttpResponse:
    """Return a page, the most recently used first."""
    signed = signed_of(request)
    signed.require("chat")
    return answer(
        await shared().executor.run(
            conversations.list_page,
            tenant=signed.account.tenant,
            user=signed.account.user,
            limit=page_size(limit),
            after=identifier(after) if after else None,
        )
    )


@router.get("/{conversation}/snapshot", response=Snapshot, exclude_unset=True, summary="Rebuild a conversation")
async def snapshot(
    request: HttpRequest, conversation: str, limit: int | None = None, before: str | None = None
) -> HttpResponse:
    """Return the latest turns with the log's epoch and top; live events follow from `top + 1`."""
    signed = signed_of(request)
    signed.require("chat")
    here = shared()
    owner = {"tenant": signed.account.tenant, "user": signed.account.user, "conversation": identifier(conversation)}
    # Whoever does not own it must not even make a log begin.
    await here.executor.run(conversations.authorise, **owner)
    try:
        async with asyncio.timeout(_HEAD_S):
            # Before the rows: what they miss then lies after `top`.
            head = await here.reader.head(conversation)
    except (RedisError, OSError, TimeoutError) as exc:
        raise store_down(exc) from exc
    rows = await here.executor.run(
        conversations.snapshot_rows,
        **owner,
        limit=page_size(limit),
        before=identifier(before) if before else None,
        partials=head.partials,
    )
    return answer(rows | {"epoch": head.epoch, "top": head.top})


@router.patch("/{conversation}", response=Made, summary="Rename a conversation")
async def rename(request: HttpRequest, conversation: str, body: Title) -> HttpResponse:
    """Return the conversation with its new title."""
    signed = signed_of(request)
    signed.require("chat")
    row = await shared().executor.run(
        conversations.rename,
        tenant=signed.account.tenant,
        user=signed.account.user,
        conversation=identifier(conversation),
        title=body.title,
    )
    return answer({"id": row.id, "title": row.title})


@router.delete("/{conversation}", response={204: None}, summary="Delete a conversation")
async def delete(request: HttpRequest, conversation: str) -> Status[None]:
    """Hide the conversation and stop what still runs in it."""
    signed = signed_of(request)
    signed.require("chat")
    here = shared()
    open_turns = await here.executor.run(
        conversations.delete,
        tenant=signed.account.tenant,
        user=signed.account.user,
        conversation=identifier(conversation),
    )
    for turn in open_turns:
        try:
            await here.commands.cancel(signed.caller, turn)
        except (ConflictError, NotFoundError):
            continue  # it ended meanwhile
    return Status(204, None)


@search_router.get("", response=FoundPage, summary="Search own messages")
async def find(request: HttpRequest, q: str, limit: int | None = None) -> HttpResponse:
    """Return own questions and answers that hold all of the words, the latest first."""
    signed = signed_of(request)
    signed.require("chat")
    if not 2 <= len(q.strip()) <= 200 or "\x00" in q:
        raise InvalidInputError("search text out of bounds", field="q", detail_key="error.invalid_field")
    found = await shared().executor.run(
        search.own_messages,
        tenant=signed.account.tenant,
        user=signed.account.user,
        words=q.strip(),
        limit=page_size(limit),
    )
    return answer({"items": found})
