"""The envelope of the wire, and what the log publishes of it."""

from __future__ import annotations

import msgpack
import orjson

from orchestrator import ids
from orchestrator.events import Event
from orchestrator.log.records import LiveFrame

#: Names of the pub/sub messages; consumers in a Channels group see them as `log_event` and `log_ephemeral`.
NUMBERED, EPHEMERAL = "log.event", "log.ephemeral"


def envelope(event: Event, *, conversation: str, cid: str, now_ms: int) -> str:
    """Return the event's frame as JSON text *without* its closing brace: the log adds `seq`, `epoch` and the brace."""
    frame = {
        "v": 1,
        "type": event.type,
        "id": ids.new_id("evt"),
        "ts": now_ms,
        "conversation": conversation,
        "cid": cid,
        "data": event.data(),
    }
    return orjson.dumps(frame)[:-1].decode()


def ephemeral(event: Event, *, conversation: str, cid: str, now_ms: int) -> bytes:
    """Return the pub/sub message of an event that is not kept."""
    frame = envelope(event, conversation=conversation, cid=cid, now_ms=now_ms) + "}"
    packed: bytes = msgpack.packb({"type": EPHEMERAL, "event": event.type, "frame": frame})
    return packed


def parse_live(channel: bytes, payload: bytes) -> LiveFrame | None:
    """Return what was published on a conversation's channel, or None for another publisher's message in that group."""
    message = msgpack.unpackb(payload)
    kind = message.get("type")
    if kind not in (NUMBERED, EPHEMERAL):
        return None
    conversation = channel.decode().rsplit("__group__conv.", 1)[-1]
    return LiveFrame(
        conversation=conversation,
        frame=message["frame"],
        seq=message.get("seq"),
        epoch=message.get("epoch"),
        type=message["event"],
    )
