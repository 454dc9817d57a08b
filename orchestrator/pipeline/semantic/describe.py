"""One line that says what was computed, in the user's language."""

from __future__ import annotations

import datetime as dt
from typing import Literal

from orchestrator.pipeline.semantic.lexicon import GRAINS
from orchestrator.pipeline.semantic.model import SemanticLayer
from orchestrator.pipeline.semantic.query import Filter, Query
from orchestrator.pipeline.semantic.ranges import Range
from orchestrator.pipeline.semantic.texts import day_label, grain_label, phrase, value_label

Language = Literal["en", "es"]


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
    notes = (layer.measures[name].note for name in (*query.measures, *((query.per,) if query.per else ())))
    parts += dict.fromkeys(note.shown(language) for note in notes if note is not None)
    parts += [phrase("taken", language, label=said, other=taken) for said, taken in query.corrections]
    line = " · ".join(part for part in parts if part)
    return line[:1].upper() + line[1:]


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
        return phrase("until", language, other=day_label(last, language))
    if last is None:
        return phrase("since", language, other=day_label(span.start, language))
    if last == span.start:
        return day_label(last, language)
    return f"{day_label(span.start, language)} – {day_label(last, language)}"
