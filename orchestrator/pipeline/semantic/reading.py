"""From a question to a query. Every word must be accounted for: what is not understood stops the answer."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace

from orchestrator.pipeline.semantic.frequency import read_frequency
from orchestrator.pipeline.semantic.lexicon import Lexicon
from orchestrator.pipeline.semantic.query import Misread, Query
from orchestrator.pipeline.semantic.reach import Reach
from orchestrator.pipeline.semantic.reading_shapes import ShapeReader
from orchestrator.pipeline.semantic.reading_spans import lined_up
from orchestrator.pipeline.semantic.sentence import BY
from orchestrator.pipeline.semantic.time_grammar import read_when
from orchestrator.pipeline.semantic.words import plain, tokens


def read(question: str, lexicon: Lexicon, *, today: dt.date) -> Query:
    """Return the query that a question in English or Spanish asks for.

    Raises:
        Misread: a word means nothing here, or the parts don't fit together.
    """
    frequency = read_frequency(plain(question))
    corrected, changes = lexicon.corrected(tokens(frequency.text))
    when = read_when(" ".join(token.text for token in corrected), today)
    words = tokens(when.rest)
    reader = _QuestionReader(
        lexicon=lexicon,
        words=words,
        items=lexicon.items(words),
        when=when,
        today=today,
        often=frequency.often,
        usual=frequency.usual,
    )
    acting = tuple(item for index, item in enumerate(reader.items) if reader.acts(index))
    try:
        query = reader.query()
    except Misread:
        if not acting:
            raise
        # "which dish do guests order most often": who does it is no figure.
        kept = [item for item in reader.items if item not in acting]
        query = replace(reader, items=kept, used=set()).query()
    return replace(query, corrections=tuple(changes.items()))


class _QuestionReader(ShapeReader):
    __slots__ = ()

    def acts(self, index: int) -> bool:
        """Return whether a phrase may just say who does something."""
        item, measures = self.items[index], self.lexicon.layer.measures
        named = any(measures[meaning.name].subject for meaning in item.of("measure"))
        return named and index > 0 and not self._counted(index) and item.before not in BY

    def query(self) -> Query:
        self._settle_beside()
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
        measures = self._times(measures)
        if per is not None and scale != 1:
            measures, per, scale = self._as_rate(measures, per, scale)
        query = Query(measures=tuple(measures), per=per, per_scale=scale, groups=tuple(groups), filters=tuple(filters))
        query = lined_up(self._with_time(query))
        query = self._with_average(query)
        query = self._with_order(query)
        query = self._with_thresholds(query, thresholds)
        query = self._with_share(query)
        query = self._with_trend(query)
        self._check_loss(query)
        self._check_left_over(query)
        reach.check(query)
        return query
