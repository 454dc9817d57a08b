"""What fires by the clock: a table that beat reads."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True, kw_only=True)
class Schedule:
    """One job for each active tenant, at UTC times in cron's words."""

    name: str
    type: str
    minute: str = "0"
    hour: str = "*"
    payload: Mapping[str, object] = field(default_factory=dict)


SCHEDULES: tuple[Schedule, ...] = (
    Schedule(name="nightly-sales", type="sales_report", minute="30", hour="2"),
    Schedule(name="clean-up", type="clean_up", minute="15", hour="3"),
)
