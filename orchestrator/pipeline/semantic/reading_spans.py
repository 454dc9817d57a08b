"""Which days a question is about, and which it compares them with."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

from orchestrator.pipeline.semantic.query import Misread, Query
from orchestrator.pipeline.semantic.ranges import Range, this
from orchestrator.pipeline.semantic.reading_nouns import NounReader
from orchestrator.pipeline.semantic.words import EMPTY


class SpanReader(NounReader):
    """Finds the range and the earlier one."""

    __slots__ = ()

    def _with_time(self, query: Query) -> Query:
        compares = (
            any(item.is_cue("compare") for item in self.items) or " vs " in f" {' '.join(w.text for w in self.words)} "
        )
        grows = any(item.is_cue("growth") for item in self.items)
        ranges = list(self.when.ranges)
        self.used.update(i for i, item in enumerate(self.items) if item.of("time") or item.is_cue("compare"))
        if self.when.earlier is not None:
            if len(ranges) > 1:
                raise Misread("three ranges")
            if not ranges:
                raise Misread("a comparison without a range")
            earlier = ranges[0].year_earlier() if self.when.earlier == "year" else ranges[0].before()
            return replace(query, span=ranges[0], earlier=earlier)
        if len(ranges) > 2:  # two to compare
            raise Misread("more than two ranges")
        if len(ranges) == 2:
            return self._two_ranges(query, ranges[0], ranges[1], compares or grows)
        span = ranges[0] if ranges else None
        if span is not None and (grows or compares) and self._stands_against():
            # "how did sales change versus last month": now against then.
            return replace(query, span=this(span.unit, self.today), earlier=span)
        if grows:
            if span is None:
                raise Misread("a comparison without a range")
            return replace(query, span=span, earlier=span.before())
        return replace(query, span=span)

    def _stands_against(self) -> bool:
        """Return whether the one range stands after "versus"."""
        return any(
            first.is_cue("compare")
            and second.of("time")
            and all(w.text in EMPTY for w in self.words[first.end : second.start])
            for first, second in pairwise(self.items)
        )

    def _two_ranges(self, query: Query, first: Range, second: Range, compares: bool) -> Query:
        if not compares:
            if first.end == second.start or second.end == first.start:
                start = min(s for s in (first.start, second.start) if s is not None)
                end = max(e for e in (first.end, second.end) if e is not None)
                return replace(query, span=Range(start=start, end=end, unit="day"))
            if first.unit != second.unit or first.unit == "day":
                raise Misread("two ranges that are not compared")
        if second.previous and second.unit == first.unit:
            second = first.before()
        if second.unit == "year" and first.unit != "year" and second.count == 1 and not second.running:
            # "this month versus last year": the same dates of last year.
            second = first.year_earlier()
        later, earlier = (
            (first, second) if (first.start or self.today) >= (second.start or self.today) else (second, first)
        )
        if later == earlier:
            raise Misread("a range compared with itself")
        return replace(query, span=later, earlier=earlier)


def lined_up(query: Query) -> Query:
    """Turn "monthly sales this year versus last year" into one line of months: the two ranges share none."""
    if (
        query.earlier is None
        or query.span is None
        or not set(query.groups) & {"day", "week", "month", "quarter", "year"}
    ):
        return query
    if query.earlier.end != query.span.start:
        raise Misread("ranges that can't be put side by side")
    return replace(query, span=Range(start=query.earlier.start, end=query.span.end, unit="day"), earlier=None)
