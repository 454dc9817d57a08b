"""The arguments and answers of the log's scripts, shared by the synchronous writer and the asynchronous reader."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from orchestrator.events import (
    ArtifactReady,
    Event,
    MessageDelta,
    MessageStarted,
    StageFinished,
    StageStarted,
    TurnQueued,
)
from orchestrator.log.frames import envelope
from orchestrator.log.keys import Keys
from orchestrator.log.records import Appended, Head, Opened, Partial, Position

_HERE = Path(__file__).parent
APPEND = (_HERE / "append.lua").read_text()
OPEN = (_HERE / "open.lua").read_text()

#: Contract: the last 2,000 events, one hour after the last.
KEEP_EVENTS = 2_000
LOG_TTL_S = 3_600
#: Longer than the log's, so that numbering goes on within the epoch when a conversation wakes up the same day.
META_TTL_S = 86_400


def new_epoch() -> str:
    """Return a random epoch; 40 bits, as only one conversation's few epochs must differ."""
    return secrets.token_hex(5)


def key_of(event: Event, fence: int) -> str:
    """Return the idempotency key of an event: the same event said twice is appended once.

    A delta needs none: its index says which it is.
    """
    match event:
        case MessageDelta():
            return ""
        case StageFinished():
            return f"finished:{event.stage}:{fence}"
        case StageStarted():
            return f"started:{event.stage}:{fence}"
        case ArtifactReady():
            return f"artifact:{event.artifact}:{fence}"
        case TurnQueued():
            return f"queued:{event.queue}:{fence}"
        case _ if event.ending:
            return "end"
        case _:
            return f"{event.type}:{fence}"


def append_arguments(
    keys: Keys, conversation: str, event: Event, *, fence: int, cid: str, asserted: bool, now_ms: int
) -> tuple[list[str], list[str | int]]:
    """Return (KEYS, ARGV) of one append."""
    kind, message, attempt, text, index = "event", "", 0, "", 0
    if isinstance(event, MessageStarted):
        kind, message, attempt = "start", event.message, event.attempt
    elif isinstance(event, MessageDelta):
        kind, message, attempt, text, index = "delta", event.message, event.attempt, event.text, event.index
    elif event.ending:
        kind = "end"
    return (
        [keys.stream(conversation), keys.meta(conversation)],
        [
            keys.turn_stem(conversation),
            keys.channel(conversation),
            new_epoch(),
            event.turn,
            fence,
            event.rank(),
            key_of(event, fence),
            kind,
            envelope(event, conversation=conversation, cid=cid, now_ms=now_ms),
            event.type,
            message,
            attempt,
            text,
            index,
            len(text),
            "1" if asserted else "0",
            KEEP_EVENTS,
            LOG_TTL_S,
            META_TTL_S,
        ],
    )


def read_appended(reply: Sequence[Any]) -> Appended:
    """Return the script's answer with names; Any: redis-py types replies so."""
    return Appended(
        verdict=reply[0].decode(), epoch=reply[1].decode(), seq=int(reply[2]), fresh=bool(reply[3]), have=int(reply[4])
    )


def open_arguments(
    keys: Keys, conversation: str, position: Position | None, *, replay: bool, partials: bool
) -> tuple[list[str], list[str | int]]:
    """Return (KEYS, ARGV) of one opening; without a position, from the start of whatever epoch there is."""
    return (
        [keys.stream(conversation), keys.meta(conversation)],
        [
            keys.turn_stem(conversation),
            new_epoch(),
            position.epoch if position else "",
            position.seq if position else 0,
            KEEP_EVENTS if replay else 0,
            "1" if partials else "0",
            META_TTL_S,
        ],
    )


def read_opened(reply: Sequence[Any]) -> Opened:
    """Return the script's answer as a reader's way in."""
    frames = tuple((int(entry[0].split(b"-")[0]), entry[1][1].decode()) for entry in reply[3])
    return Opened(epoch=reply[0].decode(), top=int(reply[1]), recovered=bool(reply[2]), frames=frames)


def read_head(reply: Sequence[Any]) -> Head:
    """Return the script's answer as a head with its running texts."""
    partials = tuple(
        Partial(turn=p[0].decode(), attempt=int(p[1]), message=p[2].decode(), text=p[3].decode()) for p in reply[4]
    )
    return Head(epoch=reply[0].decode(), top=int(reply[1]), partials=partials)
