"""What fires by the clock: a table that beat reads."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

Missed = Literal["all", "latest", "none"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Schedule:
    """One job for each active tenant, at UTC times in cron's words."""

    name: str
    type: str
    minute: str = "0"
    hour: str = "*"
    payload: Mapping[str, object] = field(default_factory=dict)
    #: What becomes of fires while beat was away: a week of them is made up, the latest, or none over an hour old.
    missed: Missed = "latest"
    #: Whether what it makes can be subscribed to.
    mailed: bool = False


SCHEDULES: tuple[Schedule, ...] = (
    Schedule(name="nightly-sales", type="sales_report", minute="30", hour="2", mailed=True, missed="all"),
    Schedule(name="clean-up", type="clean_up", minute="15", hour="3"),
)
