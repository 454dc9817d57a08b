"""What can be asked: the figures, what they may be split by, the documents, and questions that work."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any, Final, Literal

from orchestrator import catalogue
from orchestrator.engines.extract import ARROW
from orchestrator.pipeline.semantic.lexicon import Lexicon
from orchestrator.pipeline.semantic.model import Measure, SemanticLayer
from orchestrator.pipeline.semantic.offer import working
from orchestrator.pipeline.semantic.reach import Reach
from orchestrator.store.engine import ro
from orchestrator.store.rows import Row, all_rows, one_row

Language = Literal["en", "es"]
_FIGURES: Final = 3
#: Forms of `offer`: a ranking of bars, a line over time, a single winner.
_FORMS: Final = (0, 3, 1)
_ABOUT_DOCUMENTS: Final = 2
_DOCUMENTS: Final = 50
_TOPICS: Final = 6

LAYER = "SELECT layer, updated_at FROM switchyard_warehouse WHERE tenant_id = :tenant"
#: The first headings of each document that has been read, in their order; a chunk without a heading carries the title.
DOCUMENTS = """
SELECT d.id, d.title, d.language,
       coalesce((SELECT jsonb_agg(h.heading ORDER BY h.n) FROM (
          SELECT c.heading, min(c.n) AS n FROM switchyard_chunk c
          WHERE c.document_id = d.id AND c.heading <> '' AND c.heading <> d.title
          GROUP BY c.heading ORDER BY min(c.n) LIMIT :topics) h), '[]'::jsonb) AS headings
FROM switchyard_document d WHERE d.tenant_id = :tenant AND d.state = 'indexed' ORDER BY d.created_at, d.id LIMIT :most
"""


def what_can_be_asked(*, tenant: str, language: Language, today: dt.date) -> dict[str, Any]:
    """Return what a tenant's data and documents answer, in `language`.

    Returns:
        `questions` (`[{route, text}]`, each figure's question tried on the layer), `measures` and `dimensions` (labels,
        in the layer's order), and `documents` (`[{id, title, topics}]`, at most 50).

    Raises:
        StoreDownError: PostgreSQL does not answer.
    """
    data = _data(tenant, one_row(ro(), LAYER, tenant=tenant), language, today)
    documents = all_rows(ro(), DOCUMENTS, tenant=tenant, most=_DOCUMENTS, topics=_TOPICS)
    return {
        "questions": [
            *({"route": "sql", "text": text} for text in data.questions),
            *({"route": "rag", "text": text} for text in about(documents, language)),
            {"route": "chat", "text": catalogue.text("asking.help", language)},
        ],
        "measures": list(data.measures),
        "dimensions": list(data.dimensions),
        "documents": [
            {"id": each["id"], "title": each["title"], "topics": [_last(path) for path in each["headings"]]}
            for each in documents
        ],
    }


def about(documents: Sequence[Row], language: Language) -> Iterator[str]:
    """Yield a question each about the first documents with a topic, those in the reader's own language first."""
    mine = sorted(documents, key=lambda each: each["language"] != language)
    with_topics = [(each["title"], _last(each["headings"][0])) for each in mine if each["headings"]]
    for title, topic in with_topics[:_ABOUT_DOCUMENTS]:
        yield catalogue.text("asking.document", language, title=title, topic=topic)


def figures(layer: SemanticLayer, *, language: Language, today: dt.date) -> Iterator[str]:
    """Yield questions about figures of different kinds, each in another form, what the company looks at most first."""
    lexicon, reach = Lexicon(layer, {}), Reach(layer)
    usual = [name for name in (layer.sold, layer.busiest) if name is not None]
    facts: list[str] = []
    asked: set[str] = set()
    names = dict.fromkeys((*usual, *layer.measures))
    # Where there are few facts, another figure of one of them.
    for again, name in (*((False, name) for name in names), *((True, name) for name in names)):
        measure = layer.measures[name]
        fact = _fact(layer, measure)
        if measure.hidden or fact is None or name in asked or (fact in facts and not again):
            continue
        fitting = [one for one in layer.dimensions if reach.reaches((name,), one, directly=True)]
        # Another dimension, too: four times "by branch" would tell little of what is there.
        turned = fitting[3 * len(facts) % max(1, len(fitting)) :] + fitting
        question = next(working(lexicon, name, turned, language, today, form=_FORMS[len(facts) % len(_FORMS)]), None)
        if question is not None:
            facts.append(fact)
            asked.add(name)
            yield question


@dataclass(frozen=True, slots=True, kw_only=True)
class _Data:
    """What one version of a layer answers on one day, in one language."""

    version: object
    today: dt.date
    questions: tuple[str, ...]
    measures: tuple[str, ...]
    dimensions: tuple[str, ...]


#: By tenant and language: composing the questions costs tens of milliseconds. Threads that race do the same work twice.
_KEPT: dict[tuple[str, Language], _Data] = {}
_NOTHING = _Data(version=None, today=dt.date.min, questions=(), measures=(), dimensions=())


def _data(tenant: str, row: Row | None, language: Language, today: dt.date) -> _Data:
    if row is None:
        return _NOTHING
    kept = _KEPT.get((tenant, language))
    if kept is None or (kept.version, kept.today) != (row["updated_at"], today):
        layer = SemanticLayer.model_validate(row["layer"])
        kept = _Data(
            version=row["updated_at"],
            today=today,
            questions=tuple(islice(figures(layer, language=language, today=today), _FIGURES)),
            measures=tuple(m.labels.shown(language) for m in layer.measures.values() if not m.hidden),
            dimensions=tuple(d.labels.shown(language) for d in layer.dimensions.values()),
        )
        _KEPT[tenant, language] = kept
    return kept


def _fact(layer: SemanticLayer, measure: Measure) -> str | None:
    if measure.sources:
        return measure.sources[0].fact
    return _fact(layer, layer.measures[measure.ratio.over[0]]) if measure.ratio is not None else None


def _last(path: str) -> str:
    return path.rsplit(ARROW, maxsplit=1)[-1]
