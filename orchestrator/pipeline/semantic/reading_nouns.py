"""What a question groups by and holds rows to."""

from __future__ import annotations

from collections.abc import Sequence

from orchestrator.pipeline.semantic.lexicon import GRAINS, Item, Meaning
from orchestrator.pipeline.semantic.query import Filter, Misread
from orchestrator.pipeline.semantic.reach import Reach
from orchestrator.pipeline.semantic.reading_measures import MeasureReader
from orchestrator.pipeline.semantic.sentence import ASC, ASKING, DESC, EACH, GROUPING, JOINING, OPERATORS, WHOLE
from orchestrator.pipeline.semantic.words import EMPTY


class NounReader(MeasureReader):
    """Finds groups and filters."""

    __slots__ = ()

    def _filters_and_groups(self, measures: Sequence[str], reach: Reach) -> tuple[list[Filter], list[str]]:
        chosen: dict[int, Meaning] = {}
        for index, item in enumerate(self.items):
            if index in self.used:
                continue
            if self._names_a_place(index):
                self.used.add(index)
                continue
            meaning = self._noun(index, item, measures, reach)
            if meaning is not None:
                chosen[index] = meaning
                self.used.add(index)
        groups = self._groups(chosen)
        filters = self._filters(chosen, groups)
        return filters, groups

    def _names_a_place(self, index: int) -> bool:
        """Return whether "in the restaurant" only leads up to a name: "in the restaurant Triana"."""
        item, following = self.items[index], self.items[index + 1] if index + 1 < len(self.items) else None
        if (
            following is None
            or not item.of("value")
            or item.text.split()[-1] not in ("restaurant", "restaurante", "local")
        ):
            return False
        dimensions = self.lexicon.layer.dimensions
        between = {word.text for word in self.words[item.end : following.start]}
        return between <= {"in", "of", "en", "de", "at"} and any(
            m.name in dimensions and dimensions[m.name].place for m in following.of("value")
        )

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
        if self.lexicon.layer.drafted:
            values, dimensions = (self._nearest(each, item, measures, reach) for each in (values, dimensions))
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

    def _nearest(self, meanings: Sequence[Meaning], item: Item, measures: Sequence[str], reach: Reach) -> list[Meaning]:
        """Return the meanings of the one dimension that is meant: the measured rows' own, or else the only one.

        Raises:
            Misread: several do, and nobody has said which of them is meant.
        """
        if len({meaning.name for meaning in meanings}) < 2:
            return list(meanings)
        known = self.lexicon.layer.dimensions
        # What was drafted under another relation's name ("store of the customer") is meant when that is named, too.
        plain = [m for m in meanings if m.name not in known or "__" not in known[m.name].sql]
        meanings = plain or list(meanings)
        ways = {meaning.name: reach.way(measures, meaning.name) for meaning in meanings}
        # A fact's own column is meant before any that it leads to.
        near = [name for name, way in ways.items() if len(way) == 1] or list(ways)
        if len({ways[name] for name in near}) > 1:
            raise Misread("a word that could be several", words=(item.text,))
        return [meaning for meaning in meanings if meaning.name == near[0]]

    def _groups(self, chosen: dict[int, Meaning]) -> list[str]:
        groups: list[str] = []
        for index, meaning in chosen.items():
            if meaning.kind != "dimension" or meaning.name in groups:
                continue
            if not self._labels_a_value(index, chosen) and not self._means_all(index):
                groups.append(meaning.name)
        for index, meaning in chosen.items():
            # "the sales of each pizza" are by dish.
            finer = self._drills(meaning.name) if meaning.kind == "value" else None
            if finer is not None and self.items[index].before in EACH and finer not in groups:
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
        """Return whether a dimension only says what the value beside it is: "the branch Triana", "Pizza category"."""
        item = self.items[index]
        for other in (index - 1, index + 1):
            meaning = chosen.get(other)
            if meaning is None or meaning.kind != "value" or meaning.name != chosen[index].name:
                continue
            first, second = sorted((self.items[other], item), key=lambda entry: entry.start)
            between = {word.text for word in self.words[first.end : second.start]}
            if not between & (GROUPING | JOINING | {"in", "en"}) and item.before not in (
                "by",
                "per",
                "each",
                "por",
                "cada",
                *ASKING,
            ):
                return True
        return False

    def _means_all(self, index: int) -> bool:
        """Return whether a plural dimension only says "everywhere": "sales of all our restaurants"."""
        item = self.items[index]
        start = item.start - 1
        near = {word.text for word in self.words[max(0, start - 2) : item.start]}
        if not item.plural or near & (GROUPING - {"a"}) or near & ASKING:
            return False
        dimensions = self.lexicon.layer.dimensions
        ranks = {dimensions[m.name].ranks for m in item.of("dimension") if m.name in dimensions}
        if item.before in ("on", "en", "with", "con") and ranks & {
            m.name for other in self.items for m in other.of("measure")
        }:
            return True  # "which branch spends the most on suppliers"
        shaped = index == 0 or any(
            other.is_cue(*DESC, *ASC, "order", "compare", "share", *OPERATORS) for other in self.items
        )
        return not shaped and (bool(near & WHOLE) or self._has_place(index))

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
        """Return whether "not", "except" … stands right before the value, or before the list that it is in."""
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
