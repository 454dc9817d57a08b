"""One stage's pen: ordered, repeatable, and able to say again what a Redis without memory lost.

What was said is remembered *before* it is sent. So an append that fails, or a
log that begins a new epoch, is mended by the next append: the stage goes on
working while Redis is away.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Protocol

import structlog
from redis.exceptions import RedisError

from orchestrator.errors import StoreDownError
from orchestrator.events import Event, MessageDelta, MessageStarted, StageFinished, StageStarted
from orchestrator.log.records import Appended

#: After a failure the next try waits this long; until then everything is only remembered.
RETRY_S = 0.25
_DELTA_RANK = MessageDelta(turn="", attempt=0, message="", text="", index=0).rank()
_logger = structlog.get_logger(__name__)


class Appender(Protocol):
    """What a `TurnLog` writes with; `LogWriter` is the one in use."""

    def append(self, conversation: str, event: Event, *, fence: int, cid: str, asserted: bool = False) -> Appended:
        """Append one durable event; see `LogWriter.append`."""

    def publish_ephemeral(self, conversation: str, event: Event, *, cid: str) -> None:
        """Send an event that may be lost."""


class LostTurnError(Exception):
    """The stage no longer owns its turn: a newer fence exists, or the turn has ended. The work stops."""


class TurnLog:
    """The pen of one running stage; safe to use from the stage's thread and the flusher's at once."""

    def __init__(
        self,
        writer: Appender,
        *,
        conversation: str,
        turn: str,
        fence: int,
        cid: str,
        current_fence: Callable[[], int | None],
    ) -> None:
        """Take the pen.

        Args:
            writer: the process' writer.
            conversation: whose log.
            turn: whose events.
            fence: the fence this stage was claimed under.
            cid: the correlation id for every frame.
            current_fence: reads the turn's fence from PostgreSQL; None when the turn has ended.
        """
        self._writer = writer
        self._conversation = conversation
        self._turn = turn
        self._fence = fence
        self._cid = cid
        self._current_fence = current_fence
        self._lock = threading.Lock()
        #: What a new epoch must be told again: this stage's start and the message's.
        self._openings: list[Event] = []
        self._pending: list[Event] = []
        self._message: MessageStarted | None = None
        self._text = ""
        #: Code points of the text that the log is known to hold.
        self._sent = 0
        self._retry_at = 0.0
        self._lost: LostTurnError | None = None

    def say(self, event: Event) -> bool:
        """Append a durable event, after all that is still unsaid.

        Returns:
            False when Redis did not answer, or PostgreSQL, whom it asked who owns the turn: the event is remembered
            and goes out with the next one.

        Raises:
            LostTurnError: a newer attempt owns the turn, or it has ended.
        """
        with self._lock:
            self._pending.append(event)
            return self._try_flush()

    def write(self, text: str) -> None:
        """Add text to the message; `flush` sends it.

        Raises:
            LostTurnError: an earlier flush, perhaps in the flusher's thread, found the turn lost.
        """
        with self._lock:
            if self._lost is not None:
                raise self._lost
            self._text += text

    def flush(self) -> bool:
        """Send what is unsaid; return False as `say` does.

        Raises:
            LostTurnError: as for `say`.
        """
        with self._lock:
            return self._try_flush()

    def hint(self, event: Event) -> None:
        """Send an ephemeral event; a Redis that is away loses it, as such events may be."""
        try:
            self._writer.publish_ephemeral(self._conversation, event, cid=self._cid)
        except RedisError as exc:
            _logger.debug("hint lost", turn=self._turn, error=type(exc).__name__)

    def settle(self, limit_s: float) -> bool:
        """Flush, trying again for at most `limit_s`; return whether everything is said.

        Raises:
            LostTurnError: as for `say`.
        """
        until = time.monotonic() + limit_s
        while not self.flush():
            if time.monotonic() >= until:
                return False
            time.sleep(RETRY_S)
        return True

    def _try_flush(self) -> bool:
        if self._lost is not None:
            raise self._lost
        if time.monotonic() < self._retry_at:
            return False
        try:
            self._flush()
        except (RedisError, StoreDownError) as exc:
            # A log that has forgotten the turn asks the row, and PostgreSQL may be away just then: no reason to fail.
            self._retry_at = time.monotonic() + RETRY_S
            _logger.warning("log does not answer", turn=self._turn, error=type(exc).__name__, unsaid=len(self._pending))
            return False
        except LostTurnError as exc:
            self._lost = exc
            raise
        return True

    def _flush(self) -> None:
        while self._pending:
            event = self._pending[0]
            # Text belongs before whatever closes the stage or the turn, however late it gets out.
            if self._message is not None and event.rank() > _DELTA_RANK:
                self._flush_text()
            self._put(event)
            self._pending.pop(0)
            if isinstance(event, MessageStarted):
                self._message, self._sent = event, 0
            if isinstance(event, StageStarted | MessageStarted) and not isinstance(event, StageFinished):
                self._openings.append(event)
        self._flush_text()

    def _put(self, event: Event) -> None:
        appended = self._append(event)
        if appended.verdict == "NEED_FENCE":
            self._restore()
            self._flush_text()
            appended = self._append(event, asserted=True)
        self._refuse_lost(event, appended)
        if appended.verdict == "LATE":
            _logger.warning("event came too late", turn=self._turn, event_type=event.type, fence=self._fence)

    def _flush_text(self) -> None:
        # The first round may learn that the log holds less (a new epoch); the second sends all that is missing.
        for _ in range(3):
            if self._message is None or self._sent >= len(self._text):
                return
            delta = self._delta()
            appended = self._append(delta)
            self._refuse_lost(delta, appended)
            match appended.verdict:
                case "NEED_FENCE":
                    self._restore()
                case "GAP":
                    if not appended.have:
                        self._restore()
                    self._sent = appended.have
                case _:
                    self._sent = len(self._text)
        if self._sent < len(self._text):
            _logger.error("text could not be mended", turn=self._turn, sent=self._sent, length=len(self._text))

    def _delta(self) -> MessageDelta:
        message = self._message
        if message is None:
            raise RuntimeError("text before message.started")
        return MessageDelta(
            turn=self._turn,
            attempt=message.attempt,
            message=message.message,
            text=self._text[self._sent :],
            index=self._sent,
        )

    def _restore(self) -> None:
        """Say the openings again into a log that has forgotten the turn; the text follows from its first letter."""
        if self._current_fence() != self._fence:
            raise LostTurnError(f"{self._turn}: the row has another fence, or has ended")
        for opening in self._openings:
            self._refuse_lost(opening, self._append(opening, asserted=True))
        self._sent = 0

    def _refuse_lost(self, event: Event, appended: Appended) -> None:
        if appended.verdict in ("FENCED", "CLOSED"):
            raise LostTurnError(f"{event.type} of {self._turn}: {appended.verdict}")

    def _append(self, event: Event, *, asserted: bool = False) -> Appended:
        return self._writer.append(self._conversation, event, fence=self._fence, cid=self._cid, asserted=asserted)
