"""Where one socket stands in one conversation's log. No I/O.

Live frames come over a channel that may drop, repeat and delay them; only the
log itself is believed. Whatever looks odd (a gap, an unknown epoch, a head
further than we are) has one answer: *look* into the log from our position, hold
back what arrives meanwhile, then go on from what the look found. A frame that
arrived before a look was sent is covered by its result, so it need not be kept.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from orchestrator.log.records import Head, LiveFrame, Opened, Position

#: More than this many frames during one look are dropped and fetched by the next.
HELD_FRAMES = 512
RETRY_S = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """A wish to read the log of `conversation` after `position`; None: from the start of whatever there is."""

    conversation: str
    position: Position | None
    #: Tells the answer to this look from the answer to an earlier one.
    ticket: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Live:
    """A published frame, encoded once for all who read it."""

    frame: LiveFrame
    payload: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """What a cursor learned: frames to pass on in order, perhaps after the news that some are missing."""

    #: Set when the client must be told where it stands: the position was lost.
    lost: bool = False
    frames: tuple[bytes, ...] = ()
    look: Look | None = None


NOTHING = Found()


@dataclass(slots=True, kw_only=True)
class Cursor:
    """The reading position, and the look that is under way."""

    conversation: str
    epoch: str | None = None
    last: int = 0
    #: The look whose answer is awaited.
    looking: Look | None = None
    #: When to look again after a look failed.
    retry_at: float | None = None
    _held: list[Live] = field(default_factory=list)
    _spilled: bool = False
    _tickets: int = 0

    def start(self, position: Position | None) -> Look:
        """Look from a position the client named; the answer decides where the cursor stands."""
        return self._look(position)

    def catch_up(self) -> Look | None:
        """Look from where the cursor stands, unless a look is under way."""
        if self.looking is not None or self.epoch is None:
            return None
        return self._look(Position(epoch=self.epoch, seq=self.last))

    def _look(self, position: Position | None) -> Look:
        self._tickets += 1
        self._held, self._spilled, self.retry_at = [], False, None
        self.looking = Look(conversation=self.conversation, position=position, ticket=self._tickets)
        return self.looking

    def awaits(self, look: Look) -> bool:
        """Return whether `look` is the one whose answer counts."""
        return self.looking is look

    def on_live(self, live: Live) -> Found:
        """Take a published frame: pass it on, hold it, drop it, or look."""
        if live.frame.seq is None:
            return Found(frames=(live.payload,)) if self.epoch is not None else NOTHING
        if self.looking is not None:
            if len(self._held) < HELD_FRAMES:
                self._held.append(live)
            else:
                self._spilled = True
            return NOTHING
        if self.epoch is None:
            return NOTHING
        if live.frame.epoch == self.epoch:
            if live.frame.seq <= self.last:
                return NOTHING
            if live.frame.seq == self.last + 1:
                self.last += 1
                return Found(frames=(live.payload,))
        return Found(look=self.catch_up())

    def on_opened(self, opened: Opened, *, recovered: bool) -> Found:
        """Take the log's answer to the look under way, then what was held back.

        `recovered` may be stricter than `opened.recovered`: the caller knows what the log can't.
        """
        known = self.epoch == opened.epoch
        self.epoch, self.looking = opened.epoch, None
        self.last = opened.top
        frames = [frame.encode() for _, frame in opened.frames] if recovered else []
        held, spilled = self._held, self._spilled
        self._held = []
        look: Look | None = None
        for live in held:
            found = self.on_live(live)
            frames.extend(found.frames)
            if found.look is not None:
                look = found.look
                break
        if look is None and spilled:
            look = self.catch_up()
        return Found(lost=not (recovered and known), frames=tuple(frames), look=look)

    def on_failed(self, now: float) -> bool:
        """Note that the look under way got no answer; return whether the cursor still has a position to retry from."""
        self.looking = None
        if self.epoch is None:
            return False
        self.retry_at = now + RETRY_S
        return True

    def on_head(self, head: Head) -> Look | None:
        """Compare with the log's head as it was a moment ago; look when the cursor is behind or elsewhere."""
        if self.looking is not None or (head.epoch == self.epoch and head.top <= self.last):
            return None
        return self.catch_up()

    def on_tick(self, now: float) -> Look | None:
        """Look again when a failed look is due."""
        if self.retry_at is None or now < self.retry_at:
            return None
        return self.catch_up()
