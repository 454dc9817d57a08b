"""How the answer is shaped: means, order, bounds, shares, lines over time."""

from __future__ import annotations

from dataclasses import replace

from orchestrator.pipeline.semantic.lexicon import ARTICLES, GRAINS
from orchestrator.pipeline.semantic.query import Misread, Operator, Query, Threshold
from orchestrator.pipeline.semantic.reach import Reach
from orchestrator.pipeline.semantic.reading_spans import SpanReader
from orchestrator.pipeline.semantic.sentence import (
    ASC,
    ASKING,
    BY,
    DESC,
    DOWNWARD,
    EACH,
    JUDGING,
    MOST_LIMIT,
    ONE_OF,
    OPERATORS,
    UPWARD,
)
from orchestrator.pipeline.semantic.words import EMPTY


class ShapeReader(SpanReader):
    """Gives the query its shape."""

    __slots__ = ()

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
        desc = [i for i, item in enumerate(self.items) if item.is_cue(*DESC) and i not in self.used]
        asc = [i for i, item in enumerate(self.items) if item.is_cue(*ASC) and i not in self.used]
        for index, item in enumerate(self.items):
            # "más vendidos" is a measure and a direction.
            if item.of("measure") and index in self.used:
                said = set(item.text.split())
                desc += [index] if said & UPWARD else []
                asc += [index] if said & DOWNWARD else []
        self.used.update(
            i
            for i, item in enumerate(self.items)
            if item.is_cue("order", "sold", "much", "only", "trend", "money", "together", "bestselling")
        )
        numbers = [i for i, item in enumerate(self.items) if item.number is not None and i not in self.used]
        grows = any(item.is_cue("growth") for item in self.items)
        if grows:
            self.used.update(i for i, item in enumerate(self.items) if item.is_cue("growth"))
        if not desc and not asc and not numbers and query.groups and any(item.is_cue("order") for item in self.items):
            return replace(query, order="desc")
        if not desc and not asc and self.usual and not numbers and query.earlier is None and self._asks_which(query):
            return replace(query, order="desc", limit=1)
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
            JUDGING & set(self.items[i].text.split()) for i in cues
        ):
            upward = not upward
        query = replace(query, order="desc" if upward else "asc", by_change=grows and query.earlier is not None)
        if not query.groups:
            query = self._drilled(query)
        if len(numbers) > 1:
            raise Misread("two numbers")
        if numbers:
            limit = self.items[numbers[0]].number or 0
            if not 1 <= limit <= MOST_LIMIT or limit != int(limit):
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
        if self.words[0].text in ("where", "donde"):
            names = [name for name, dimension in dimensions.items() if dimension.place][:1]
        if not names and {"who", "quien", "quienes"} & {word.text for word in self.words}:
            reach = Reach(self.lexicon.layer)
            names = [name for name, d in dimensions.items() if d.person and reach.reaches(query.measures, name)]
        bestsellers = self.lexicon.layer.bestsellers
        asked = bool(ASKING & {word.text for word in self.words})
        sold = any(item.is_cue("bestselling") or (asked and item.is_cue("sold")) for item in self.items)
        if not names and bestsellers is not None and (sold or query.measures[0] == self.lexicon.layer.bestselling):
            names = [bestsellers]
        if len(names) != 1:
            raise Misread("a superlative of what?")
        return replace(query, groups=(names[0],))

    def _asks_which(self, query: Query) -> bool:
        """Return whether one member of the only group is asked for: "which supplier is usually late"."""
        return len(query.groups) == 1 and (
            self._asks_how()
            or any(
                meaning.name in query.groups and not item.plural and item.before in (*ASKING, "", "how", "como", "day")
                for item in self.items
                for meaning in item.of("dimension")
            )
        )

    def _asks_how(self) -> bool:
        """Return whether it begins with a way of doing something: "how do guests pay"."""
        first = self.items[0]
        return first.start == 0 and bool(first.of("dimension")) and self.words[0].text in ("how", "como")

    def _asks_for_one(self, query: Query) -> bool:
        for item in self.items:
            if ONE_OF.search(" ".join(word.text for word in self.words)):
                return True
            if self._asks_how():
                return True
            if {"who", "quien"} & {word.text for word in self.words} or self.words[0].text in ("where", "donde"):
                return True
            named = any(meaning.name in query.groups for meaning in item.of("dimension"))
            drilled = any(self._drills(meaning.name) in query.groups for meaning in item.of("value"))
            if (named or drilled) and not item.plural and item.before not in EACH:
                return True
        return False

    def _within(self, query: Query) -> Query:
        """Let "the best dish in each branch" count within each branch."""
        if query.limit is None or len(query.groups) < 2:  # one to rank, one to rank within
            return query
        inside = [
            meaning.name
            for item in self.items
            for meaning in item.of("dimension")
            if meaning.name in query.groups and item.before in EACH
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
            name = next((meaning.name for meaning in item.of("cue") if meaning.name in OPERATORS), None)
            if name is None or following.number is None:
                continue
            if any(word.text not in EMPTY for word in self.words[item.end : following.start]):
                continue
            self.used.update((index, index + 1))
            after = self.items[index + 2] if index + 2 < len(self.items) else None
            if after is not None and after.text in ("percent", "por ciento"):
                self.used.add(index + 2)
            found.append((index + 1, OPERATORS[name], following.number))
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
        if measure.format == "percent" and len(query.measures) == 1 and query.order is not None:
            return query  # "which supplier is late most often, in percent"
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

    def _check_loss(self, query: Query) -> None:
        """Let "lost" go with what is lost only.

        Raises:
            Misread: a loss of anything else was asked for, which no figure says.
        """
        cues = [i for i, item in enumerate(self.items) if item.is_cue("loss")]
        if not cues:
            return
        measures = [self.lexicon.layer.measures[name] for name in query.measures]
        if not all(measure.loss or measure.lower_is_better for measure in measures):
            raise Misread("a loss of what?", words=tuple(self.items[i].text for i in cues))
        self.used.update(cues)

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
        starts = {item.start for item in self.items}
        for place, word in enumerate(self.words[:-1]):
            # "customers by name" where nothing is called so: a name is an empty word.
            split = word.text in BY and word.text != "por" and self.words[place + 1].text not in ARTICLES
            if self.lexicon.layer.drafted and split and place + 1 not in starts:
                raise Misread("a split by nothing", words=(self.words[place + 1].text,))
        left = [item for index, item in enumerate(self.items) if index not in self.used and not item.of("time")]
        if left:
            raise Misread("words that did not find their place", words=tuple(item.text for item in left))


def _is_mean(measure: object) -> bool:
    return getattr(measure, "format", "") == "percent"
