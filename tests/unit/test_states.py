"""The state tables: who may follow whom, and that nothing leaves an ended state."""

from __future__ import annotations

import itertools

import pytest

from orchestrator.automation.states import ENDED_JOBS, JOB_MOVES, JobState, may_move_job
from orchestrator.chat.states import (
    HOLDING_STAGES,
    OPEN_TURNS,
    STAGE_MOVES,
    TURN_MOVES,
    StageState,
    TurnState,
    may_move_stage,
    may_move_turn,
)

T, S, J = TurnState, StageState, JobState
TURN_PAIRS = {
    (T.QUEUED, T.RUNNING),
    (T.QUEUED, T.FAILED),
    (T.QUEUED, T.CANCELLED),
    (T.RUNNING, T.WAITING_FOR_USER),
    (T.RUNNING, T.COMPLETED),
    (T.RUNNING, T.FAILED),
    (T.RUNNING, T.CANCELLED),
    (T.WAITING_FOR_USER, T.RUNNING),
    (T.WAITING_FOR_USER, T.FAILED),
    (T.WAITING_FOR_USER, T.CANCELLED),
}
STAGE_PAIRS = {
    (S.WAITING, S.DISPATCHED),
    (S.WAITING, S.SKIPPED),
    (S.DISPATCHED, S.RUNNING),
    (S.DISPATCHED, S.WAITING),
    (S.DISPATCHED, S.SKIPPED),
    (S.RUNNING, S.DONE),
    (S.RUNNING, S.FAILED),
    (S.RUNNING, S.STOPPED),
    (S.RUNNING, S.LOST),
    (S.RUNNING, S.HANDED_BACK),
}


@pytest.mark.parametrize(("old", "new"), list(itertools.product(TurnState, TurnState)))
def test_a_turn_makes_exactly_the_moves_of_its_table(old: TurnState, new: TurnState) -> None:
    assert may_move_turn(old, new) is ((old, new) in TURN_PAIRS)


@pytest.mark.parametrize(("old", "new"), list(itertools.product(StageState, StageState)))
def test_a_stage_makes_exactly_the_moves_of_its_table(old: StageState, new: StageState) -> None:
    assert may_move_stage(old, new) is ((old, new) in STAGE_PAIRS)


@pytest.mark.parametrize("state", [T.COMPLETED, T.FAILED, T.CANCELLED])
def test_nothing_leaves_an_ended_turn(state: TurnState) -> None:
    assert TURN_MOVES[state] == frozenset()


@pytest.mark.parametrize("state", [S.DONE, S.FAILED, S.STOPPED, S.LOST, S.HANDED_BACK, S.SKIPPED])
def test_nothing_leaves_an_ended_stage(state: StageState) -> None:
    assert STAGE_MOVES[state] == frozenset()


@pytest.mark.parametrize("state", ENDED_JOBS)
def test_nothing_leaves_an_ended_job_but_a_failed_one_that_is_run_again(state: JobState) -> None:
    assert JOB_MOVES[state] == (frozenset({J.PENDING}) if state == J.FAILED else frozenset())


@pytest.mark.parametrize("state", sorted(set(JobState) - {J.SUCCEEDED, J.FAILED, J.CANCELLED, J.TIMED_OUT}))
def test_every_open_job_can_be_cancelled(state: JobState) -> None:
    assert may_move_job(state, J.CANCELLED)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (J.PENDING, J.ASSIGNED),
        (J.RETRY_WAIT, J.ASSIGNED),
        (J.ASSIGNED, J.RUNNING),
        (J.RUNNING, J.SUCCEEDED),
        (J.RUNNING, J.FAILED),
        (J.RUNNING, J.RETRY_WAIT),
        (J.FAILED, J.PENDING),
    ],
)
def test_a_job_may_make_every_move_that_a_statement_makes(old: JobState, new: JobState) -> None:
    assert may_move_job(old, new)


def test_every_state_can_be_reached() -> None:
    turns = {new for moves in TURN_MOVES.values() for new in moves} | {T.QUEUED}
    stages = {new for moves in STAGE_MOVES.values() for new in moves} | {S.WAITING}
    jobs = {new for moves in JOB_MOVES.values() for new in moves} | {J.CREATED}

    assert (turns, stages, jobs) == (set(TurnState), set(StageState), set(JobState))


def test_open_and_holding_states_derive_from_the_tables() -> None:
    assert OPEN_TURNS == (T.QUEUED, T.RUNNING, T.WAITING_FOR_USER)
    assert HOLDING_STAGES == (S.DISPATCHED, S.RUNNING)
