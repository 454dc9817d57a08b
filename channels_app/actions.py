"""What a connection wants done; the shell around it does it."""

from __future__ import annotations

from dataclasses import dataclass

from channels_app.cursor import Look
from channels_app.protocol import ClientFrame, OnDisconnect, Rejected


@dataclass(frozen=True, slots=True, kw_only=True)
class Send:
    """Write a text frame, in order."""

    payload: bytes
    #: Part of a replay: not counted against a slow reader.
    replay: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Close:
    """Close after what was sent before."""

    code: int


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckLimit:
    """Ask the rate limit about a frame, then `on_limit`."""

    frame: ClientFrame | Rejected
    cid: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RunCommand:
    """Run a frame's use case, one after the other, then `on_done`, `on_failed`, `on_admitted` or `on_refreshed`."""

    frame: ClientFrame
    cid: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Join:
    """Have the conversation's live frames delivered to `on_live` from now on; done before the next action."""

    conversation: str
    on_disconnect: OnDisconnect


@dataclass(frozen=True, slots=True, kw_only=True)
class Leave:
    """Take a join back."""

    conversation: str


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenLog:
    """Read the log, then `on_opened` or `on_look_failed`."""

    look: Look


Action = Send | Close | CheckLimit | RunCommand | Join | Leave | OpenLog
