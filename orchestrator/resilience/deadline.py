"""Time that is left, counted on the monotonic clock from a figure the database gave."""

from __future__ import annotations

import time
from dataclasses import dataclass

from orchestrator.errors import DeadlineExceededError


@dataclass(frozen=True, slots=True)
class Deadline:
    """A point on this process's monotonic clock."""

    at_s: float

    @classmethod
    def after_ms(cls, remaining_ms: int) -> Deadline:
        """Return the deadline `remaining_ms` from now; the figure comes from PostgreSQL's `now()`."""
        return cls(time.monotonic() + remaining_ms / 1000)

    def remaining_s(self) -> float:
        """Return the seconds left, never below 0."""
        return max(0.0, self.at_s - time.monotonic())

    def require(self, need_s: float, *, stage: str) -> None:
        """Refuse to start `stage` when less than `need_s` is left.

        Raises:
            DeadlineExceededError: too little time is left, or none.
        """
        left_s = self.remaining_s()
        if left_s < need_s:
            raise DeadlineExceededError(
                f"{stage} needs {need_s:g} s, {left_s:.2f} s left", stage=stage, remaining_ms=int(left_s * 1000)
            )
