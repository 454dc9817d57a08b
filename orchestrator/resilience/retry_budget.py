"""How many retries a process may make, so that an outage is not asked three times as much as a good day."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field


@dataclass(slots=True, kw_only=True)
class RetryBudget:
    """A bucket of retries: full at the start, each call earns a share of one. Pure."""

    #: Retries that a call earns: at most this share of the calls is retried in the long run.
    share: float = 0.2
    #: What a full bucket holds, so that a quiet process may retry at all.
    reserve: int = 10
    _left: float = field(init=False)

    def __post_init__(self) -> None:
        self._left = self.reserve

    def earn(self) -> None:
        """Take note of a call."""
        self._left = min(self.reserve, self._left + self.share)

    def spend(self) -> bool:
        """Take a retry if there is one."""
        # A tenth of five calls is not quite a half, and the like.
        if self._left < 1 - 1e-9:
            return False
        self._left -= 1
        return True


class RetryBudgets:
    """One budget for each dependency of a process; thread-safe."""

    def __init__(self, *, share: float = 0.2, reserve: int = 10) -> None:
        self._share = share
        self._reserve = reserve
        self._lock = threading.Lock()
        self._budgets: dict[str, RetryBudget] = {}

    def earn(self) -> None:
        """Take note of a piece of work; it may call any of the dependencies."""
        with self._lock:
            for budget in self._budgets.values():
                budget.earn()

    def spend(self, dependency: str) -> bool:
        """Return whether one more call to `dependency` may be a retry."""
        with self._lock:
            budget = self._budgets.get(dependency)
            if budget is None:
                budget = self._budgets[dependency] = RetryBudget(share=self._share, reserve=self._reserve)
            return budget.spend()
