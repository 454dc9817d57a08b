"""Which figures a question asks for, said or meant."""

from __future__ import annotations

from collections.abc import Sequence

from orchestrator.pipeline.semantic.lexicon import Item
from orchestrator.pipeline.semantic.query import Filter, Misread, Operator
from orchestrator.pipeline.semantic.sentence import ASC, ASKING, BY, DESC, GROUPING, JOINING, Sentence


class MeasureReader(Sentence):
    """Finds the measures."""

    __slots__ = ()

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
            elif self.lexicon.layer.measures[name].context and not self._counted(index) and item.before not in BY:
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
        return item.before in GROUPING or any(
            other.of("measure") and not other.of("dimension") and not other.of("value")
            for position, other in enumerate(self.items)
            if position != index
        )

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
        if cues & {"growth", "money"} and layer.sold is not None:
            return [layer.sold]
        implied = [d.implies for d in described if d.implies is not None]
        if implied:
            return [implied[0]]
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
