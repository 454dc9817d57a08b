"""Ranges of days, and the calendar arithmetic behind "last quarter" and "a year earlier"."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import Literal

Unit = Literal["day", "week", "month", "quarter", "year"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Range:
    """Days from `start` up to but not including `end`; an open side is None."""

    start: dt.date | None
    end: dt.date | None
    #: What it was named in, and how many of them: its predecessor is named alike.
    unit: Unit
    count: int = 1
    #: Whether it runs only up to yesterday ("this month").
    running: bool = False
    #: Whether it was called "previous", which is relative to another range where there is one.
    previous: bool = False

    def before(self) -> Range:
        """Return the equally named range before it: last month for this month, September for October."""
        if self.start is None or self.end is None:
            return self
        if self.running:
            first = shift(self.start, self.unit, -self.count)
            return Range(start=first, end=self.start, unit=self.unit, count=self.count)
        if self.unit == "day" or not _whole(self):
            length = self.end - self.start
            return Range(start=self.start - length, end=self.start, unit=self.unit, count=self.count)
        return Range(start=shift(self.start, self.unit, -self.count), end=self.start, unit=self.unit, count=self.count)

    def year_earlier(self) -> Range:
        """Return the same dates one year before."""
        return Range(
            start=self.start and shift(self.start, "year", -1),
            end=self.end and shift(self.end, "year", -1),
            unit=self.unit,
            count=self.count,
        )


def _whole(span: Range) -> bool:
    return span.start is not None and span.start == floor(span.start, span.unit)


def floor(day: dt.date, unit: Unit) -> dt.date:
    """Return the first day of the unit that holds `day`; weeks start on Monday."""
    match unit:
        case "day":
            return day
        case "week":
            return day - dt.timedelta(days=day.weekday())
        case "month":
            return day.replace(day=1)
        case "quarter":
            return day.replace(month=(day.month - 1) // 3 * 3 + 1, day=1)
        case "year":
            return day.replace(month=1, day=1)


def shift(day: dt.date, unit: Unit, count: int) -> dt.date:
    """Return the day `count` units later; the 31st becomes the month's last day where there is none."""
    match unit:
        case "day":
            return day + dt.timedelta(days=count)
        case "week":
            return day + dt.timedelta(weeks=count)
        case "month" | "quarter" | "year":
            months = {"month": 1, "quarter": 3, "year": 12}[unit] * count
            year, month = divmod(day.year * 12 + day.month - 1 + months, 12)
            last = (dt.date(year + (month == 11), (month + 1) % 12 + 1, 1) - dt.timedelta(days=1)).day
            return dt.date(year, month + 1, min(day.day, last))


def this(unit: Unit, today: dt.date) -> Range:
    """Return the current unit from its first day to yesterday."""
    return Range(start=floor(today, unit), end=today, unit=unit, running=True)


def last(unit: Unit, count: int, today: dt.date) -> Range:
    """Return the `count` whole units before the current one; for days, those that end yesterday."""
    end = floor(today, unit)
    return Range(start=shift(end, unit, -count), end=end, unit=unit, count=count)


def one(day: dt.date, unit: Unit) -> Range:
    """Return the whole unit that holds `day`."""
    first = floor(day, unit)
    return Range(start=first, end=shift(first, unit, 1), unit=unit)


def latest_month(month: int, today: dt.date) -> Range:
    """Return the latest month of that number that began before today."""
    first = dt.date(today.year, month, 1)
    return one(first if first < today else dt.date(today.year - 1, month, 1), "month")


def latest_day(month: int, day: int, today: dt.date) -> dt.date:
    """Return the latest such date before today.

    Raises:
        ValueError: there is no such date.
    """
    found = dt.date(today.year, month, day)
    return found if found < today else dt.date(today.year - 1, month, day)
