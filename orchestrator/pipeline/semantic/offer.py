"""Questions that would work, nearest to one that did not, in the user's language."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Iterator
from typing import Final, Literal

from rapidfuzz import fuzz

from orchestrator.pipeline.semantic.compose import compose
from orchestrator.pipeline.semantic.frequency import read_frequency
from orchestrator.pipeline.semantic.lexicon import GRAINS, Item, Lexicon
from orchestrator.pipeline.semantic.model import Measure, SemanticLayer
from orchestrator.pipeline.semantic.query import Misread
from orchestrator.pipeline.semantic.ranges import Range
from orchestrator.pipeline.semantic.reach import Reach
from orchestrator.pipeline.semantic.reading import read
from orchestrator.pipeline.semantic.texts import grain_label
from orchestrator.pipeline.semantic.words import EMPTY, plain, tokens

Language = Literal["en", "es"]
_MOST: Final = 3
#: Below this, likeness of two words is chance.
_LIKE: Final = 82.0
_FORMS: Final[dict[Language, tuple[str, ...]]] = {
    "en": (
        "{measure} by {dimension} last month",
        "Which {dimension} has the {most} {measure} this year?",
        "{measure} by {dimension}",
        "{measure} by week this year",
    ),
    "es": (
        "{measure} por {dimension} el mes pasado",
        "¿Qué {dimension} tiene más {measure} este año?",
        "{measure} por {dimension}",
        "{measure} por semana este año",
    ),
}


def offers(lexicon: Lexicon, question: str, *, language: Language, today: dt.date) -> tuple[str, ...]:
    """Return up to three questions that the layer answers, each tried before it is offered.

    What the question names comes first, then what sounds like it, then the layer's own order.
    """
    layer, reach = lexicon.layer, Reach(lexicon.layer)
    words = tokens(read_frequency(plain(question)).text)
    items = lexicon.items(words)
    measures = _measures(layer, items, {word.text for word in words if word.text not in EMPTY})
    named = list(dict.fromkeys(_dimensions(items)))
    found: dict[str, str] = {}
    for name in measures:
        fitting = [
            one for one in (*named, *layer.dimensions) if one in GRAINS or reach.reaches((name,), one, directly=True)
        ]
        if text := next(working(lexicon, name, fitting, language, today, form=len(found) % 2), None):
            found[name] = text
        if len(found) == _MOST:
            break
    return tuple(found.values())


def _measures(layer: SemanticLayer, items: Iterable[Item], words: set[str]) -> list[str]:
    offered = {name: measure for name, measure in layer.measures.items() if not measure.hidden}
    said = [meaning.name for item in items for meaning in item.of("measure")]
    usual = [name for name in (layer.sold, layer.busiest) if name is not None]
    likeness = {name: _likeness(measure, words) for name, measure in offered.items()}
    alike = sorted((name for name in offered if likeness[name] >= _LIKE), key=lambda name: -likeness[name])
    reach = Reach(layer)
    dated = [name for name in offered if all(reach.source(part, ("day",)) for part in reach.parts(name))]
    ranked = [name for name in dict.fromkeys((*said, *alike, *usual, *offered)) if name in offered]
    return [*(name for name in ranked if name in dated), *(name for name in ranked if name not in dated)]


def _likeness(measure: Measure, words: set[str]) -> float:
    labels = {word for label in (*measure.labels.en, *measure.labels.es) for word in plain(label).split()} - EMPTY
    # Short words are near to everything.
    pairs = [fuzz.ratio(word, label) for word in words for label in labels if len(word) > 3 and len(label) > 3]
    return max(pairs, default=0.0)


def _dimensions(items: Iterable[Item]) -> Iterator[str]:
    for item in items:
        for meaning in item.meanings:
            if meaning.kind in ("dimension", "value"):
                yield meaning.name


def _stems(text: str) -> list[str]:
    return [token.stem for token in tokens(plain(text))]


def _is_over(layer: SemanticLayer, measure: str, span: Range) -> bool:
    """Return whether a range begins after the last row that was seen of a measure's fact."""
    facts = (layer.facts[source.fact] for source in layer.measures[measure].sources)
    last = next((fact.rows_until for fact in facts), None)
    return last is not None and span.start is not None and last < span.start


def working(
    lexicon: Lexicon, measure: str, dimensions: Iterable[str], language: Language, today: dt.date, *, form: int
) -> Iterator[str]:
    """Yield, for each dimension, a question about `measure` that the layer answers: in form 0 to 3, else in another."""
    layer = lexicon.layer
    forms = _FORMS[language]
    label = layer.measures[measure].labels.shown(language)
    for dimension in dict.fromkeys(dimensions):
        known = layer.dimensions.get(dimension)
        if layer.drafted and known is not None and (not known.fetch or "__" in known.sql):
            continue  # "by active or not" and "by store country" are understood, and nobody's words
        name = known.labels.shown(language) if known is not None else grain_label(dimension, language)
        if _stems(name) == _stems(label):
            continue  # "members by member"
        for each in (forms[form], *forms):
            most = "most" if layer.measures[measure].format == "count" else "highest"
            text = each.format(measure=label, dimension=name, most=most)
            try:
                query = read(text, lexicon, today=today)
                compose(query, layer, language=language)
            except Misread:
                continue
            if query.span is not None and _is_over(layer, measure, query.span):
                continue
            yield text[:1].upper() + text[1:]
            break
