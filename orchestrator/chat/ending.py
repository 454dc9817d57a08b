"""End a turn exactly once: the row, its stages and the outbox in one statement; the event from the same facts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from orchestrator.events import Event, MessageCompleted, TurnCancelled, TurnFailed
from orchestrator.store import claiming
from orchestrator.store.engine import json_text, rw

Ending = MessageCompleted | TurnFailed


@dataclass(frozen=True, slots=True, kw_only=True)
class Aside:
    """Why a failed turn is set aside as a dead letter: for operators, without the user's text."""

    hop: str
    cause: str
    #: How the hop ended that was running.
    outcome: Literal["failed", "lost"] = "failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """This call ended the turn."""

    #: Another turn of its conversation waits and may go on now: wake the dispatcher.
    line: bool


def timeline(stages: Sequence[Mapping[str, Any]], *, total_ms: int) -> dict[str, Any]:
    """Return the contract's timeline; overhead is what no stage and no queue accounts for."""
    known_ms = sum(int(s["queue_wait_ms"]) + int(s["duration_ms"]) for s in stages)
    return {"stages": list(stages), "total_ms": total_ms, "overhead_ms": max(0, total_ms - known_ms)}


def commit(
    event: Ending,
    *,
    fence: int,
    conversation: str,
    cid: str,
    idle: bool = False,
    summary: str = "",
    aside: Aside | None = None,
) -> Ended | None:
    """Write the ending if nobody has ended the turn before; None when somebody has.

    Args:
        event: what the log will say; the row gets the same facts.
        fence: the attempt that ends it.
        conversation: for the relay, which appends the event again if the caller dies.
        cid: the correlation id.
        idle: end it only while no stage of it runs.
        summary: of the stage that was running.
        aside: set it aside as a dead letter in the same transaction.
    """
    values: dict[str, object] = {
        "turn": event.turn,
        "fence": fence,
        "answer": None,
        "citations": "[]",
        "usage": None,
        "timeline": json_text(event.timeline),
        "code": None,
        "error_message": None,
        "retryable": None,
        "reached": "[]",
        "summary": summary,
        "body": json_text(outbox_body(event, fence=fence, conversation=conversation, cid=cid)),
        "idle": idle,
        "hop": aside.hop if aside else None,
        "cause": aside.cause if aside else None,
    }
    match event:
        case MessageCompleted():
            values |= {
                "state": "completed",
                "stage_state": "done",
                "answer": event.text,
                "citations": json_text(event.citations),
                "usage": json_text(event.usage),
            }
        case TurnFailed():
            cancelled = isinstance(event, TurnCancelled)
            values |= {
                "state": "cancelled" if cancelled else "failed",
                "stage_state": "stopped" if cancelled else aside.outcome if aside else "failed",
                "code": event.code,
                "error_message": event.message,
                "retryable": event.retryable,
                "reached": json_text(event.reached if isinstance(event, TurnCancelled) else ()),
            }
    row = claiming.end_turn(rw(), values=values)
    return Ended(line=row["line"]) if row else None


def outbox_body(event: Ending, *, fence: int, conversation: str, cid: str) -> dict[str, Any]:
    """Return what the relay needs to append the ending again."""
    return {"type": event.type, "conversation": conversation, "fence": fence, "cid": cid, "data": event.data()}


def from_outbox(body: Mapping[str, Any]) -> Event:
    """Return the ending that an outbox row holds."""
    kinds: Mapping[str, type[Ending]] = {
        "message.completed": MessageCompleted,
        "turn.failed": TurnFailed,
        "turn.cancelled": TurnCancelled,
    }
    return kinds[body["type"]](**body["data"])
