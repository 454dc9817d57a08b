"""What fires by the clock: a table that beat reads."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final, Literal

Missed = Literal["all", "latest", "none"]
Scope = Literal["tenant", "deployment"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Schedule:
    """Jobs at UTC times in cron's words: one for each active tenant, or one for the whole deployment."""

    name: str
    type: str
    minute: str = "0"
    hour: str = "*"
    payload: Mapping[str, object] = field(default_factory=dict)
    #: What becomes of fires while beat was away: a week of them is made up, the latest, or none over an hour old.
    missed: Missed = "latest"
    #: Whose its jobs are: each active tenant's, or nobody's, and then one a fire.
    scope: Scope = "tenant"
    #: Whether what it makes can be subscribed to.
    mailed: bool = False

    def names(self, moment: datetime) -> bool:
        """Return whether the schedule names the minute of `moment` (UTC)."""
        return moment.minute in _named(self.minute, 60) and moment.hour in _named(self.hour, 24)

    def latest(self, now: datetime) -> datetime:
        """Return the latest minute, `now`'s included, that the schedule names.

        Two beats that are late by different minutes so make one fire of it.
        """
        return self._walk(now.replace(second=0, microsecond=0), -_MINUTE)

    def next(self, now: datetime) -> datetime:
        """Return the first minute after `now`'s that the schedule names."""
        return self._walk(now.replace(second=0, microsecond=0) + _MINUTE, _MINUTE)

    def _walk(self, minute: datetime, step: timedelta) -> datetime:
        # Every schedule fires at least once a day.
        for _ in range(_MINUTES_A_DAY):
            if self.names(minute):
                return minute
            minute += step
        raise ValueError(f"{self.name} never fires")


def _named(words: str, size: int) -> frozenset[int]:
    """Return the numbers below `size` that `*`, `*/15`, `5` or `0,30` name, cron's words that a schedule may use."""
    found: set[int] = set()
    for word in words.split(","):
        every, _, step = word.partition("/")
        numbers = range(size) if every == "*" else range(int(every), int(every) + 1)
        found.update(numbers[:: int(step or 1)])
    return frozenset(number for number in found if number < size)


_MINUTE: Final = timedelta(minutes=1)
_MINUTES_A_DAY: Final = 24 * 60

SCHEDULES: tuple[Schedule, ...] = (
    Schedule(name="nightly-sales", type="sales_report", minute="30", hour="2", mailed=True, missed="all"),
    Schedule(name="clean-up", type="clean_up", minute="15", hour="3"),
    Schedule(name="reindex", type="reindex", minute="45", hour="3"),
    Schedule(name="router-evaluation", type="router_evaluation", minute="15", hour="4"),
    # After all others, whose dead rows it takes along.
    Schedule(name="maintenance", type="maintenance", minute="45", hour="4", scope="deployment"),
)
