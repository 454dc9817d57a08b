"""The states of a job, as one pure table.

CREATED -> PENDING -> ASSIGNED -> RUNNING -> SUCCEEDED | FAILED | CANCELLED | TIMED_OUT
FAILED -> PENDING, when an operator runs it again
RUNNING -> RETRY_WAIT -> PENDING | ASSIGNED;  RUNNING -> WAITING_FOR_USER | NEEDS_OPERATOR -> PENDING | CANCELLED
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum


class JobState(StrEnum):
    """Where a job is."""

    CREATED = "CREATED"
    PENDING = "PENDING"
    ASSIGNED = "ASSIGNED"
    RUNNING = "RUNNING"
    SUCCEEDED = "SUCCEEDED"
    FAILED = "FAILED"
    CANCELLED = "CANCELLED"
    TIMED_OUT = "TIMED_OUT"
    RETRY_WAIT = "RETRY_WAIT"
    WAITING_FOR_USER = "WAITING_FOR_USER"
    NEEDS_OPERATOR = "NEEDS_OPERATOR"


_J = JobState
JOB_MOVES: Mapping[JobState, frozenset[JobState]] = {
    _J.CREATED: frozenset({_J.PENDING, _J.CANCELLED}),
    _J.PENDING: frozenset({_J.ASSIGNED, _J.CANCELLED, _J.FAILED}),
    _J.ASSIGNED: frozenset({_J.RUNNING, _J.PENDING, _J.CANCELLED}),
    _J.RUNNING: frozenset(
        {_J.SUCCEEDED, _J.FAILED, _J.CANCELLED, _J.TIMED_OUT, _J.RETRY_WAIT, _J.WAITING_FOR_USER, _J.NEEDS_OPERATOR}
    ),
    _J.RETRY_WAIT: frozenset({_J.PENDING, _J.ASSIGNED, _J.CANCELLED}),
    _J.WAITING_FOR_USER: frozenset({_J.PENDING, _J.CANCELLED}),
    _J.NEEDS_OPERATOR: frozenset({_J.PENDING, _J.SUCCEEDED, _J.CANCELLED}),
    _J.SUCCEEDED: frozenset(),
    _J.FAILED: frozenset({_J.PENDING}),
    _J.CANCELLED: frozenset(),
    _J.TIMED_OUT: frozenset(),
}
#: Nothing leaves them by itself.
ENDED_JOBS: tuple[JobState, ...] = (_J.SUCCEEDED, _J.FAILED, _J.CANCELLED, _J.TIMED_OUT)


def may_move_job(old: JobState, new: JobState) -> bool:
    """Return whether a job may go from `old` to `new`."""
    return new in JOB_MOVES[old]
