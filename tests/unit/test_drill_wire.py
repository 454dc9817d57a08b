"""A drill's client has to notice each way in which a server can break the contract, and to forgive what it allows."""

from __future__ import annotations

from typing import Any

import pytest

from tests.drill.facts import Facts
from tests.drill.wire import View

A = {"attempt": 1}
GOOD: list[tuple[str, dict[str, Any]]] = [
    ("turn.accepted", {}),
    ("turn.queued", {"queue": "sql"}),
    ("stage.started", {**A, "stage": "sql"}),
    ("artifact.ready", {"artifact": "a1"}),
    ("stage.finished", {**A, "stage": "sql"}),
    ("stage.started", {**A, "stage": "llm"}),
    ("message.started", A),
    ("message.delta", {**A, "text": "on", "index": 0}),
    ("message.delta", {**A, "text": "e", "index": 2}),
    ("stage.finished", {**A, "stage": "llm"}),
    ("message.completed", {**A, "text": "one"}),
]


class Wire:
    """A view that is fed frames with the next number."""

    def __init__(self) -> None:
        self.facts = Facts(seed=1, minutes=1, commit="", began="")
        self.view = View(self.facts, client=0, now=lambda: 0.0)
        self.seq = 0
        self.view.opened(opened(recovered=True, epoch="e1", top=0))

    def send(self, *events: tuple[str, dict[str, Any]], turn: str = "t1", epoch: str = "e1") -> Wire:
        for kind, data in events:
            self.seq += 1
            self.view.numbered({"type": kind, "epoch": epoch, "seq": self.seq, "data": {"turn": turn, **data}})
        return self

    def renew(self, epoch: str, top: int) -> Wire:
        """Let a new epoch begin, before whose snapshot frames are held."""
        self.seq = top
        self.view.opened(opened(recovered=False, epoch=epoch, top=top))
        return self

    def snapshot(self, epoch: str, top: int, *turns: dict[str, Any]) -> Wire:
        self.view.snapshot({"epoch": epoch, "top": top, "turns": list(turns)})
        return self

    @property
    def kinds(self) -> list[str]:
        return [breach.kind for breach in self.facts.breaches]


def opened(*, recovered: bool, epoch: str, top: int, replayed: int = 0) -> dict[str, Any]:
    return {"conversation": "con_1", "recovered": recovered, "epoch": epoch, "top": top, "replayed": replayed}


def test_a_turn_as_the_contract_has_it_is_no_breach() -> None:
    wire = Wire().send(*GOOD)

    assert wire.kinds == []
    assert wire.view.ended["t1"].text == "one"


def test_a_missing_number_is_a_gap() -> None:
    wire = Wire().send(*GOOD[:2])
    wire.seq += 1
    wire.send(*GOOD[2:])

    assert wire.kinds == ["gap"]


def test_the_same_number_again_is_doubled() -> None:
    wire = Wire().send(*GOOD)
    wire.seq -= 1
    wire.send(GOOD[-1])

    assert wire.kinds == ["doubled"]


def test_the_same_event_under_another_number_is_doubled() -> None:
    wire = Wire().send(*GOOD[:7], GOOD[6], *GOOD[7:])

    assert wire.kinds == ["doubled"]


def test_two_endings_in_an_epoch_are_one_too_many() -> None:
    wire = Wire().send(*GOOD, ("turn.failed", {"code": "internal"}))

    assert wire.kinds == ["ended_twice"]


def test_what_comes_after_the_ending_is_noticed() -> None:
    wire = Wire().send(*GOOD, ("turn.queued", {"queue": "llm"}))

    assert wire.kinds == ["after_end"]


def test_what_comes_after_the_ending_in_a_later_epoch_is_noticed() -> None:
    wire = Wire().send(*GOOD).renew("e2", 0).snapshot("e2", 0)
    wire.send(("stage.started", {**A, "stage": "llm"}), epoch="e2")

    assert wire.kinds == ["after_end"]


def test_an_ending_told_again_in_a_later_epoch_is_forgiven() -> None:
    wire = Wire().send(*GOOD).renew("e2", 0).snapshot("e2", 0)
    wire.send(GOOD[-1], epoch="e2")

    assert wire.kinds == []
    assert len(wire.facts.endings) == 2


@pytest.mark.parametrize(
    "late", [("turn.accepted", {}), ("stage.started", {**A, "stage": "classify"}), ("turn.routed", {"route": "sql"})]
)
def test_an_event_out_of_its_order_is_noticed(late: tuple[str, dict[str, Any]]) -> None:
    wire = Wire().send(GOOD[2], late)

    assert wire.kinds == ["order"]


def test_an_earlier_attempts_event_is_out_of_order() -> None:
    wire = Wire().send(GOOD[0], ("stage.started", {"attempt": 2, "stage": "sql"}), GOOD[2])

    assert wire.kinds == ["order"]


def test_a_second_attempt_begins_again_without_a_breach() -> None:
    second = [(kind, data | ({"attempt": 2} if "attempt" in data else {})) for kind, data in GOOD[2:]]

    wire = Wire().send(*GOOD[:8], *second)

    assert wire.kinds == []


def test_a_turn_that_begins_without_its_acceptance_is_noticed() -> None:
    wire = Wire().send(*GOOD[2:])
    wire.view.began_in_order("t1", sent_at_s=1.0)

    assert wire.kinds == ["order"]


def test_pieces_that_are_not_the_completed_text_are_noticed() -> None:
    wire = Wire().send(*GOOD[:8], *GOOD[9:])

    assert wire.kinds == ["text"]


def test_a_piece_beyond_what_is_known_is_noticed() -> None:
    wire = Wire().send(*GOOD[:7], GOOD[8])

    assert wire.kinds == ["text"]


def test_an_epoch_that_nobody_announced_is_noticed() -> None:
    wire = Wire().send(GOOD[0]).send(GOOD[2], epoch="e2")

    assert wire.kinds == ["epoch"]


def test_a_resume_at_another_place_is_noticed() -> None:
    wire = Wire().send(*GOOD[:4])
    wire.view.opened(opened(recovered=True, epoch="e1", top=9, replayed=2))

    assert wire.kinds == ["resume"]


def test_a_resume_asked_before_the_snapshot_brought_the_held_frames_replays_them_without_a_breach() -> None:
    wire = Wire().renew("e2", 0)
    wire.view.asks()
    wire.send(*GOOD[:2], epoch="e2").snapshot("e2", 0)

    wire.view.opened(opened(recovered=True, epoch="e2", top=2, replayed=2))
    wire.seq = 0
    wire.send(*GOOD, epoch="e2")

    assert wire.kinds == []
    assert wire.view.ended["t1"].text == "one"


def test_a_snapshot_takes_the_place_of_what_it_tells() -> None:
    partial = {"id": "t1", "state": "running", "attempt": 1, "partial": "on"}

    wire = Wire().send(*GOOD[:6]).renew("e2", 1)
    wire.send(GOOD[7], GOOD[8], epoch="e2").snapshot("e2", 2, partial).send(*GOOD[9:], epoch="e2")

    assert wire.kinds == []
    assert wire.view.ended["t1"].text == "one"


def test_pieces_that_come_after_the_snapshot_has_the_answer_are_no_breach() -> None:
    whole = {"id": "t1", "state": "completed", "attempt": 1, "answer": "one"}

    wire = Wire().send(*GOOD[:6]).renew("e2", 1)
    wire.snapshot("e2", 1, whole).send(*GOOD[8:], epoch="e2")

    assert wire.kinds == []


def test_a_snapshot_of_another_epoch_is_asked_for_again() -> None:
    wire = Wire().renew("e2", 0)

    assert not wire.view.snapshot({"epoch": "e1", "top": 5, "turns": []})
    assert wire.view.holding


def test_a_snapshot_that_ends_before_the_held_frames_begin_is_asked_for_again() -> None:
    wire = Wire().renew("e2", 3)

    early = wire.view.snapshot({"epoch": "e2", "top": 2, "turns": []})

    assert early is False
    assert wire.view.holding


def test_a_snapshot_tells_endings_too() -> None:
    wire = Wire().send(*GOOD[:6]).renew("e2", 0)

    wire.snapshot("e2", 0, {"id": "t1", "state": "failed", "attempt": 1, "error": {"code": "internal"}})

    assert (wire.view.ended["t1"].state, wire.view.ended["t1"].code) == ("failed", "internal")
