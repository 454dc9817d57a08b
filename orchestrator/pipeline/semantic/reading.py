"""From the phrases of a question to a query. Every word must be accounted for: what is not understood stops the answer."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise

from orchestrator.pipeline.semantic.lexicon import GRAINS, Item, Lexicon, Meaning
from orchestrator.pipeline.semantic.query import Filter, Misread, Operator, Query, Threshold
from orchestrator.pipeline.semantic.ranges import Range, this
from orchestrator.pipeline.semantic.reach import Reach
from orchestrator.pipeline.semantic.time_grammar import When, read_when
from orchestrator.pipeline.semantic.words import EMPTY, Token, plain, tokens

#: What makes the next noun a group.
_GROUPING = frozenset({"by", "per", "each", "every", "por", "cada", "segun", "a", "split", "grouped"})
_ASKING = frozenset({"which", "what", "que", "cual", "cuales", "whose", "qual"})
_EACH = frozenset({"each", "every", "per", "cada", "por", "by"})
_JOINING = frozenset(
    {"and", "y", "e", "plus", "also", "as", "well", "with", "con", "o", "or", "vs", "versus", "together"}
)
_WHOLE = frozenset({"all", "our", "todos", "todas", "nuestros", "nuestras", "across", "entire"})
_OPERATORS: dict[str, Operator] = {"more": ">", "least": ">=", "less": "<", "most": "<="}
_DESC = ("desc", "top", "best", "busiest", "to_desc")
_ASC = ("asc", "bottom", "worst", "quietest", "to_asc")
_UPWARD = frozenset({"mas", "mejor", "best", "top", "most"})
_DOWNWARD = frozenset({"menos", "peor", "worst", "least"})
_JUDGING = frozenset({"best", "worst", "mejor", "mejores", "peor", "peores"})
_ONE_OF = re.compile(r"\b(?:which|what|cual) (?:one )?(?:of|de)\b")
_MOST_LIMIT = 1_000


def read(question: str, lexicon: Lexicon, *, today: dt.date) -> Query:
    """Return the query that a question in English or Spanish asks for.

    Raises:
        Misread: a word means nothing here, or the parts don't fit together.
    """
    corrected, changes = lexicon.corrected(tokens(plain(question)))
    when = read_when(" ".join(token.text for token in corrected), today)
    words = tokens(when.rest)
    reader = _Reader(lexicon=lexicon, words=words, items=lexicon.items(words), when=when, today=today)
    return replace(reader.query(), corrections=tuple(changes.items()))


@dataclass(slots=True, kw_only=True)
class _Reader:
    lexicon: Lexicon
    words: Sequence[Token]
    items: list[Item]
    when: When
    today: dt.date
    #: Items that have been given a part in the query.
    used: set[int] = field(default_factory=set)

    def query(self) -> Query:
        unknown = tuple(item.text for item in self.items if item.of("unknown"))
        if unknown:
            raise Misread("words without meaning here", words=unknown)
        reach = Reach(self.lexicon.layer)
        thresholds = self._thresholds()
        measures, per, scale = self._measures()
        measures = self._measures_or_meant(measures, thresholds)
        sold_groups = self._ranked_units(measures)
        filters, groups = self._filters_and_groups(measures, reach)
        groups = [name for name in groups if name not in sold_groups]
        measures = self._instead(measures, groups, filters)
        query = Query(measures=tuple(measures), per=per, per_scale=scale, groups=tuple(groups), filters=tuple(filters))
        query = _lined_up(self._with_time(query))
        query = self._with_average(query)
        query = self._with_order(query)
        query = self._with_thresholds(query, thresholds)
        query = self._with_share(query)
        query = self._with_trend(query)
        self._check_left_over(query)
        reach.check(query)
        return query

    # -- measures

    def _measures(self) -> tuple[list[str], str | None, float]:
        """Return the measures named, in order, the one that stands after "per", and the scale of that ratio."""
        scale = 1.0
        found: list[str] = []
        per: str | None = None
        main_counted = False
        previous: Item | None = None
        for index, item in enumerate(self.items):
            meant = item.of("measure")
            if not meant or index in self.used or self._is_setting(index, item):
                continue
            name = meant[0].name
            self.used.add(index)
            if previous is not None and item.before in ("per", "por", "each", "cada"):
                if per is not None:
                    raise Misread("two measures after per")
                per = name
                continue
            if previous is not None and self._share_between(previous, item) and per is None:
                per, scale = name, 100.0
                continue
            if name in found:
                continue
            if not found:
                found.append(name)
                main_counted = self._counted(index)
            elif self._conjoined(previous, item):
                found.append(name)
            elif self.lexicon.layer.measures[name].context and not self._counted(index):
                continue  # "discounts on delivery orders"
            elif self.lexicon.layer.measures[found[-1]].context and not main_counted and len(found) == 1:
                found[-1] = name  # "of all orders, the cancellation rate"
                main_counted = self._counted(index)
            else:
                raise Misread("two measures that are not joined", words=(found[-1], name))
            previous = item
        return found, per, scale

    def _share_between(self, previous: Item, item: Item) -> bool:
        """Return whether "as a percentage of" stands between two measures; the words are then used up."""
        between = [i for i, other in enumerate(self.items) if previous.end <= other.start < item.start]
        if len(between) != 1 or not self.items[between[0]].is_cue("share"):
            return False
        self.used.update(between)
        return True

    def _is_setting(self, index: int, item: Item) -> bool:
        """Return whether a word that is also a measure stands here as a dimension or value."""
        if not (item.of("dimension") or item.of("value")):
            return False
        return item.before in _GROUPING or any(
            other.of("measure") and not other.of("dimension") and not other.of("value")
            for position, other in enumerate(self.items)
            if position != index
        )

    def _counted(self, index: int) -> bool:
        """Return whether "how many" stands before the item, with at most values between."""
        if self.items[index].before in _GROUPING:
            return False
        for before in range(index - 1, -1, -1):
            item = self.items[before]
            if item.is_cue("count"):
                return True
            if not item.of("value"):
                return False
        return False

    def _conjoined(self, previous: Item | None, item: Item) -> bool:
        if previous is None:
            return False
        return bool({word.text for word in self.words[previous.end : item.start]} & _JOINING)

    def _measures_or_meant(self, measures: list[str], thresholds: list[tuple[int, Operator, float]]) -> list[str]:
        """Return the measures, or the one that "sold", "busiest", "how many waiters" and the like mean."""
        layer = self.lexicon.layer
        cues = {meaning.name for item in self.items for meaning in item.of("cue")}
        for index, item in enumerate(self.items):
            cue = index > 0 and self.items[index - 1].is_cue("count")
            if cue and index in self.used and item.of("measure") and all(layer.measures[m.name].format != "count" for m in item.of("measure")):
                raise Misread("a sum of money is not counted", words=(item.text,))
        if measures:
            return measures
        if "bestselling" in cues and layer.bestselling is not None:
            return [layer.bestselling]
        dimensions = [m.name for item in self.items for m in item.of("dimension")]
        values = [m for item in self.items for m in item.of("value")]
        described = [
            layer.dimensions[name] for name in (*dimensions, *(m.name for m in values)) if name in layer.dimensions
        ]
        if "sold" in cues:
            units = [d.ranks for d in described if d.ranks is not None and d.ranks == d.counts]
            if "much" not in cues and units:
                return [units[0]]
            if layer.sold is not None:
                return [layer.sold]
        if "busiest" in cues or "quietest" in cues:
            if layer.busiest is not None:
                return [layer.busiest]
        if cues & {"best", "worst", "top", "bottom"}:
            meant = [d.ranks for d in described if d.ranks]
            if meant:
                return [meant[0]]
            if dimensions and layer.sold is not None:
                return [layer.sold]
        for index, item in enumerate(self.items):
            if not item.of("value") and not item.of("dimension"):
                continue
            if not self._counted(index):
                continue
            for meaning in item.of("value"):
                known = layer.dimensions.get(meaning.name)
                if known is not None and known.lists is not None and not self.when.ranges:
                    return [known.lists]
                if known is not None and known.counts is not None:
                    return [known.counts]
            for meaning in item.of("dimension"):
                known = layer.dimensions.get(meaning.name)
                if known is not None and known.members is not None:
                    self.used.add(index)
                    return [known.members]
        first = next((i for i, item in enumerate(self.items) if item.of("dimension")), None)
        if first is not None and len(dimensions) > 1 and self.items[first].before not in (_GROUPING | _ASKING):
            members = [layer.dimensions[m.name].members for m in self.items[first].of("dimension") if m.name in layer.dimensions]
            if members and members[0] is not None:
                self.used.add(first)  # "dishes per category"
                return [members[0]]
        if cues & {"growth", "money"} and layer.sold is not None:
            return [layer.sold]
        raise Misread("no measure")

    def _ranked_units(self, measures: Sequence[str]) -> set[str]:
        """Return the dimensions that only say what was counted: "how many dishes did we sell"."""
        dimensions = self.lexicon.layer.dimensions
        sold = any(item.is_cue("sold") for item in self.items)
        return {
            meaning.name
            for index, item in enumerate(self.items)
            for meaning in item.of("dimension")
            if (self._counted(index) or self._sold_next(index))
            and meaning.name in dimensions
            and ((sold and dimensions[meaning.name].ranks in measures) or dimensions[meaning.name].members in measures)
        }

    def _sold_next(self, index: int) -> bool:
        """Return whether it only says what was sold: "dishes sold per branch"."""
        ranked = any(item.is_cue(*_DESC, *_ASC) for item in self.items)
        following = self.items[index + 1] if index + 1 < len(self.items) else None
        sold = following is not None and following.is_cue("sold") and following.start == self.items[index].end
        return sold and self.items[index].plural and not ranked and self.items[index].before not in (_GROUPING | _ASKING)

    def _instead(self, measures: list[str], groups: Sequence[str], filters: Sequence[Filter]) -> list[str]:
        layer = self.lexicon.layer
        named = {*groups, *(item.dimension for item in filters)}
        return [
            next((other for dimension, other in layer.measures[name].instead.items() if dimension in named), name)
            for name in measures
        ]

    # -- dimensions and values

    def _filters_and_groups(self, measures: Sequence[str], reach: Reach) -> tuple[list[Filter], list[str]]:
        chosen: dict[int, Meaning] = {}
        for index, item in enumerate(self.items):
            if index in self.used:
                continue
            meaning = self._noun(index, item, measures, reach)
            if meaning is not None:
                chosen[index] = meaning
                self.used.add(index)
        groups = self._groups(chosen)
        filters = self._filters(chosen, groups)
        return filters, groups

    def _noun(self, index: int, item: Item, measures: Sequence[str], reach: Reach) -> Meaning | None:
        """Choose what a noun means here: a dimension to group by, or a value to hold rows to."""
        values = [m for m in item.of("value") if reach.reaches(measures, m.name)]
        # "wine" is a kind of goods for what is bought and a part of the menu for what is sold.
        values = [m for m in values if reach.reaches(measures, m.name, directly=True)] or values
        dimensions = [m for m in item.of("dimension") if m.name in GRAINS or reach.reaches(measures, m.name)]
        if not values and not dimensions:
            if item.of("value") or item.of("dimension"):
                raise Misread("the measure has no such dimension", words=(item.text,))
            return None
        if values and dimensions:
            counts = self._counted(index) and any(
                m.name in self.lexicon.layer.dimensions and self.lexicon.layer.dimensions[m.name].counts in measures
                for m in values
            )
            return values[0] if counts else dimensions[0]
        if dimensions:
            return dimensions[0]
        whole = [m for m in values if not m.partial] or values
        same = [m for m in whole if m.name == whole[0].name]
        if len(same) > 1:
            raise Misread("a value that could be several", words=(item.text,))
        return whole[0]

    def _groups(self, chosen: dict[int, Meaning]) -> list[str]:
        groups: list[str] = []
        for index, meaning in chosen.items():
            if meaning.kind == "dimension" and not self._labels_a_value(index, chosen) and not self._means_all(index):
                if meaning.name not in groups:
                    groups.append(meaning.name)
        for index, meaning in chosen.items():
            # "the sales of each pizza" are by dish.
            finer = self._drills(meaning.name) if meaning.kind == "value" else None
            if finer is not None and self.items[index].before in _EACH and finer not in groups:
                groups.append(finer)
        together = any(item.is_cue("together") for item in self.items)
        for name in dict.fromkeys(m.name for m in chosen.values() if m.kind == "value"):
            # "Madrid and Barcelona" asks for both, side by side.
            several = [i for i, m in chosen.items() if m.kind == "value" and m.name == name]
            negated = any(self._negated(i) for i in several)
            dimension_too = name in groups and any(item.is_cue("compare") for item in self.items)
            if (len(several) > 1 or dimension_too) and any(len(chosen[i].values) > 1 for i in several):
                raise Misread("sets of values side by side")  # "weekdays versus weekends"
            if len(several) > 1 and not together and not negated and name not in groups:
                groups.append(name)
        return groups

    def _labels_a_value(self, index: int, chosen: dict[int, Meaning]) -> bool:
        """Return whether a dimension only names the kind of the value beside it: "the branch Triana", "Pizza category"."""
        item = self.items[index]
        for other in (index - 1, index + 1):
            meaning = chosen.get(other)
            if meaning is None or meaning.kind != "value" or meaning.name != chosen[index].name:
                continue
            first, second = sorted((self.items[other], item), key=lambda entry: entry.start)
            between = {word.text for word in self.words[first.end : second.start]}
            if not between & (_GROUPING | _JOINING | {"in", "en"}) and item.before not in (
                "by",
                "per",
                "each",
                "por",
                "cada",
                *_ASKING,
            ):
                return True
        return False

    def _means_all(self, index: int) -> bool:
        """Return whether a plural dimension only says "everywhere": "sales of all our restaurants"."""
        item = self.items[index]
        start = item.start - 1
        near = {word.text for word in self.words[max(0, start - 2) : item.start]}
        if not item.plural or near & (_GROUPING - {"a"}) or near & _ASKING:
            return False
        shaped = index == 0 or any(
            other.is_cue(*_DESC, *_ASC, "order", "compare", "share", *_OPERATORS) for other in self.items
        )
        return not shaped and (bool(near & _WHOLE) or self._has_place(index))

    def _has_place(self, index: int) -> bool:
        """Return whether a place stands beside the item: "the Italian restaurants", "branches in Madrid"."""
        dimensions = self.lexicon.layer.dimensions
        for other in (index - 1, index + 1):
            if not 0 <= other < len(self.items):
                continue
            first, second = sorted((self.items[other], self.items[index]), key=lambda entry: entry.start)
            between = {word.text for word in self.words[first.end : second.start]}
            places = [m for m in self.items[other].of("value") if m.name in dimensions and dimensions[m.name].place]
            if places and between <= {"in", "of", "the", "en", "de", "del"}:
                return True
        return False

    def _negated(self, index: int) -> bool:
        """Return whether "not", "except" … stands right before the value, or before the values that it is listed with."""
        position = index
        while position > 0:
            before, item = self.items[position - 1], self.items[position]
            between = [word.text for word in self.words[before.end : item.start]]
            if before.is_cue("not"):
                return all(word in EMPTY for word in between)
            if not (before.of("value") and set(between) <= {"and", "y", "or", "o", "e", "u", "ni", "nor", "in", "en"}):
                return False
            position -= 1
        return False

    def _filters(self, chosen: dict[int, Meaning], groups: Sequence[str]) -> list[Filter]:
        wanted: dict[tuple[str, bool], list[str]] = {}
        for index, meaning in chosen.items():
            if meaning.kind != "value":
                continue
            negated = self._negated(index)
            if negated:
                self.used.update(i for i in range(index) if self.items[i].is_cue("not"))
            known = wanted.setdefault((meaning.name, negated), [])
            known.extend(value for value in meaning.values if value not in known)
        return [
            Filter(dimension=name, values=tuple(values), negated=negated) for (name, negated), values in wanted.items()
        ]

    # -- time

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
            span = ranges[0] if ranges else self._default_span(query)
            return replace(
                query, span=span, earlier=span.year_earlier() if self.when.earlier == "year" else span.before()
            )
        if len(ranges) > 2:  # two to compare
            raise Misread("more than two ranges")
        if len(ranges) == 2:
            return self._two_ranges(query, ranges[0], ranges[1], compares or grows)
        span = ranges[0] if ranges else None
        if span is not None and (grows or compares) and self._stands_against():
            # "how did sales change versus last month": now against then.
            return replace(query, span=this(span.unit, self.today), earlier=span)
        if grows:
            span = span or self._default_span(query)
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

    def _default_span(self, query: Query) -> Range:
        raise Misread("a comparison without a range")

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

    # -- averages, order, thresholds, shares

    def _with_average(self, query: Query) -> Query:
        cues = [i for i, item in enumerate(self.items) if item.is_cue("average")]
        if not cues:
            return query
        self.used.update(cues)
        measure = self.lexicon.layer.measures[query.measures[0]]
        if measure.ratio is not None or query.per is not None or measure.format == "percent" or _is_mean(measure):
            return query
        grains = [name for name in query.groups if name in ("day", "week", "month", "quarter", "year")]
        if grains:
            return replace(query, average=grains[-1], groups=tuple(name for name in query.groups if name != grains[-1]))
        if set(query.groups) & {"weekday"}:
            return replace(query, average="day")
        raise Misread("an average over what?")

    def _with_order(self, query: Query) -> Query:
        desc = [i for i, item in enumerate(self.items) if item.is_cue(*_DESC) and i not in self.used]
        asc = [i for i, item in enumerate(self.items) if item.is_cue(*_ASC) and i not in self.used]
        for index, item in enumerate(self.items):
            # "más vendidos" is a measure and a direction.
            if item.of("measure") and index in self.used:
                said = set(item.text.split())
                desc += [index] if said & _UPWARD else []
                asc += [index] if said & _DOWNWARD else []
        self.used.update(
            i for i, item in enumerate(self.items) if item.is_cue("order", "sold", "much", "only", "trend", "money", "together", "bestselling")
        )
        numbers = [i for i, item in enumerate(self.items) if item.number is not None and i not in self.used]
        grows = any(item.is_cue("growth") for item in self.items)
        if grows:
            self.used.update(i for i, item in enumerate(self.items) if item.is_cue("growth"))
        if not desc and not asc and not numbers and query.groups and any(item.is_cue("order") for item in self.items):
            return replace(query, order="desc")
        if not desc and not asc:
            if numbers:
                raise Misread("a number without a purpose", words=tuple(self.items[i].text for i in numbers))
            return query
        if desc and asc:
            # "the best first, from highest to lowest" agree; "most … least" do not.
            raise Misread("two directions")
        self.used.update((*desc, *asc))
        if query.earlier is not None and not query.groups and not numbers:
            return query  # "did we sell more in October than in September?"
        cues = desc or asc
        # A ranking leaves all rows; a superlative cuts them.
        ranking = all(self.items[i].is_cue("to_desc", "to_asc") for i in cues)
        upward = bool(desc)
        if self.lexicon.layer.measures[query.measures[0]].lower_is_better and any(
            _JUDGING & set(self.items[i].text.split()) for i in cues
        ):
            upward = not upward
        query = replace(query, order="desc" if upward else "asc", by_change=grows and query.earlier is not None)
        if not query.groups:
            query = self._drilled(query)
        if len(numbers) > 1:
            raise Misread("two numbers")
        if numbers:
            limit = self.items[numbers[0]].number or 0
            if not 1 <= limit <= _MOST_LIMIT or limit != int(limit):
                raise Misread("an odd number of rows")
            self.used.update(numbers)
            return self._within(replace(query, limit=int(limit)))
        if ranking:
            return query
        return self._within(replace(query, limit=1) if self._asks_for_one(query) else query)

    def _drilled(self, query: Query) -> Query:
        """Rank the members of what is named: dishes for "the three worst pizzas"."""
        dimensions = self.lexicon.layer.dimensions
        finer = [dimensions[f.dimension].drill for f in query.filters if f.dimension in dimensions and not f.negated]
        names = [name for name in dict.fromkeys(finer) if name is not None]
        bestsellers = self.lexicon.layer.bestsellers
        sold = any(item.is_cue("bestselling", "sold") for item in self.items)
        if not names and bestsellers is not None and (sold or query.measures[0] == self.lexicon.layer.bestselling):
            names = [bestsellers]
        if not names and {"who", "quien", "quienes"} & {word.text for word in self.words}:
            names = [name for name, dimension in dimensions.items() if dimension.person]
        if len(names) != 1:
            raise Misread("a superlative of what?")
        return replace(query, groups=(names[0],))

    def _asks_for_one(self, query: Query) -> bool:
        for item in self.items:
            if _ONE_OF.search(" ".join(word.text for word in self.words)):
                return True
            if {"who", "quien"} & {word.text for word in self.words}:
                return True
            named = any(meaning.name in query.groups for meaning in item.of("dimension"))
            drilled = any(self._drills(meaning.name) in query.groups for meaning in item.of("value"))
            if (named or drilled) and not item.plural and item.before not in _EACH:
                return True
        return False

    def _drills(self, dimension: str) -> str | None:
        known = self.lexicon.layer.dimensions.get(dimension)
        return None if known is None else known.drill

    def _within(self, query: Query) -> Query:
        """Let "the best dish in each branch" count within each branch."""
        if query.limit is None or len(query.groups) < 2:  # one to rank, one to rank within
            return query
        inside = [
            meaning.name
            for item in self.items
            for meaning in item.of("dimension")
            if meaning.name in query.groups and item.before in _EACH
        ]
        inside = [name for name in dict.fromkeys(inside)]
        if not inside or len(inside) == len(query.groups):
            return query
        rest = tuple(name for name in query.groups if name not in inside)
        return replace(query, groups=(*inside, *rest), within=tuple(inside))

    def _thresholds(self) -> list[tuple[int, Operator, float]]:
        found = []
        for index, item in enumerate(self.items[:-1]):
            following = self.items[index + 1]
            name = next((meaning.name for meaning in item.of("cue") if meaning.name in _OPERATORS), None)
            if name is None or following.number is None:
                continue
            if any(word.text not in EMPTY for word in self.words[item.end : following.start]):
                continue
            self.used.update((index, index + 1))
            after = self.items[index + 2] if index + 2 < len(self.items) else None
            if after is not None and after.text in ("percent", "por ciento"):
                self.used.add(index + 2)
            found.append((index + 1, _OPERATORS[name], following.number))
        return found

    def _with_thresholds(self, query: Query, thresholds: list[tuple[int, Operator, float]]) -> Query:
        if not thresholds:
            counted = [
                meaning.name
                for index, item in enumerate(self.items)
                for meaning in item.of("dimension")
                if self._counted(index) and meaning.name in query.groups
            ]
            self.used.update(i for i, item in enumerate(self.items) if item.is_cue("count"))
            if counted and query.order is None:
                return replace(query, groups=(counted[0],), count_groups=True)
            return query
        if not query.groups:
            raise Misread("a threshold on what?")
        measures = list(query.measures)
        made = []
        for index, operator, bound in thresholds:
            named = self.items[index + 1].of("measure") if index + 1 < len(self.items) else ()
            measure = named[0].name if named else measures[0]
            if named and measure in measures and len(measures) > 1 and measures[0] != measure:
                measures.remove(measure)
            made.append(Threshold(measure=measure, operator=operator, bound=bound))
        counts = any(
            self._counted(index) and any(m.name in query.groups for m in item.of("dimension"))
            for index, item in enumerate(self.items)
        )
        self.used.update(i for i, item in enumerate(self.items) if item.is_cue("count"))
        return replace(query, measures=tuple(measures), thresholds=tuple(made), count_groups=counts)

    def _with_share(self, query: Query) -> Query:
        cues = [i for i, item in enumerate(self.items) if item.is_cue("share") and i not in self.used]
        if not cues:
            return query
        self.used.update(cues)
        measure = self.lexicon.layer.measures[query.measures[0]]
        if measure.percent is not None and len(query.measures) == 1:
            return replace(query, measures=(measure.percent,))
        if (
            measure.ratio is not None
            or measure.format == "percent"
            or len(query.measures) > 1
            or query.earlier
            or query.average
        ):
            raise Misread("a share of what?")
        positive = [item for item in query.filters if not item.negated]
        if query.groups and (len(query.groups) == 1):
            return replace(query, share="group")
        if query.groups or not positive:
            raise Misread("a share of what?")
        places = [
            f
            for f in positive
            if f.dimension in self.lexicon.layer.dimensions and self.lexicon.layer.dimensions[f.dimension].place
        ]
        others = [f for f in positive if f not in places]
        if len(others) == 1:
            return replace(query, share="filter", share_of=others[0].dimension)
        if not others and len(places) == 1:
            return replace(query, share="filter", share_of=places[0].dimension)
        raise Misread("a share of which part?")

    def _with_trend(self, query: Query) -> Query:
        """Split "the evolution of sales in the last six months" by a part of time that fits the range."""
        wanted = any(item.is_cue("trend") for item in self.items)
        if not wanted or set(query.groups) & GRAINS or query.earlier is not None:
            return query
        span = query.span
        if span is None or span.start is None or span.end is None:
            return replace(query, groups=("month", *query.groups))
        days = (span.end - span.start).days
        grain = "day" if days <= 21 else "week" if days < 59 else "month"
        return replace(query, groups=(grain, *query.groups))

    def _check_left_over(self, query: Query) -> None:
        left = [item for index, item in enumerate(self.items) if index not in self.used and not item.of("time")]
        if left:
            raise Misread("words that did not find their place", words=tuple(item.text for item in left))


def _lined_up(query: Query) -> Query:
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


def _is_mean(measure: object) -> bool:
    return getattr(measure, "format", "") == "percent"
