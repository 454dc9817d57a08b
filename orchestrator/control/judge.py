"""When silence is a sign of death: only after a lease of watching without a break."""

from __future__ import annotations

from orchestrator.store.processes import DEAD_AFTER_S

#: A longer break between two looks, and heartbeats may be missing for a reason that was ours, the database's or the
#: whole machine's.
BREAK_S = 3.0


class Judge:
    """Remembers since when the database has been watched without a break; `now` is monotonic."""

    def __init__(self) -> None:
        self._since_s: float | None = None
        self._last_s = 0.0

    def saw(self, now: float) -> None:
        """Note a look that was answered."""
        if self._since_s is None or now - self._last_s > BREAK_S:
            self._since_s = now
        self._last_s = now

    def lose_sight(self) -> None:
        """Note that the database did not answer, or that somebody else was to watch."""
        self._since_s = None

    def may_judge(self, now: float) -> bool:
        """Return whether whoever was silent for a lease must be dead: they had time to write since we see again."""
        return self._since_s is not None and now - self._last_s <= BREAK_S and now - self._since_s >= DEAD_AFTER_S
