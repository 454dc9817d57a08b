"""What one client knows of one conversation, checked against the contract frame by frame; no I/O.

It never raises for what the server does: it notes each breach and goes on as a forgiving client would, so that one
fault of the product is counted once and hides no other.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final

from tests.drill.facts import Breach, Ending, Facts, Seen

STATES: Final = {"message.completed": "completed", "turn.failed": "failed", "turn.cancelled": "cancelled"}
_STAGES: Final = {"classify": 10, "sql": 20, "rag": 20, "llm": 30}
#: Events that one (turn, epoch) may hold once for each attempt and what they are about.
_ONCE: Final = {"stage.finished", "artifact.ready", "message.started", "turn.accepted", "turn.routed"}


@dataclass(slots=True)
class _Turn:
    """One turn, as far as this client has followed it."""

    first_type: str
    first_at_s: float
    #: When the epoch began, for this client, in which the first event came.
    followed_since_s: float
    attempt: int = 1
    #: The running text, None while its beginning is unknown.
    text: str | None = None
    ended_in: str | None = None
    #: Of the present epoch.
    epoch: str = ""
    rank: int = -1
    had: set[tuple[str, ...]] = field(default_factory=set)


class View:
    """A conversation as frames and snapshots tell it."""

    def __init__(self, facts: Facts, *, client: int, now: Callable[[], float]) -> None:
        self._facts = facts
        self._client = client
        self._now = now
        self.conversation: str | None = None
        self.epoch: str | None = None
        #: The number of the last frame of this epoch; what a resume names.
        self.seq = 0
        #: Where the resume that is under way asked to go on; a snapshot can bring the held frames in before its answer.
        self._asked: tuple[str, int] | None = None
        #: Frames up to here are told by the snapshot already.
        self._floor = 0
        #: Frames up to here came before the resume that replays them.
        self._known = 0
        self._since_s = 0.0
        self._turns: dict[str, _Turn] = {}
        self.ended: dict[str, Ending] = {}
        #: Numbered frames that came while the snapshot is on its way; None while there is none.
        self._held: list[dict[str, Any]] | None = None

    @property
    def holding(self) -> bool:
        """Whether a snapshot is to be fetched before frames can be applied."""
        return self._held is not None

    def asks(self) -> tuple[str, int] | None:
        """Return (epoch, seq) to resume from, and remember it; None from the start."""
        self._asked = (self.epoch, self.seq) if self.epoch is not None else None
        return self._asked

    def opened(self, data: dict[str, Any]) -> bool:
        """Take `conversation.opened`; return whether a snapshot is needed now."""
        self.conversation = data["conversation"]
        if data["recovered"]:
            begins = data["top"] - data["replayed"]
            asked = self._asked or (self.epoch, self.seq)
            if self.epoch is not None and (data["epoch"], begins) != asked:
                self._note("resume", "", f"recovered {data['epoch']}:{begins}, asked for {asked[0]}:{asked[1]}")
            self._known = self.seq if data["epoch"] == self.epoch else 0
            self._asked = None
            if self.epoch is None:
                self._since_s = self._now()
            self.epoch, self.seq = data["epoch"], begins
            if self._held is None:
                return False
            # The socket went before the snapshot came: the same frames are replayed, and it is still to be asked for.
            self._held = []
            return True
        self._since_s = self._now()
        self.epoch, self.seq, self._floor, self._known, self._held = data["epoch"], data["top"], 0, 0, []
        for turn in self._turns.values():
            turn.text = None
        return True

    def snapshot(self, body: dict[str, Any]) -> bool:
        """Take a snapshot and then the frames held for it; False when it is older than the epoch, so ask again."""
        # One that was asked for before this epoch was announced may end before the held frames begin.
        if body["epoch"] != self.epoch or self._held is None or body["top"] < self.seq:
            return self._held is None
        held, self._held = self._held, None
        self._floor = body["top"]
        for told in body["turns"]:
            known = self._turns.get(told["id"])
            if known is None:
                known = self._turns[told["id"]] = _Turn("snapshot", self._now(), self._since_s)
            # The row may have the answer while the log's last pieces are still to come; without either, nothing was
            # written yet, or only the completed text will tell what.
            known.text, known.attempt = told.get("answer", told.get("partial")), told["attempt"]
            if told["state"] in STATES.values():
                self._end(told["id"], known, told["state"], _code(told), "snapshot", told.get("answer") or "")
        for frame in held:
            self.numbered(frame)
        return True

    def numbered(self, frame: dict[str, Any]) -> None:
        """Take a numbered event."""
        if self._held is not None and frame["epoch"] == self.epoch:
            self._held.append(frame)
            return
        turn_id, kind, seq = frame["data"]["turn"], frame["type"], frame["seq"]
        if frame["epoch"] != self.epoch:
            self._note("epoch", turn_id, f"{kind} of {frame['epoch']}, opened is {self.epoch}")
            return
        if seq != self.seq + 1:
            self._note("doubled" if seq <= self.seq else "gap", turn_id, f"{kind} {seq} after {self.seq}")
            if seq <= self.seq:
                return
        self.seq = seq
        if seq <= max(self._floor, self._known):
            return
        self._facts.seen.append(Seen(self._now(), turn_id, frame["epoch"], seq, kind))
        self._apply(turn_id, kind, frame["data"], frame["epoch"])

    def began_in_order(self, turn: str, *, sent_at_s: float) -> None:
        """Note it if the first event of a turn that was followed from its sending on was not its acceptance."""
        known = self._turns.get(turn)
        if known is None or known.followed_since_s > sent_at_s or known.first_type in ("turn.accepted", "snapshot"):
            return
        self._note("order", turn, f"began with {known.first_type}")

    def _apply(self, turn_id: str, kind: str, data: dict[str, Any], epoch: str) -> None:
        turn = self._turns.get(turn_id)
        if turn is None:
            turn = self._turns[turn_id] = _Turn(kind, self._now(), self._since_s)
        if turn.epoch != epoch:
            turn.epoch, turn.rank, turn.had = epoch, -1, set()
        if turn.ended_in == epoch:
            self._note("ended_twice" if kind in STATES else "after_end", turn_id, f"{kind} in the ending's epoch")
        elif turn.ended_in is not None and kind not in STATES:
            self._note("after_end", turn_id, f"{kind} in a later epoch than the ending")
        self._check_order(turn_id, turn, kind, data)
        match kind:
            case "message.started":
                turn.text = ""
            case "message.delta":
                self._delta(turn_id, turn, data)
            case "message.completed":
                if turn.text is not None and turn.text != data["text"]:
                    self._note(
                        "text", turn_id, f"{len(turn.text)} code points came, {len(data['text'])} were completed"
                    )
                self._end(turn_id, turn, "completed", "", "event", data["text"])
            case "turn.failed" | "turn.cancelled":
                self._end(turn_id, turn, STATES[kind], data["code"], "event", "")

    def _check_order(self, turn_id: str, turn: _Turn, kind: str, data: dict[str, Any]) -> None:
        attempt = data.get("attempt", turn.attempt)
        if attempt < turn.attempt:
            self._note("order", turn_id, f"{kind} of attempt {attempt} after attempt {turn.attempt}")
            return
        if attempt > turn.attempt:
            turn.attempt, turn.rank = attempt, -1
        rank = _rank(kind, data, turn.rank)
        if rank < turn.rank:
            self._note("order", turn_id, f"{kind} {data.get('stage', '')} too late")
        turn.rank = max(rank, turn.rank)
        if kind in _ONCE:
            what = (kind, str(attempt), str(data.get("stage", "")), str(data.get("artifact", "")))
            if what in turn.had:
                self._note("doubled", turn_id, f"{' '.join(part for part in what if part)} twice in one epoch")
            turn.had.add(what)

    def _delta(self, turn_id: str, turn: _Turn, data: dict[str, Any]) -> None:
        known = turn.text or ""
        if data["index"] > len(known):
            self._note("text", turn_id, f"a delta at {data['index']}, {len(known)} code points are known")
        turn.text = known[: data["index"]] + data["text"]

    def _end(self, turn_id: str, turn: _Turn, state: str, code: str, by: Any, text: str) -> None:
        assert self.epoch is not None
        ending = Ending(self._now(), turn_id, self.epoch, state, code, by, text)
        if by == "event":
            turn.ended_in = self.epoch
        if by == "event" or turn_id not in self.ended:
            self._facts.endings.append(ending)
        self.ended.setdefault(turn_id, ending)

    def _note(self, kind: str, turn: str, detail: str) -> None:
        where = f"{self.conversation} {self.epoch}:{self.seq}: {detail}"
        self._facts.breaches.append(Breach(self._now(), kind, self._client, turn, where))


def _rank(kind: str, data: dict[str, Any], present: int) -> int:
    """Return the event's least place within (turn, attempt), from the contract's words alone."""
    stage = _STAGES.get(data.get("stage", ""), 30)
    match kind:
        case "turn.accepted":
            return 0
        case "stage.started":
            return stage
        case "turn.routed":
            return 15
        case "stage.finished":
            return stage + 8
        case "message.started" | "message.delta":
            return 35
        case _ if kind in STATES:
            return 40
    # A wait may be told before any stage, an artifact belongs to the stage under way.
    return present


def _code(turn: dict[str, Any]) -> str:
    error = turn.get("error") or {}
    return str(error.get("code", ""))
