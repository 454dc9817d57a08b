"""From a question to a query. Every word must be accounted for: what is not understood stops the answer."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace

from orchestrator.pipeline.semantic.lexicon import Lexicon
from orchestrator.pipeline.semantic.query import Misread, Query
from orchestrator.pipeline.semantic.reach import Reach
from orchestrator.pipeline.semantic.reading_shapes import ShapeReader
from orchestrator.pipeline.semantic.reading_spans import lined_up
from orchestrator.pipeline.semantic.time_grammar import read_when
from orchestrator.pipeline.semantic.words import plain, tokens


def read(question: str, lexicon: Lexicon, *, today: dt.date) -> Query:
    """Return the query that a question in English or Spanish asks for.

    Raises:
        Misread: a word means nothing here, or the parts don't fit together.
    """
    corrected, changes = lexicon.corrected(tokens(plain(question)))
    when = read_when(" ".join(token.text for token in corrected), today)
    words = tokens(when.rest)
    reader = _QuestionReader(lexicon=lexicon, words=words, items=lexicon.items(words), when=when, today=today)
    return replace(reader.query(), corrections=tuple(changes.items()))


class _QuestionReader(ShapeReader):
    __slots__ = ()

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
        query = lined_up(self._with_time(query))
        query = self._with_average(query)
        query = self._with_order(query)
        query = self._with_thresholds(query, thresholds)
        query = self._with_share(query)
        query = self._with_trend(query)
        self._check_left_over(query)
        reach.check(query)
        return query
