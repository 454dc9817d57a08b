"""What clients send over the chat socket, read strictly and without I/O.

The contract ignores unknown fields, so that clients newer than the server keep
working; known fields must have exactly their type.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal

import orjson
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from orchestrator.chat.ratings import Rating, Reason
from orchestrator.errors import BadFrameError, InvalidInputError, OrchestratorError, TooBigError
from orchestrator.events import Route

#: Largest frame that is read; the server library closes with 1009 above `HARD_MAX_BYTES`.
MAX_BYTES = 65_536
HARD_MAX_BYTES = 262_144
MAX_TEXT = 8_000
MAX_ID = 200

OnDisconnect = Literal["continue", "cancel"]
WhenBusy = Literal["enqueue", "reject", "interrupt"]


class _Payload(BaseModel):
    model_config = ConfigDict(extra="ignore", strict=True, frozen=True)


class OpenPayload(_Payload):
    """`conversation.open`: send this conversation's events from a position on."""

    conversation: str | None = None
    epoch: str | None = Field(None, max_length=64)
    seq: int | None = Field(None, ge=0, le=2**53)
    on_disconnect: OnDisconnect = "continue"


class SendPayload(_Payload):
    """`chat.send`: a question."""

    text: str
    deadline_ms: int | None = Field(None, ge=1_000, le=600_000)
    when_busy: WhenBusy = "enqueue"
    route: Route | None = None


class CancelPayload(_Payload):
    """`chat.cancel`: stop a turn."""

    turn: str


class RegeneratePayload(_Payload):
    """`chat.regenerate`: ask an earlier question again, perhaps in other words."""

    turn: str
    text: str | None = None


class FeedbackPayload(_Payload):
    """`chat.feedback`: what the person thought of an answer."""

    turn: str
    rating: Rating
    reason: Reason | None = None
    comment: str | None = None


class RefreshPayload(_Payload):
    """`auth.refresh`: go on with a newer token."""

    token: str


class PingPayload(_Payload):
    """`ping`: `t` comes back as it is."""

    t: int | float | Annotated[str, Field(max_length=200)] | None = None


Payload = OpenPayload | SendPayload | CancelPayload | RegeneratePayload | FeedbackPayload | RefreshPayload | PingPayload

_PAYLOADS: Mapping[str, type[Payload]] = {
    "conversation.open": OpenPayload,
    "chat.send": SendPayload,
    "chat.cancel": CancelPayload,
    "chat.regenerate": RegeneratePayload,
    "chat.feedback": FeedbackPayload,
    "auth.refresh": RefreshPayload,
    "ping": PingPayload,
}
#: Part of the contract, not of this server yet; `hello.features` doesn't name them.
_LATER = frozenset(
    {
        "job.answer",
        "topic.subscribe",
        "topic.unsubscribe",
        "inbox.ack",
        "typing",
    }
)
#: Not counted by the rate limit while there are few of them.
EXEMPT = frozenset({"ping", "inbox.ack"})


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientFrame:
    """A frame whose shape is right."""

    type: str
    id: str | None
    conversation: str | None
    payload: Payload


@dataclass(frozen=True, slots=True, kw_only=True)
class Rejected:
    """A frame that can only be answered by an error."""

    error: OrchestratorError
    #: The client's id, as far as it could be read.
    id: str | None = None
    conversation: str | None = None
    #: Not even a JSON object: a few of these end the connection.
    unparsable: bool = False


def parse(text: str) -> ClientFrame | Rejected:
    """Return the frame in `text`, or why it is none."""
    encoded = text.encode("utf-8", "surrogatepass")
    try:
        envelope = orjson.loads(encoded)
    except orjson.JSONDecodeError as exc:
        if len(encoded) > MAX_BYTES:
            return Rejected(error=TooBigError("frame too big", limit=MAX_BYTES))
        return Rejected(error=BadFrameError(str(exc), frame_code="bad_json"), unparsable=True)
    if not isinstance(envelope, dict):
        return Rejected(error=BadFrameError("not a JSON object", frame_code="bad_frame"), unparsable=True)
    client_id = _identifier(envelope.get("id"))
    conversation = _identifier(envelope.get("conversation"))
    try:
        if len(encoded) > MAX_BYTES:
            raise TooBigError("frame too big", limit=MAX_BYTES)
        return _read(envelope, client_id, conversation)
    except OrchestratorError as error:
        return Rejected(error=error, id=client_id, conversation=conversation)


def _identifier(value: object) -> str | None:
    return value if isinstance(value, str) and 0 < len(value) <= MAX_ID and "\x00" not in value else None


def _read(envelope: dict[str, Any], client_id: str | None, conversation: str | None) -> ClientFrame:
    version = envelope.get("v", 1)
    if version != 1 or isinstance(version, bool):
        raise BadFrameError("unknown version", frame_code="bad_frame")
    for name, value in (("id", client_id), ("conversation", conversation)):
        if value is None and envelope.get(name) is not None:
            raise BadFrameError(f"`{name}` is not a string of 1 to {MAX_ID} characters", frame_code="bad_frame")
    kind, data = envelope.get("type"), envelope.get("data", {})
    if not isinstance(kind, str):
        raise BadFrameError("`type` is not a string", frame_code="bad_frame")
    if kind in _LATER:
        raise InvalidInputError(f"{kind} is not available yet", field="type", detail_key="error.not_yet")
    if kind not in _PAYLOADS:
        raise BadFrameError("unknown type", frame_code="unknown_type")
    if not isinstance(data, dict):
        raise BadFrameError("`data` is not an object", frame_code="bad_frame")
    try:
        payload = _PAYLOADS[kind].model_validate(data)
    except ValidationError as exc:
        first = exc.errors(include_input=False, include_url=False, include_context=False)[0]
        field = ".".join(["data", *[str(part) for part in first["loc"][:1]]])
        raise InvalidInputError(f"{field}: {first['msg']}", field=field, detail_key="error.invalid_field") from None
    match payload:
        case SendPayload():
            _check_text(payload.text)
            if conversation is None:
                raise InvalidInputError(
                    "the envelope names no conversation", field="conversation", detail_key="error.invalid_field"
                )
        case RegeneratePayload(text=str() as text):
            _check_text(text)
        case OpenPayload():
            conversation = _check_open(payload, conversation)
    return ClientFrame(type=kind, id=client_id, conversation=conversation, payload=payload)


def _check_text(text: str) -> None:
    if len(text) > MAX_TEXT:
        raise TooBigError("text too long", limit=MAX_TEXT, field="data.text")
    if not text.strip() or "\x00" in text:
        raise InvalidInputError("text is empty", field="data.text", detail_key="error.empty_text")


def _check_open(payload: OpenPayload, conversation: str | None) -> str | None:
    named = _identifier(payload.conversation)
    if (payload.conversation is not None and named is None) or (named and conversation and named != conversation):
        raise InvalidInputError("two conversations named", field="data.conversation", detail_key="error.invalid_field")
    if payload.seq and payload.epoch is None:
        raise InvalidInputError("a seq belongs to an epoch", field="data.epoch", detail_key="error.invalid_field")
    return named or conversation
