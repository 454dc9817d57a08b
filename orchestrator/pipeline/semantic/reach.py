"""Which fact a measure is computed over: the first that reaches everything the question names."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from functools import lru_cache

import sqlglot
from sqlglot import exp
from sqlglot.errors import SqlglotError

from orchestrator.errors import EngineError
from orchestrator.pipeline.semantic.lexicon import GRAINS
from orchestrator.pipeline.semantic.model import Fact, Join, SemanticLayer, Source
from orchestrator.pipeline.semantic.query import Misread, Query


@lru_cache(maxsize=2_048)
def parsed(sql: str, dialect: str) -> exp.Expr:
    """Return the tree of one of the layer's own expressions; copy it before changing it.

    Raises:
        EngineError: it is not SQL.
    """
    try:
        return sqlglot.parse_one(sql, dialect=dialect)
    except (SqlglotError, RecursionError) as exc:
        raise EngineError("the semantic layer holds what is not SQL", engine="semantic") from exc


def aliases(sql: str, dialect: str) -> frozenset[str]:
    """Return the aliases that an expression of the layer names."""
    return frozenset(column.table for column in parsed(sql, dialect).find_all(exp.Column) if column.table)


class Reach:
    """Ways from facts to dimensions, always from many rows to one."""

    def __init__(self, layer: SemanticLayer) -> None:
        self.layer = layer

    def path(self, fact: Fact, alias: str) -> tuple[Join, ...] | None:
        """Return the joins from the fact to an alias, shortest first; None where there is no way."""
        ways: dict[str, tuple[Join, ...]] = {fact.relation: ()}
        line = [fact.relation]
        while line:
            here = line.pop(0)
            if here == alias:
                return ways[here]
            for join in self.layer.joins:
                if join.start == here and join.to not in ways and _meant(fact, join):
                    ways[join.to] = (*ways[here], join)
                    line.append(join.to)
        return None

    def source(self, measure: str, dimensions: Iterable[str], *, prefer: Collection[str] = ()) -> Source | None:
        """Return the first source of a plain measure whose fact has the dimensions; a preferred fact if it can be."""
        known = self.layer.measures[measure]
        wanted = tuple(dimensions)
        if set(known.not_by) & set(wanted):
            return None
        fit = [source for source in known.sources if all(self._has(source, name) for name in wanted)]
        return next((source for source in fit if source.fact in prefer), next(iter(fit), None))

    def _has(self, source: Source, dimension: str) -> bool:
        fact = self.layer.facts[source.fact]
        if dimension in GRAINS:
            return (fact.clock if dimension in ("hour", "service") else fact.date) is not None
        wanted = aliases(self.layer.dimensions[dimension].sql, self.layer.dialect)
        return all(self.path(fact, alias) is not None for alias in wanted)

    def way(self, measures: Sequence[str], dimension: str) -> tuple[str, ...]:
        """Return the relations between the first measure and a dimension that it reaches, and the dimension's SQL last.

        Two dimensions with the same way are the same thing under two names.
        """
        source = self.source(self.parts(measures[0])[0], (dimension,)) if measures else None
        if source is None or dimension in GRAINS:
            return (dimension,)
        sql = self.layer.dimensions[dimension].sql
        passed: tuple[str, ...] = ()
        for alias in sorted(aliases(sql, self.layer.dialect)):
            path = self.path(self.layer.facts[source.fact], alias) or ()
            passed += tuple(join.relation or join.to for join in path)
            sql = sql.replace(f'"{alias}".', "")
        return (*passed, sql)

    def parts(self, measure: str) -> tuple[str, ...]:
        """Return the plain measures that a measure is made of."""
        ratio = self.layer.measures[measure].ratio
        return (measure,) if ratio is None else tuple(part for side in ratio.over for part in self.parts(side))

    def reaches(self, measures: Sequence[str], dimension: str, *, directly: bool = False) -> bool:
        """Return whether each measure, or (unless `directly`) its stand-in, can be held to the dimension."""
        for name in measures:
            known = self.layer.measures[name]
            if dimension in known.not_by:
                return False
            parts = self.parts(name if directly else known.instead.get(dimension, name))
            if not all(self.source(part, (dimension,)) for part in parts):
                return False
        return True

    def check(self, query: Query) -> None:
        """Refuse a query whose parts have no figure together.

        Raises:
            Misread: a measure can't be grouped or filtered so, or has no dates.
        """
        named = self.named(query)
        for name in self.all_measures(query):
            if set(self.layer.measures[name].not_by) & set(named):
                raise Misread("the measure has no meaning by this dimension", words=(name,))
            for part in self.parts(name):
                source = self.source(part, named)
                if source is None:
                    raise Misread("the measure can't be split so", words=(part,))
                if (
                    query.span is not None
                    and self.layer.facts[source.fact].date is None
                    and (self.layer.drafted or not _only_now(query))
                ):
                    raise Misread("the measure is only known for now", words=(part,))

    def named(self, query: Query) -> tuple[str, ...]:
        """Return all dimensions and grains that the query names."""
        grains = (query.average,) if query.average else ()
        return tuple(dict.fromkeys((*query.groups, *(item.dimension for item in query.filters), *grains)))

    def all_measures(self, query: Query) -> tuple[str, ...]:
        """Return all measures that the query names."""
        per = (query.per,) if query.per else ()
        return tuple(dict.fromkeys((*query.measures, *per, *(item.measure for item in query.thresholds))))


def _meant(fact: Fact, join: Join) -> bool:
    return join.to not in fact.unclear and fact.via.get(join.to, join.start) == join.start


def _only_now(query: Query) -> bool:
    return query.span is not None and query.span.running and query.earlier is None
