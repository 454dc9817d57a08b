"""A few sentences that say what the rows of a result say."""

from __future__ import annotations

import datetime as dt
import re
from collections import defaultdict
from typing import Final

from orchestrator.engines.llm import Language, TableMaterial
from orchestrator.engines.llm_builtin_format import at_moment, escape, figure, human, listed, moment, without_unit
from orchestrator.engines.llm_builtin_shape import Line, Measure, Shape, shape_of
from orchestrator.engines.llm_builtin_strings import say

_SUBJECT_CHARS: Final = 240
_LISTED: Final = 5
_FEW: Final = 3
_LOW: Final = re.compile(
    r"\b(?:lowest|least|fewest|worst|smallest|cheapest|bottom|slowest|menor|menos|peor(?:es)?|m[ií]nimos?|bajos?|bajas?)\b",
    re.IGNORECASE,
)
_CHANGE: Final = re.compile(r"^(?:change|variaci[oó]n)$", re.IGNORECASE)
#: A row with its figure.
_Pair = tuple[Line, float]


def describe_table(material: TableMaterial, *, question: str, language: Language) -> str:
    """Return at most four sentences: the answer first, then what stands out, then what is missing.

    A sum is only named where the measure can be summed and no row can be missing.
    """
    subject = _subject(material, language)
    shape = shape_of(material, language)
    if not shape.lines:
        if not material.description:
            return say("empty_bare", language)
        return say("empty", language, facts={"subject": _quoted(subject, language)})
    sentences = _Writer(subject, shape, f"{question} {material.description}", language).sentences()
    if material.table.truncated:
        sentences = [*sentences[:3], say("truncated", language, facts={"count": _count(len(shape.lines), language)})]
    return " ".join(sentences[:4])


def _subject(material: TableMaterial, language: Language) -> str:
    text = without_unit(material.description).rstrip(".:;, ")[:_SUBJECT_CHARS]
    if not text:
        return say("result", language)
    return escape(text[:1].upper() + text[1:])


def _quoted(subject: str, language: Language) -> str:
    return f"«{subject}»" if language == "es" else f"“{subject}”"


def _count(count: int, language: Language) -> str:
    return figure(count, unit="", decimals=0, language=language)


class _Writer:
    """One result being put into words."""

    def __init__(self, subject: str, shape: Shape, wish: str, language: Language) -> None:
        self._subject = subject
        self._shape = shape
        self._wish = wish
        self._language: Language = language

    def sentences(self) -> list[str]:
        shape = self._shape
        if not shape.measures:
            return [self._names()]
        measure = shape.measures[0]
        pairs = [(line, value) for line in shape.lines if (value := line.figures[0]) is not None]
        if not pairs:
            return [say("null", self._language, facts={"subject": _quoted(self._subject, self._language)})]
        if len(shape.lines) == 1:
            return self._single(measure, *pairs[0])
        if shape.timed and shape.named:
            return self._crossed(measure, pairs)
        if shape.timed:
            return self._trend(measure, pairs)
        if shape.named:
            return self._ranking(measure, pairs)
        return [self._names()]

    def _say(self, key: str, **facts: object) -> str:
        return say(key, self._language, facts={"subject": self._subject, **facts})

    def _text(self, measure: Measure, value: float) -> str:
        return measure.text(value, self._language)

    def _others(self, line: Line) -> list[str]:
        pairs = zip(self._shape.measures[1:], line.figures[1:], strict=True)
        known = [f"{human(m.column).lower()} {self._text(m, v)}" for m, v in pairs if v is not None][:4]
        if not known:
            return []
        values = listed(known, self._language)
        if line.name and len(self._shape.lines) > 1:
            return [self._say("other_of", name=line.name, values=values)]
        return [self._say("one_other", values=values)]

    def _single(self, measure: Measure, line: Line, value: float) -> list[str]:
        text = self._text(measure, value)
        name = line.name
        if line.when is not None:
            when = moment(line.when, self._language)
            if not name:
                at = at_moment(line.when, self._language)
                return [self._say("one_moment", value=text, when=at), *self._others(line)]
            name = f"{name}, {when}"
        if name:
            return [self._say("one_named", name=name, value=text), *self._others(line)]
        if len(self._shape.measures) == 1:
            return [self._say("value", value=text)]
        if (change := self._change(line)) is not None:
            then = self._text(measure, line.figures[1] or 0.0)
            return [self._say("compared", now=text, then=then, change=change)]
        named = [
            f"{human(m.column).lower()} **{self._text(m, v)}**"
            for m, v in zip(self._shape.measures, line.figures, strict=True)
            if v is not None
        ]
        return [self._say("values", values=listed(named[:6], self._language))]

    def _change(self, line: Line) -> str | None:
        """Return the change of a figure that stands beside its earlier one, or None where it does not."""
        measures, known = self._shape.measures, [value for value in line.figures if value is not None]
        if len(measures) != 4 or len(known) != 4 or not _CHANGE.match(measures[2].column):  # now, before, both changes
            return None
        measure, by, percent = measures[0], known[2], known[3]
        if measure.unit == "%":
            # Of a rate the difference is in points; a per cent of a per cent is misread.
            value = figure(by, unit="", decimals=1, language=self._language, signed=True)
            return self._say("points", value=value)
        decimals = measure.decimals
        said = figure(by, unit=measure.unit, decimals=decimals, language=self._language, signed=True)
        return f"{said}, {figure(percent, unit='%', decimals=1, language=self._language, signed=True)}"

    def _ranking(self, measure: Measure, pairs: list[_Pair]) -> list[str]:
        ranked = sorted(pairs, key=lambda pair: -pair[1])
        values = [value for _, value in pairs]
        if self._shape.partial and values not in (sorted(values), sorted(values, reverse=True)):
            # Cut, and not by this figure: which row is first among all is unknown.
            return [self._names()]
        if len(ranked) == 2 and values[0] == values[1]:
            both = listed([line.name for line, _ in ranked], self._language)
            return [self._say("both_equal", names=both, value=self._text(measure, values[0]))]
        if ranked[0][1] == ranked[-1][1]:
            return [self._say("all_equal", count=len(ranked), value=self._text(measure, values[0]))]
        rising = values == sorted(values)
        if rising and (_LOW.search(self._wish) or len(values) >= _LISTED):
            return self._from_below(measure, pairs)
        # A column of shares says it better, and of the whole that was meant.
        rates = any(other.unit == "%" for other in self._shape.measures[1:])
        whole = measure.additive and not self._shape.partial and len(ranked) == len(self._shape.lines)
        first = [pair for pair in ranked if pair[1] == ranked[0][1]]
        out: list[str] = []
        if len(first) > 1:
            names = [f"**{line.name}**" for line, _ in first[:_LISTED]]
            if len(first) > _LISTED:
                names.append(self._say("about_more", count=len(first) - _LISTED))
            joined = ", ".join(names) if len(first) > _LISTED else listed(names, self._language)
            out.append(self._say("tied", names=joined, value=self._text(measure, ranked[0][1])))
            told = len(first)
        else:
            told = min(len(ranked), _FEW)
            out.append(
                self._say(
                    "leader",
                    name=ranked[0][0].name,
                    value=self._text(measure, ranked[0][1]),
                    share=self._share(ranked[0][1], values) if whole and not rates else "",
                    next=self._next("followed", measure, ranked[1:told]),
                )
            )
            out.extend(self._others(ranked[0][0]))
        if told < len(ranked) and not self._shape.partial:
            line, value = ranked[-1]
            out.append(self._say("lowest", name=line.name, value=self._text(measure, value)))
        if whole:
            out.append(self._say("together", count=len(ranked), total=self._text(measure, sum(values))))
        return out

    def _from_below(self, measure: Measure, pairs: list[_Pair]) -> list[str]:
        line, value = pairs[0]
        nearest = self._next("next_lowest", measure, pairs[1:_FEW])
        out = [self._say("trailer", name=line.name, value=self._text(measure, value), next=nearest)]
        if len(pairs) > _FEW and not self._shape.partial:
            line, value = pairs[-1]
            out.append(self._say("highest", name=line.name, value=self._text(measure, value)))
        return out

    def _next(self, key: str, measure: Measure, pairs: list[_Pair]) -> str:
        names = [f"{line.name} ({self._text(measure, value)})" for line, value in pairs]
        return self._say(key, names=listed(names, self._language)) if names else ""

    def _share(self, value: float, values: list[float]) -> str:
        total = sum(values)
        if total <= 0 or min(values) < 0:
            return ""
        share = figure(100 * value / total, unit="%", decimals=1, language=self._language)
        return self._say("share", share=share)

    def _trend(self, measure: Measure, pairs: list[_Pair]) -> list[str]:
        series = sorted(pairs, key=lambda pair: _start(pair[0]))
        (first, was), (last, now) = series[0], series[-1]
        if len(series) == 1:
            return [self._say("one_moment", value=self._text(measure, was), when=self._at(first))]
        change = ""
        # Of a rate the difference in points would be meant, and a per cent of a per cent misread.
        if was > 0 and now >= 0 and measure.unit != "%":
            percent = figure(100 * (now - was) / was, unit="%", decimals=1, language=self._language, signed=True)
            change = self._say("change", change=percent)
        out = [
            self._say(
                "trend",
                first=self._text(measure, was),
                from_when=self._at(first),
                last=self._text(measure, now),
                to_when=self._at(last),
                change=change,
            )
        ]
        high, low = max(series, key=lambda pair: pair[1]), min(series, key=lambda pair: pair[1])
        if high[1] == low[1]:
            out.append(self._say("flat"))
        elif len(series) > 2 and not self._shape.partial:
            out.append(
                self._say(
                    "peak",
                    high=self._text(measure, high[1]),
                    high_when=self._at(high[0]),
                    low=self._text(measure, low[1]),
                    low_when=self._at(low[0]),
                )
            )
        if measure.additive and not self._shape.partial:
            out.append(self._say("total", total=self._text(measure, sum(value for _, value in series))))
        return out

    def _crossed(self, measure: Measure, pairs: list[_Pair]) -> list[str]:
        if self._shape.partial:
            return [self._names()]
        high, low = max(pairs, key=lambda pair: pair[1]), min(pairs, key=lambda pair: pair[1])
        out = [self._say("crossed", **self._corner(measure, high))]
        if high[1] != low[1]:
            out.append(self._say("crossed_low", **self._corner(measure, low)))
        if measure.additive and len(pairs) == len(self._shape.lines):
            sums: dict[str, float] = defaultdict(float)
            for line, value in pairs:
                sums[line.name] += value
            name, most = max(sums.items(), key=lambda item: item[1])
            share = self._share(most, list(sums.values()))
            if len(sums) > 1:
                out.append(self._say("crossed_leader", name=name, value=self._text(measure, most), share=share))
            out.append(self._say("total", total=self._text(measure, sum(sums.values()))))
        return out

    def _corner(self, measure: Measure, pair: _Pair) -> dict[str, str]:
        line, value = pair
        when = moment(line.when, self._language) if line.when is not None else ""
        return {"value": self._text(measure, value), "name": line.name, "moment": when}

    def _at(self, line: Line) -> str:
        return at_moment(line.when, self._language) if line.when is not None else line.name

    def _names(self) -> str:
        lines = self._shape.lines
        shown = [self._full_name(line) for line in lines[:_LISTED]]
        if len(lines) <= _LISTED and not self._shape.partial:
            bold = [f"**{name}**" for name in shown]
            return self._say("list_all", names=listed(bold, self._language))
        key = "list_cut" if self._shape.partial else "list_some"
        return self._say(key, count=_count(len(lines), self._language), names=listed(shown, self._language))

    def _full_name(self, line: Line) -> str:
        when = moment(line.when, self._language) if line.when is not None else ""
        return ", ".join(part for part in (line.name, when) if part) or say("no_value", self._language)


def _start(line: Line) -> dt.datetime:
    return line.when.start if line.when is not None else dt.datetime.min
