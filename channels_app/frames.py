"""The frames that the gateway itself says, and how a close is announced. No I/O."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import orjson

from orchestrator.errors import (
    BadFrameError,
    DependencyDownError,
    NoCapacityError,
    OrchestratorError,
    QuotaExceededError,
    RateLimitedError,
)

#: Says an error in the user's language.
Say = Callable[[OrchestratorError], str]

HEARTBEAT_MS = 30_000
TIMEOUT_MS = 60_000
#: Before the server closes a socket for reasons of its own, the commands that it has read may answer for so long.
FINISH_S = 1.0
#: What to wait before another try when the error doesn't know better.
RETRY_MS = 2_000
#: What of the contract this server does beyond sending and receiving.
FEATURES = ("resume", "cancel", "when_busy", "regenerate", "feedback", "on_disconnect", "auth.refresh")


@dataclass(frozen=True, slots=True, kw_only=True)
class Goodbye:
    """A reason for the server to close."""

    code: int
    reason: str
    reconnect: bool


BAD_FRAME = Goodbye(code=4000, reason="bad frame", reconnect=False)
DRAINING = Goodbye(code=4012, reason="draining", reconnect=True)
TOKEN_INVALID = Goodbye(code=4401, reason="token invalid or revoked", reconnect=False)
TOKEN_EXPIRED = Goodbye(code=4402, reason="token expired", reconnect=True)
NOT_ALLOWED = Goodbye(code=4403, reason="not allowed", reconnect=False)
HEARTBEAT_MISSED = Goodbye(code=4408, reason="heartbeat missed", reconnect=True)
TOO_MANY = Goodbye(code=4409, reason="too many connections", reconnect=False)
RATE_LIMITED = Goodbye(code=4429, reason="rate limit kept violated", reconnect=True)
TOO_SLOW = Goodbye(code=4490, reason="too slow a reader", reconnect=True)
SERVER_ERROR = Goodbye(code=4500, reason="server error", reconnect=True)


def frame(
    kind: str,
    data: Mapping[str, Any],  # Any: the wire's own JSON shapes
    *,
    id: str,
    ts: int,
    conversation: str | None = None,
    re: str | None = None,
    cid: str | None = None,
) -> bytes:
    """Return one envelope as UTF-8 JSON, without the fields that are None."""
    envelope = {
        "v": 1,
        "type": kind,
        "id": id,
        "ts": ts,
        "conversation": conversation,
        "re": re,
        "cid": cid,
        "data": {name: value for name, value in data.items() if value is not None},
    }
    return orjson.dumps({name: value for name, value in envelope.items() if value is not None})


def error_data(error: OrchestratorError, say: Say) -> dict[str, Any]:
    """Return the `data` of an `error` frame; what the exception itself says stays in the logs."""
    retry_after_ms: int | None = None
    match error:
        case RateLimitedError() | DependencyDownError():
            retry_after_ms = error.retry_after_ms or RETRY_MS
        case QuotaExceededError():
            retry_after_ms = error.retry_after_ms
        case NoCapacityError():
            retry_after_ms = RETRY_MS
    return {
        "code": error.frame_code if isinstance(error, BadFrameError) else error.code,
        "message": say(error),
        "retryable": error.retryable,
        "retry_after_ms": retry_after_ms,
    }


def snapshot_url(conversation: str) -> str:
    """Return where a client that missed events finds the whole conversation."""
    return f"/api/conversations/{conversation}/snapshot"
