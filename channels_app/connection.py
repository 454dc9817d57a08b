"""One chat socket as a state machine without I/O.

Every method takes what happened and the monotonic time, and returns what to do
about it. The shell around it (`consumer.py`) does exactly that and nothing else,
so whatever can go wrong on a socket can be tested without one.

Each client frame gets its one answer from exactly one of `on_limit`, `on_done`,
`on_failed`, `on_refreshed` or, for an open, `on_opened`.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from channels_app import frames
from channels_app.actions import Action, CheckLimit, Close, Join, Leave, OpenLog, RunCommand, Send
from channels_app.cursor import Cursor, Found, Live, Look
from channels_app.frames import Goodbye, Say
from channels_app.protocol import EXEMPT, MAX_BYTES, ClientFrame, OpenPayload, PingPayload, Rejected, parse
from orchestrator.errors import BadFrameError, ConflictError, OrchestratorError, RateLimitedError
from orchestrator.log.records import Head, Opened, Position
from orchestrator.resilience.rate_limit import Bucket, Verdict


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Bounds of one socket; the defaults are the contract's."""

    rate_per_s: int = 20
    exempt_per_s: int = 5
    timeout_s: float = 60.0
    expiring_ahead_s: float = 60.0
    grace_s: float = 25.0
    strikes: int = 3
    strikes_window_s: float = 10.0
    #: Bytes that may wait to be written, replays not counted; above half of it ephemeral frames are dropped.
    outbox_bytes: int = 1_048_576
    open_conversations: int = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Admitted:
    """What is known of a conversation that a client may open."""

    conversation: str
    #: Its first turn, None while there is none: a replay "from the start" that doesn't begin with it misses something.
    first_turn: str | None


class Connection:
    """The protocol's side of one socket: cursors, heartbeat, token, limits, answers."""

    def __init__(
        self,
        *,
        id: str,
        now: float,
        wall_s: float,
        token_expires_in_s: float,
        replica: str,
        say: Say,
        new_cid: Callable[[], str],
        limits: Limits | None = None,
    ) -> None:
        self.id = id
        self.limits = limits or Limits()
        self.closing = False
        #: Counters for the metrics: what was dropped, mended and refused.
        self.dropped = 0
        self.gaps = 0
        self._replica = replica
        self._say = say
        self._new_cid = new_cid
        # Timestamps are wall time, yet nothing may fire because somebody set the clock.
        self._wall_ahead_s = wall_s - now
        self._frames_made = 0
        self._heard_at = now
        self._expires_at = now + token_expires_in_s
        self._warned = False
        self._exempt = Bucket(rate_per_s=self.limits.exempt_per_s, burst=self.limits.exempt_per_s)
        self._bad: deque[float] = deque(maxlen=self.limits.strikes)
        self._violations: deque[float] = deque(maxlen=self.limits.strikes)
        self._cursors: dict[str, Cursor] = {}
        self._asked: dict[Look, tuple[ClientFrame, str, Admitted]] = {}
        self._waiting_bytes = 0

    @property
    def conversations(self) -> tuple[str, ...]:
        """Return the conversations that are open."""
        return tuple(self._cursors)

    def hello(self, now: float) -> list[Action]:
        """Greet: the first frame, always."""
        data = {
            "connection": self.id,
            "heartbeat_ms": frames.HEARTBEAT_MS,
            "timeout_ms": round(self.limits.timeout_s * 1000),
            "token_expires_in_s": max(0, round(self._expires_at - now)),
            "max_bytes": MAX_BYTES,
            "rate_per_s": self.limits.rate_per_s,
            "replica": self._replica,
            "features": list(frames.FEATURES),
        }
        return [self._frame("hello", data, now)]

    # --- what the client sends ---

    def on_text(self, text: str, now: float) -> list[Action]:
        """Take a text frame: have its rate checked, or refuse what is no frame at all."""
        if self.closing:
            return []
        self._heard_at = now
        frame = parse(text)
        if isinstance(frame, Rejected) and frame.unparsable:
            return self._strike(frame, now)
        if isinstance(frame, ClientFrame) and frame.type in EXEMPT and self._exempt.take(now).allowed:
            return self._act(frame, now)
        return [CheckLimit(frame=frame, cid=self._new_cid())]

    def on_binary(self, now: float) -> list[Action]:
        """Refuse a binary frame."""
        if self.closing:
            return []
        self._heard_at = now
        error = BadFrameError("binary frame", frame_code="bad_frame")
        return self._strike(Rejected(error=error, unparsable=True), now)

    def _strike(self, frame: Rejected, now: float) -> list[Action]:
        actions = self._refuse(frame, frame.error, now)
        return actions + (self.close(frames.BAD_FRAME, now) if self._third(self._bad, now) else [])

    def _third(self, times: deque[float], now: float) -> bool:
        times.append(now)
        return len(times) == times.maxlen and now - times[0] <= self.limits.strikes_window_s

    def on_limit(self, check: CheckLimit, verdict: Verdict, now: float) -> list[Action]:
        """Go on with a frame, or refuse it, as the rate limit says."""
        if self.closing:
            return []
        if verdict.allowed:
            return self._act(check.frame, now, check.cid)
        actions = self._refuse(
            check.frame, RateLimitedError("too many frames", retry_after_ms=verdict.retry_after_ms), now, check.cid
        )
        if self._third(self._violations, now):
            actions += self.close(frames.RATE_LIMITED, now, retry_after_ms=max(1_000, verdict.retry_after_ms))
        return actions

    def _act(self, frame: ClientFrame | Rejected, now: float, cid: str | None = None) -> list[Action]:
        if isinstance(frame, Rejected):
            return self._refuse(frame, frame.error, now, cid)
        if isinstance(frame.payload, PingPayload):
            return [self._frame("pong", {"t": frame.payload.t}, now, re=frame.id)]
        return [RunCommand(frame=frame, cid=cid or self._new_cid())]

    # --- what the use cases answer ---

    def on_done(
        self, command: RunCommand, now: float, *, turn: str | None = None, duplicate: bool = False
    ) -> list[Action]:
        """Acknowledge a frame whose use case is done."""
        if self.closing:
            return []
        data = {"accepted": True, "turn": turn, "duplicate": duplicate}
        frame = command.frame
        return [self._frame("ack", data, now, re=frame.id, conversation=frame.conversation, cid=command.cid)]

    def on_failed(self, command: RunCommand, error: OrchestratorError, now: float) -> list[Action]:
        """Answer a frame whose use case refused or failed."""
        return [] if self.closing else self._refuse(command.frame, error, now, command.cid)

    def _refuse(
        self, frame: ClientFrame | Rejected, error: OrchestratorError, now: float, cid: str | None = None
    ) -> list[Action]:
        data = frames.error_data(error, self._say)
        return [self._frame("error", data, now, re=frame.id, conversation=frame.conversation, cid=cid)]

    def on_admitted(self, command: RunCommand, admitted: Admitted, now: float) -> list[Action]:
        """Start reading a conversation that the client may see."""
        if self.closing:
            return []
        assert isinstance(command.frame.payload, OpenPayload)  # noqa: S101 - only an open is admitted
        cursor = self._cursors.get(admitted.conversation)
        if cursor is None:
            if len(self._cursors) >= self.limits.open_conversations:
                return self._refuse(command.frame, ConflictError("too many open conversations"), now, command.cid)
            cursor = self._cursors[admitted.conversation] = Cursor(conversation=admitted.conversation)
        wanted = command.frame.payload
        known = wanted.epoch is not None
        look = cursor.start(Position(epoch=wanted.epoch, seq=wanted.seq or 0) if wanted.epoch is not None else None)
        self._asked[look] = (command.frame, command.cid, replace(admitted, first_turn=None) if known else admitted)
        # Joined first, so that nothing falls between the log as it is read and the live events after it.
        return [Join(conversation=admitted.conversation, on_disconnect=wanted.on_disconnect), OpenLog(look=look)]

    # --- what the log says ---

    def on_opened(self, look: Look, opened: Opened, now: float) -> list[Action]:
        """Take the log's answer to a look: replay, and say so when the client asked or has lost its place."""
        asked = self._asked.pop(look, None)
        cursor = self._cursors.get(look.conversation)
        if self.closing or cursor is None:
            return []
        if not cursor.awaits(look):
            # A later open of the same conversation took over; this frame still has its answer to get.
            return [] if asked is None else self._refuse(asked[0], ConflictError("opened again"), now, asked[1])
        recovered = opened.recovered and (asked is None or _whole(opened, asked[2].first_turn))
        found = cursor.on_opened(opened, recovered=recovered)
        actions: list[Action] = []
        if asked is not None or found.lost:
            data = {
                "conversation": look.conversation,
                "recovered": recovered,
                "epoch": opened.epoch,
                "top": opened.top,
                "replayed": len(opened.frames) if recovered else 0,
                "snapshot_url": None if recovered else frames.snapshot_url(look.conversation),
            }
            re, cid = (asked[0].id, asked[1]) if asked else (None, None)
            actions.append(
                self._frame("conversation.opened", data, now, re=re, conversation=look.conversation, cid=cid)
            )
        return actions + self._pass_on(found, replay=True, now=now)

    def on_look_failed(self, look: Look, error: OrchestratorError, now: float) -> list[Action]:
        """The log did not answer: tell who asked, try again for who was already reading."""
        asked = self._asked.pop(look, None)
        cursor = self._cursors.get(look.conversation)
        actions: list[Action] = []
        if cursor is not None and cursor.awaits(look) and not cursor.on_failed(now):
            del self._cursors[look.conversation]
            actions.append(Leave(conversation=look.conversation))
        if asked is not None and not self.closing:
            actions += self._refuse(asked[0], error, now, asked[1])
        return actions

    def on_live(self, live: Live, now: float) -> list[Action]:
        """Take a published frame of a conversation."""
        cursor = self._cursors.get(live.frame.conversation)
        if cursor is None or self.closing:
            return []
        return self._pass_on(cursor.on_live(live), replay=False, now=now, ephemeral=live.frame.seq is None)

    def on_head(self, conversation: str, head: Head) -> list[Action]:
        """Compare a log's head, as it was a moment ago, with where this socket stands."""
        cursor = self._cursors.get(conversation)
        look = cursor.on_head(head) if cursor is not None and not self.closing else None
        return self._looks(look)

    def _looks(self, look: Look | None) -> list[Action]:
        if look is None:
            return []
        self.gaps += 1
        return [OpenLog(look=look)]

    def _pass_on(self, found: Found, *, replay: bool, now: float, ephemeral: bool = False) -> list[Action]:
        actions: list[Action] = []
        for payload in found.frames:
            if ephemeral and self._waiting_bytes + len(payload) > self.limits.outbox_bytes // 2:
                self.dropped += 1
                continue
            if not replay and self._waiting_bytes > self.limits.outbox_bytes:
                return actions + self.close(frames.TOO_SLOW, now)
            actions.append(self._send(payload, replay=replay))
        return actions + self._looks(found.look)

    # --- time, tokens and the end ---

    def on_tick(self, now: float) -> list[Action]:
        """Do what is due; called about once a second."""
        if self.closing:
            return []
        if now - self._heard_at > self.limits.timeout_s:
            return self.close(frames.HEARTBEAT_MISSED, now)
        left_s = self._expires_at - now
        if left_s <= -self.limits.grace_s:
            return self.close(frames.TOKEN_EXPIRED, now)
        if self._waiting_bytes > self.limits.outbox_bytes:
            return self.close(frames.TOO_SLOW, now)
        actions: list[Action] = []
        if left_s <= self.limits.expiring_ahead_s and not self._warned:
            self._warned = True
            actions.append(self._frame("auth.expiring", {"in_s": max(0, round(left_s))}, now))
        for cursor in self._cursors.values():
            actions += self._looks(cursor.on_tick(now))
        return actions

    def on_refreshed(self, command: RunCommand, *, expires_in_s: float, now: float) -> list[Action]:
        """Go on with the newer token of the same user and tenant."""
        self._expires_at, self._warned = now + expires_in_s, False
        return self.on_done(command, now)

    def on_drain(self, *, reconnect_after_ms: int, deadline_ms: int, now: float) -> list[Action]:
        """Announce that this process is about to end."""
        data = {"reconnect_after_ms": reconnect_after_ms, "deadline_ms": deadline_ms}
        return [] if self.closing else [self._frame("server.drain", data, now)]

    def close(self, goodbye: Goodbye, now: float, *, retry_after_ms: int = 0) -> list[Action]:
        """Say bye, then close; nothing follows."""
        if self.closing:
            return []
        data = {
            "code": goodbye.code,
            "reason": goodbye.reason,
            "reconnect": goodbye.reconnect,
            "retry_after_ms": retry_after_ms,
        }
        bye = self._frame("bye", data, now)
        self.closing = True
        return [bye, Close(code=goodbye.code)]

    # --- what is written ---

    def on_written(self, send: Send) -> None:
        """Note that a frame has left for the transport."""
        if not send.replay:
            self._waiting_bytes -= len(send.payload)

    def _frame(self, kind: str, data: dict[str, Any], now: float, **names: str | None) -> Send:
        self._frames_made += 1
        ts = round((now + self._wall_ahead_s) * 1000)
        return self._send(frames.frame(kind, data, id=f"{self.id}-{self._frames_made}", ts=ts, **names), replay=False)

    def _send(self, payload: bytes, *, replay: bool) -> Send:
        # Replays are bounded by the log's length and by the shell, which starts one only once the last has left.
        if not replay:
            self._waiting_bytes += len(payload)
        return Send(payload=payload, replay=replay)


def _whole(opened: Opened, first_turn: str | None) -> bool:
    """Return whether a replay from the start has the conversation's first turn, and so all of it."""
    if first_turn is None:
        return True
    return bool(opened.frames) and f'"turn":"{first_turn}"' in opened.frames[0][1]
