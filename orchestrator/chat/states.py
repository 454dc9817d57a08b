"""The states of a turn and of a stage, each as one pure table.

turn:   queued ──> running ──> completed
           │          ├──────> failed
           │          ├──────> cancelled
           │          └──────> waiting_for_user ──> running | cancelled | failed
           ├──────> failed
           └──────> cancelled

stage:  waiting <─> dispatched ──> running ──> done    (back: nobody claimed it, or the broker forgot it)
           │            │             ├──────> failed
           │            │             ├──────> stopped
           │            │             ├──────> lost         (its worker died; a new attempt follows)
           │            │             └──────> handed_back  (its worker left; a new attempt follows)
           └────────────┴──────────────────> skipped     (the turn ended first)
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum


class TurnState(StrEnum):
    """Where a turn is; the contract's words."""

    QUEUED = "queued"
    RUNNING = "running"
    WAITING_FOR_USER = "waiting_for_user"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"


class StageState(StrEnum):
    """Where a stage is. `waiting`: no slot yet; `dispatched`: in the broker or about to be."""

    WAITING = "waiting"
    DISPATCHED = "dispatched"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    STOPPED = "stopped"
    LOST = "lost"
    HANDED_BACK = "handed_back"
    SKIPPED = "skipped"


TURN_MOVES: Mapping[TurnState, frozenset[TurnState]] = {
    TurnState.QUEUED: frozenset({TurnState.RUNNING, TurnState.FAILED, TurnState.CANCELLED}),
    TurnState.RUNNING: frozenset(
        {TurnState.WAITING_FOR_USER, TurnState.COMPLETED, TurnState.FAILED, TurnState.CANCELLED}
    ),
    TurnState.WAITING_FOR_USER: frozenset({TurnState.RUNNING, TurnState.FAILED, TurnState.CANCELLED}),
    TurnState.COMPLETED: frozenset(),
    TurnState.FAILED: frozenset(),
    TurnState.CANCELLED: frozenset(),
}

STAGE_MOVES: Mapping[StageState, frozenset[StageState]] = {
    StageState.WAITING: frozenset({StageState.DISPATCHED, StageState.SKIPPED}),
    StageState.DISPATCHED: frozenset({StageState.RUNNING, StageState.WAITING, StageState.SKIPPED}),
    StageState.RUNNING: frozenset(
        {StageState.DONE, StageState.FAILED, StageState.STOPPED, StageState.LOST, StageState.HANDED_BACK}
    ),
    StageState.DONE: frozenset(),
    StageState.FAILED: frozenset(),
    StageState.STOPPED: frozenset(),
    StageState.LOST: frozenset(),
    StageState.HANDED_BACK: frozenset(),
    StageState.SKIPPED: frozenset(),
}

#: A turn in one of these has not ended.
OPEN_TURNS: tuple[TurnState, ...] = tuple(state for state, moves in TURN_MOVES.items() if moves)
#: A stage in one of these holds a slot of its queue.
HOLDING_STAGES: tuple[StageState, ...] = (StageState.DISPATCHED, StageState.RUNNING)


def may_move_turn(old: TurnState, new: TurnState) -> bool:
    """Return whether a turn may go from `old` to `new`."""
    return new in TURN_MOVES[old]


def may_move_stage(old: StageState, new: StageState) -> bool:
    """Return whether a stage may go from `old` to `new`."""
    return new in STAGE_MOVES[old]
