"""One line that says what was computed, and what else could be asked, in the user's language."""

from __future__ import annotations

import datetime as dt
from typing import Final, Literal

from rapidfuzz import fuzz

from orchestrator.pipeline.semantic.lexicon import GRAINS
from orchestrator.pipeline.semantic.model import Measure, SemanticLayer
from orchestrator.pipeline.semantic.query import Filter, Query
from orchestrator.pipeline.semantic.ranges import Range
from orchestrator.pipeline.semantic.texts import grain_label, phrase, value_label
from orchestrator.pipeline.semantic.words import plain

Language = Literal["en", "es"]
_OFFERED: Final = 6
_LIKE: Final = 60.0


def describe(query: Query, layer: SemanticLayer, *, language: Language) -> str:
    """Return measure, groups, filters and range as one line."""
    parts = [_measures(query, layer, language)]
    if query.groups and not query.within:
        parts[0] += " " + phrase(
            "by", language, other=", ".join(_dimension(name, layer, language) for name in query.groups)
        )
    parts += [_filter(item, layer, language) for item in query.filters]
    if query.limit is not None and query.order is not None:
        parts.append(_rank(query, layer, language))
    parts += [_threshold(query, layer, language)] if query.thresholds else []
    if query.share == "filter":
        parts.append(phrase("share_of", language))
    parts.append(_span(query.span, language))
    if query.earlier is not None:
        parts.append(phrase("against", language, other=_span(query.earlier, language)))
    parts += [phrase("taken", language, label=said, other=taken) for said, taken in query.corrections]
    line = " · ".join(part for part in parts if part)
    return line[:1].upper() + line[1:]


def abilities(layer: SemanticLayer, question: str, *, language: Language) -> tuple[str, ...]:
    """Return what could be asked instead: the measures nearest to the question, then what they can be split by."""
    asked = plain(question)
    offered = [measure for measure in layer.measures.values() if not measure.hidden]

    def nearness(measure: Measure) -> float:
        found = max(fuzz.token_set_ratio(asked, plain(label)) for label in (*measure.labels.en, *measure.labels.es))
        # Below this, likeness is chance and the layer's own order says more.
        return found if found >= _LIKE else 0.0

    ranked = sorted(offered, key=lambda measure: -nearness(measure))
    measures = tuple(dict.fromkeys(measure.labels.shown(language) for measure in ranked))[:_OFFERED]
    dimensions = tuple(dimension.labels.shown(language) for dimension in layer.dimensions.values())[:_OFFERED]
    return (*measures, *(phrase("by", language, other=name) for name in dimensions))


def _measures(query: Query, layer: SemanticLayer, language: Language) -> str:
    names = [_measure(name, layer, language) for name in query.measures]
    if query.per is not None:
        key = "percent_of" if query.per_scale != 1 else "per"
        names[0] = phrase(key, language, label=names[0], other=layer.measures[query.per].labels.shown(language))
    if query.average is not None:
        names[0] = phrase("mean", language, label=names[0], other=grain_label(query.average, language))
    if query.count_groups:
        return (
            phrase("how_many", language, label=_dimension(query.groups[0], layer, language)) + f" ({', '.join(names)})"
        )
    return ", ".join(names)


def _measure(name: str, layer: SemanticLayer, language: Language) -> str:
    """Return the label with its unit, which the writer puts to the figures."""
    measure = layer.measures[name]
    label = measure.labels.shown(language)
    unit = {"money": layer.currency, "percent": "%"}.get(measure.format, "")
    return f"{label} ({unit})" if unit else label


def _dimension(name: str, layer: SemanticLayer, language: Language) -> str:
    return grain_label(name, language) if name in GRAINS else layer.dimensions[name].labels.shown(language)


def _filter(item: Filter, layer: SemanticLayer, language: Language) -> str:
    values = ", ".join(value_label(value, language) for value in item.values)
    said = f"{_dimension(item.dimension, layer, language)}: {values}"
    return phrase("without", language, other=said) if item.negated else said


def _rank(query: Query, layer: SemanticLayer, language: Language) -> str:
    key = "top" if query.order == "desc" else "bottom"
    count = str(query.limit)
    if query.limit == 1 and not query.within:
        return phrase("highest" if query.order == "desc" else "lowest", language)
    if not query.within:
        return phrase(key, language, other=count)
    rest = ", ".join(_dimension(name, layer, language) for name in query.groups if name not in query.within)
    inside = ", ".join(_dimension(name, layer, language) for name in query.within)
    return phrase(f"{key}_within", language, label=inside, other=f"{count} ({rest})")


def _threshold(query: Query, layer: SemanticLayer, language: Language) -> str:
    return ", ".join(
        f"{layer.measures[item.measure].labels.shown(language)} {item.operator} {item.bound:g}"
        for item in query.thresholds
    )


def _span(span: Range | None, language: Language) -> str:
    if span is None:
        return ""
    last = None if span.end is None else span.end - dt.timedelta(days=1)
    if span.start is None:
        return phrase("until", language, other=_day(last, language))
    if last is None:
        return phrase("since", language, other=_day(span.start, language))
    if last == span.start:
        return _day(last, language)
    return f"{_day(span.start, language)} – {_day(last, language)}"


_MONTHS = {
    "en": ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"),
    "es": ("ene", "feb", "mar", "abr", "may", "jun", "jul", "ago", "sep", "oct", "nov", "dic"),
}


def _day(day: dt.date | None, language: Language) -> str:
    return "" if day is None else f"{day.day} {_MONTHS[language][day.month - 1]} {day.year}"
