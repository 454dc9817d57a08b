"""Turns: ask, look, stop."""

from __future__ import annotations

import asyncio
from typing import Literal

import structlog
from django.http import HttpRequest, HttpResponse, HttpResponseBase, StreamingHttpResponse
from ninja import Router, Status
from pydantic import Field
from redis.exceptions import RedisError

from channels_app.api.authentication import signed_of
from channels_app.api.correlation import cid_of
from channels_app.api.shapes import Accepted, CancelAnswer, Turn
from channels_app.api.shared import Body, Text, answer, identifier, shared
from channels_app.api.streaming import TurnStream, resume_from
from orchestrator.chat import feedback, turns
from orchestrator.chat.ratings import Rating, Reason
from orchestrator.errors import InvalidInputError

conversation_router = Router(tags=["turns"])
router = Router(tags=["turns"])

_KEY_LIMIT = 200
_HEAD_S = 1.0

log = structlog.get_logger(__name__)


class Question(Body):
    """A question."""

    text: Text = Field(min_length=1, max_length=200_000)
    #: Skips the classifier.
    route: Literal["sql", "rag", "chat", "job"] | None = None
    deadline_ms: int | None = Field(None, ge=1_000, le=600_000, strict=True)
    #: While the conversation works on a turn: stand in line, be refused with `busy`, or stop the other.
    when_busy: Literal["enqueue", "reject", "interrupt"] = "enqueue"
    #: Answer with Server-Sent Events instead of 202.
    stream: bool = False


@conversation_router.post(
    "/{conversation}/turns",
    response={202: Accepted},
    summary="Ask",
    openapi_extra={
        "parameters": [
            {"in": "header", "name": "Idempotency-Key", "schema": {"type": "string", "maxLength": _KEY_LIMIT}},
            {"in": "header", "name": "Last-Event-ID", "schema": {"type": "string"}},
        ]
    },
)
async def ask(request: HttpRequest, conversation: str, body: Question) -> HttpResponseBase:
    """Commit a turn.

    With `stream`, the answer is the turn's events until its ending, each with the
    id `epoch:seq`; after a cut, the same call with the same `Idempotency-Key` and
    the last id in `Last-Event-ID` goes on from there.
    """
    signed = signed_of(request)
    signed.require("chat")
    key = _idempotency_key(request)
    stream: TurnStream | None = None
    if body.stream:
        position = resume_from(request.headers.get("Last-Event-ID"))
        # Before the turn is accepted: nothing of it can then be missed.
        await shared().commands.open(signed.caller, identifier(conversation))
        stream = await TurnStream.join(signed.caller, identifier(conversation), position)
    try:
        accepted = await shared().commands.send(
            signed.caller,
            conversation=identifier(conversation),
            text=body.text,
            client_id=key,
            cid=cid_of(request),
            route=body.route,
            deadline_ms=body.deadline_ms,
            when_busy=body.when_busy,
        )
    except BaseException:
        if stream is not None:
            stream.leave()
        raise
    if stream is not None:
        response = StreamingHttpResponse(
            stream.events(accepted.turn, duplicate=accepted.duplicate), content_type="text/event-stream"
        )
        response["Cache-Control"] = "no-store"
        # nginx would otherwise hold events back until its buffer is full.
        response["X-Accel-Buffering"] = "no"
        response["X-Turn"] = accepted.turn
        return response
    made = answer(
        {"turn": accepted.turn, "conversation": accepted.conversation, "duplicate": accepted.duplicate}, status=202
    )
    made["Location"] = f"/api/turns/{accepted.turn}"
    return made


@router.get("/{turn}", response=Turn, summary="Look at a turn")
async def one(request: HttpRequest, turn: str) -> HttpResponse:
    """Return a turn's state, timeline and answer; while it runs, the text so far."""
    signed = signed_of(request)
    signed.require("chat")
    here = shared()
    shape = await here.executor.run(
        turns.read_turn, tenant=signed.account.tenant, user=signed.account.user, turn=identifier(turn)
    )
    if shape["state"] == "running":
        try:
            async with asyncio.timeout(_HEAD_S):
                head = await here.reader.head(shape["conversation"])
        except (RedisError, OSError, TimeoutError) as exc:
            log.warning("running text unknown", reason=type(exc).__name__)
        else:
            written = next((partial.text for partial in head.partials if partial.turn == turn), None)
            shape |= {} if written is None else {"partial": written}
    return answer(shape)


@router.post("/{turn}/cancel", response={202: CancelAnswer}, summary="Stop a turn")
async def cancel(request: HttpRequest, turn: str) -> HttpResponse:
    """Stop a turn: at once while it waits, else as soon as whoever runs it hears of it."""
    signed = signed_of(request)
    signed.require("chat")
    asked = await shared().commands.cancel(signed.caller, turn)
    return answer({"turn": asked.turn, "ended": asked.ending is not None}, status=202)


class Thumb(Body):
    """What the person thought of the answer."""

    rating: Rating
    #: For a thumb down.
    reason: Reason | None = None
    comment: Text | None = Field(None, max_length=20_000)


@router.post("/{turn}/feedback", response={204: None}, summary="Rate an answer")
async def rate(request: HttpRequest, turn: str, body: Thumb) -> Status[None]:
    """Keep a rating in place of an earlier one; a turn that still runs answers 409."""
    signed = signed_of(request)
    signed.require("chat")
    await shared().commands.rate(signed.caller, turn=turn, rating=body.rating, reason=body.reason, comment=body.comment)
    return Status(204, None)


@router.delete("/{turn}/feedback", response={204: None}, summary="Take a rating back")
async def unrate(request: HttpRequest, turn: str) -> Status[None]:
    """Forget the rating."""
    signed = signed_of(request)
    signed.require("chat")
    await shared().executor.run(
        feedback.withdraw, tenant=signed.account.tenant, user=signed.account.user, turn=identifier(turn)
    )
    return Status(204, None)


def _idempotency_key(request: HttpRequest) -> str | None:
    key = request.headers.get("Idempotency-Key")
    if key is None:
        return None
    if not 0 < len(key) <= _KEY_LIMIT or not key.isprintable():
        raise InvalidInputError("bad key", field="Idempotency-Key", detail_key="error.invalid_field")
    return key
