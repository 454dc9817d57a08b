"""Which figures a question asks for, said or meant."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from orchestrator.pipeline.semantic.lexicon import Item, Meaning
from orchestrator.pipeline.semantic.query import Filter, Misread, Operator
from orchestrator.pipeline.semantic.reach import Reach
from orchestrator.pipeline.semantic.sentence import (
    AMOUNTS,
    ASC,
    ASKING,
    BY,
    COSTING,
    DESC,
    GROUPING,
    JOINING,
    LEADING,
    SPENDING,
    Sentence,
)
from orchestrator.pipeline.semantic.words import EMPTY


class MeasureReader(Sentence):
    """Finds the measures."""

    __slots__ = ()

    def _settle_beside(self) -> None:
        """Keep a word such as "late" as a measure only beside the dimension that it is said of."""
        dimensions = self.lexicon.layer.dimensions
        asks_who = bool({"who", "quien", "quienes"} & {word.text for word in self.words})
        named = {
            meaning.name for item in self.items for meaning in item.meanings if meaning.kind in ("dimension", "value")
        }
        named |= {name for name, dimension in dimensions.items() if asks_who and dimension.person}
        for index, item in enumerate(self.items):
            if any(meaning.beside for meaning in item.meanings):
                kept = tuple(meaning for meaning in item.meanings if not meaning.beside or meaning.beside in named)
                measures = tuple(meaning for meaning in kept if meaning.beside)
                if self._held_elsewhere(index):
                    kept = tuple(meaning for meaning in kept if not meaning.beside)
                    measures = ()
                # What is said of a named dimension is no value: "which channel is cancelled most often".
                unknown = (Meaning(kind="unknown", name=item.text),)
                self.items[index] = replace(item, meanings=measures or kept or unknown)
                # Whoever is called late is judged by how often, unless times are counted.
                self.often = self.often or (bool(measures) and not any(other.is_cue("count") for other in self.items))

    def _held_elsewhere(self, index: int) -> bool:
        """Return whether another figure is held to it as a value: "the most reservations cancelled"."""
        reach = Reach(self.lexicon.layer)
        others = [m.name for i, item in enumerate(self.items) if i != index for m in item.of("measure")]
        return any(
            reach.reaches((other,), meaning.name)
            for other in others
            for meaning in self.items[index].of("value")
            if meaning.name in self.lexicon.layer.dimensions
        )

    def _as_rate(self, measures: list[str], per: str, scale: float) -> tuple[list[str], str | None, float]:
        """Return the rate that says the same as two figures: late deliveries as a percentage of deliveries."""
        known = self.lexicon.layer.measures
        rate = known[measures[0]].percent
        ratio = None if rate is None else known[rate].ratio
        if rate is not None and ratio is not None and ratio.over == (measures[0], per):
            return [rate], None, 1.0
        return measures, per, scale

    def _times(self, measures: list[str]) -> list[str]:
        """Return what is counted in times where it was asked how often."""
        known = self.lexicon.layer.measures
        if self.often and any(known[name].subject for name in measures):
            raise Misread("people are not counted in times")  # "how often do guests complain"
        if self.often:
            return [known[name].often or name for name in measures]
        return [known[name].percent or name for name in measures] if self.usual and len(measures) == 1 else measures

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
            if previous is not None and len(found) == 1 and self._follows_money(previous, item):
                found[0] = name
                previous = item
                continue
            if previous is not None and len(found) == 1 and self._says_cost(found[0], item):
                continue
            if previous is not None and per is None and len(found) == 1 and self._parted(previous, item):
                # "% tips of sales" and "what % of sales are tips".
                first_is_part = item.before in ("of", "de") or "of" in self._between(previous, item)
                found, per = ([found[0]], name) if first_is_part else ([name], found[0])
                scale = 100.0
                continue
            if not found:
                found.append(name)
                main_counted = self._counted(index)
            elif self._rate_of(found, name):
                found[0] = name
            elif self._conjoined(previous, item):
                found.append(name)
            elif self.lexicon.layer.measures[name].context and not self._counted(index) and item.before not in BY:
                continue  # "discounts on delivery orders"
            elif item.before in BY and not item.of("dimension"):
                raise Misread("a figure is not split by another", words=(item.text,))
            elif self.lexicon.layer.measures[found[-1]].context and not main_counted and len(found) == 1:
                found[-1] = name  # "of all orders, the cancellation rate"
                main_counted = self._counted(index)
            else:
                raise Misread("two measures that are not joined", words=(found[-1], name))
            previous = item
        return found, per, scale

    def _between(self, previous: Item, item: Item) -> set[str]:
        return {word.text for word in self.words[previous.end : item.start]}

    def _follows_money(self, previous: Item, item: Item) -> bool:
        """Return whether a figure says what was spent or earned: "spent on discounts", "earns most in tips"."""
        measures = self.lexicon.layer.measures
        money = any(measures[meaning.name].format == "money" for meaning in item.of("measure"))
        verb, between = set(previous.text.split()), self._between(previous, item)
        return money and (bool(verb & SPENDING and between & LEADING) or bool(verb & COSTING and between <= EMPTY))

    def _says_cost(self, first: str, item: Item) -> bool:
        """Return whether a verb only repeats that the first figure is money lost: "what did discounts cost us"."""
        return self.lexicon.layer.measures[first].loss and bool(COSTING & set(item.text.split()))

    def _parted(self, previous: Item, item: Item) -> bool:
        """Return whether a share of one sum of money in another is asked for, and use its word up."""
        measures = self.lexicon.layer.measures
        names = (*previous.of("measure")[:1], *item.of("measure")[:1])
        shares = [i for i, other in enumerate(self.items) if other.is_cue("share") and other.end <= previous.start]
        if len(shares) != 1 or any(measures[meaning.name].format != "money" for meaning in names):
            return False
        inside = self.items[shares[0] + 1 : self.items.index(previous)]
        if any(other.of("measure") or other.of("value") for other in inside):
            return False
        if self._between(previous, item) & (JOINING - {"as"}):
            return False
        self.used.update(shares)
        return True

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
        measures = self.lexicon.layer.measures
        if self.items[0].is_cue("share") and any(measures[meaning.name].percent for meaning in item.of("measure")):
            return False
        return item.before in GROUPING or any(
            other.of("measure") and not other.of("dimension") and not other.of("value")
            for position, other in enumerate(self.items)
            if position != index
        )

    def _rate_of(self, found: Sequence[str], name: str) -> bool:
        """Return whether "percentage of bookings that end as no-shows" asks for the second figure's rate."""
        measures = self.lexicon.layer.measures
        shares = any(item.is_cue("share") for item in self.items)
        return shares and len(found) == 1 and measures[found[0]].context and measures[name].percent is not None

    def _conjoined(self, previous: Item | None, item: Item) -> bool:
        if previous is None:
            return False
        return bool({word.text for word in self.words[previous.end : item.start]} & JOINING)

    def _measures_or_meant(self, measures: list[str], thresholds: list[tuple[int, Operator, float]]) -> list[str]:
        """Return the measures, or the one that "sold", "busiest", "how many waiters" and the like mean."""
        layer = self.lexicon.layer
        cues = {meaning.name for item in self.items for meaning in item.of("cue")}
        for index, item in enumerate(self.items):
            cue = index > 0 and self.items[index - 1].is_cue("count")
            if (
                cue
                and index in self.used
                and item.of("measure")
                and all(layer.measures[m.name].format != "count" for m in item.of("measure"))
            ):
                raise Misread("a sum of money is not counted", words=(item.text,))
        if measures:
            self._check_amount(measures)
            return measures
        if "bestselling" in cues and layer.bestselling is not None:
            return [layer.bestselling]
        dimensions = [m.name for item in self.items for m in item.of("dimension")]
        values = [m for item in self.items for m in item.of("value")]
        described = [
            layer.dimensions[name] for name in (*dimensions, *(m.name for m in values)) if name in layer.dimensions
        ]
        if "sold" in cues and self.often and not described and layer.bestselling is not None:
            return [layer.bestselling]  # "what is ordered most often"
        if "sold" in cues:
            units = [d.ranks for d in described if d.ranks is not None and d.ranks == d.counts]
            if "much" not in cues and units:
                return [units[0]]
            if "count" in cues:
                raise Misread("what was sold is not known")
            if layer.sold is not None:
                return [layer.sold]
        if cues & {"busiest", "quietest"} and layer.busiest is not None:
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
        if first is not None and len(dimensions) > 1 and self.items[first].before not in (GROUPING | ASKING):
            members = [
                layer.dimensions[m.name].members
                for m in self.items[first].of("dimension")
                if m.name in layer.dimensions
            ]
            if members and members[0] is not None:
                self.used.add(first)  # "dishes per category"
                return [members[0]]
        implied = [d.implies for d in described if d.implies is not None]
        if "loss" in cues:
            implied = [name for name in implied if layer.measures[name].loss]
        elif cues & {"growth", "money"} and layer.sold is not None:
            return [layer.sold]
        if implied:
            return [implied[0]]
        raise Misread("no measure")

    def _check_amount(self, measures: Sequence[str]) -> None:
        """Refuse a number of rows where their amount is asked for and known: "the amount of payments".

        Raises:
            Misread: it is.
        """
        known = self.lexicon.layer.measures
        inside = {place for item in self.items for place in range(item.start, item.end)}
        said = {word.text for place, word in enumerate(self.words) if place not in inside}
        facts = {source.fact for name in measures if known[name].format == "count" for source in known[name].sources}
        sums = (
            source
            for measure in known.values()
            if measure.format in ("money", "number")
            for source in measure.sources
            if source.fact in facts
        )
        if said & AMOUNTS and any(sums):
            raise Misread("an amount is not a number of rows", words=tuple(said & AMOUNTS))

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
        ranked = any(item.is_cue(*DESC, *ASC) for item in self.items)
        following = self.items[index + 1] if index + 1 < len(self.items) else None
        sold = following is not None and following.is_cue("sold") and following.start == self.items[index].end
        return sold and self.items[index].plural and not ranked and self.items[index].before not in (GROUPING | ASKING)

    def _instead(self, measures: list[str], groups: Sequence[str], filters: Sequence[Filter]) -> list[str]:
        layer = self.lexicon.layer
        named = {*groups, *(item.dimension for item in filters)}
        return [
            next((other for dimension, other in layer.measures[name].instead.items() if dimension in named), name)
            for name in measures
        ]
