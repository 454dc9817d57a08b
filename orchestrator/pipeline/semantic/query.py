"""A question that was understood: what to compute, by what, of what, when."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from orchestrator.pipeline.semantic.ranges import Range

Operator = Literal[">", ">=", "<", "<="]


@dataclass(frozen=True, slots=True, kw_only=True)
class Filter:
    """Rows whose dimension is one of the values, or none of them."""

    dimension: str
    values: tuple[str, ...]
    negated: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Threshold:
    """Groups whose measure passes a bound."""

    measure: str
    operator: Operator
    bound: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """What the composer turns into a statement."""

    measures: tuple[str, ...]
    #: The measure that the first one is divided by ("tips per order").
    per: str | None = None
    #: 100 for "tips as a percentage of sales".
    per_scale: float = 1.0
    #: Dimensions and grains, as named.
    groups: tuple[str, ...] = ()
    filters: tuple[Filter, ...] = ()
    span: Range | None = None
    #: An earlier range to compare with.
    earlier: Range | None = None
    order: Literal["desc", "asc"] | None = None
    #: Whether the order is by the change between the two ranges.
    by_change: bool = False
    limit: int | None = None
    #: Dimensions within each of which `limit` counts.
    within: tuple[str, ...] = ()
    thresholds: tuple[Threshold, ...] = ()
    #: `group`: each group's share of all; `filter`: the share of what `share_of` selects.
    share: Literal["group", "filter"] | None = None
    share_of: str | None = None
    #: Mean over the days, weeks … that have rows.
    average: str | None = None
    #: Whether the groups are counted instead of shown.
    count_groups: bool = False
    #: Misspelt word -> what it was taken for.
    corrections: tuple[tuple[str, str], ...] = ()


class Misread(Exception):
    """The question, or a part of it, was not understood, or has no meaning in this layer."""

    def __init__(self, reason: str, *, words: tuple[str, ...] = ()) -> None:
        super().__init__(reason)
        self.reason = reason
        #: The words at fault, for logs.
        self.words = words
