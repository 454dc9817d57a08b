"""Small expressions that composed statements are made of."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import Literal

from sqlglot import exp

from orchestrator.pipeline.semantic.grains import ORDER, SQL
from orchestrator.pipeline.semantic.lexicon import GRAINS
from orchestrator.pipeline.semantic.model import Fact, SemanticLayer
from orchestrator.pipeline.semantic.query import Filter, Misread, Query
from orchestrator.pipeline.semantic.ranges import Range
from orchestrator.pipeline.semantic.reach import parsed
from orchestrator.pipeline.semantic.texts import grain_label, phrase

Language = Literal["en", "es"]


@dataclass(slots=True, kw_only=True)
class Terms:
    """Dimensions, conditions and labels of one query over one layer."""

    query: Query
    layer: SemanticLayer
    language: Language

    def _needs_date(self) -> bool:
        grains = {*self.query.groups, *(item.dimension for item in self.query.filters), self.query.average or ""}
        return self.query.span is not None or bool(grains & (set(GRAINS) - {"hour", "service"}))

    def _needs_clock(self) -> bool:
        return bool({*self.query.groups, *(item.dimension for item in self.query.filters)} & {"hour", "service"})

    def _dimension(self, fact: Fact, name: str) -> exp.Expr:
        if name not in GRAINS:
            return parsed(self.layer.dimensions[name].sql, self.layer.dialect).copy()
        template = SQL[self.layer.dialect].get(name)
        if template is None:
            raise Misread("this database's dialect can't group so", words=(name,))
        return self._grain(fact, template)

    def _grain(self, fact: Fact, template: str) -> exp.Expr:
        stands = {"d": fact.date, "c": fact.clock}

        def place(node: exp.Expr) -> exp.Expr:
            if isinstance(node, exp.Column) and not node.table and node.name in stands:
                text = stands[node.name]
                if text is None:
                    raise Misread("the measure has no dates")
                return parsed(text, self.layer.dialect).copy()
            return node

        return parsed(template, self.layer.dialect).copy().transform(place)

    def _weekday_order(self, fact: Fact) -> exp.Expr:
        template = ORDER[self.layer.dialect].get("weekday")
        if template is None:
            raise Misread("this database's dialect can't group so", words=("weekday",))
        return self._grain(fact, template)

    def _condition(self, fact: Fact, item: Filter) -> exp.Expr:
        expression = self._dimension(fact, item.dimension)
        values = [exp.Literal.string(value) for value in item.values]
        if len(values) == 1:
            return (exp.NEQ if item.negated else exp.EQ)(this=expression, expression=values[0])
        inside = exp.In(this=expression, expressions=list(values))
        return exp.not_(inside) if item.negated else inside

    def _within(self, fact: Fact, span: Range) -> exp.Expr:
        if fact.date is None:
            raise Misread("the measure is only known for now")
        date = parsed(fact.date, self.layer.dialect)
        bounds: list[exp.Expr] = []
        if span.start is not None:
            bounds.append(exp.GTE(this=date.copy(), expression=self._date(span.start)))
        if span.end is not None:
            bounds.append(exp.LT(this=date.copy(), expression=self._date(span.end)))
        return exp.and_(*bounds)

    def _date(self, day: dt.date) -> exp.Expr:
        literal = exp.Literal.string(day.isoformat())
        # SQLite compares dates as text.
        return literal if self.layer.dialect == "sqlite" else exp.cast(literal, "date")

    def _group_label(self, name: str) -> str:
        if name in GRAINS:
            return grain_label(name, self.language)
        return self.layer.dimensions[name].labels.shown(self.language)

    def _label(self, name: str, *, per: str | None) -> str:
        label = self.layer.measures[name].labels.shown(self.language)
        if per is not None:
            key = "percent_of" if self.query.per_scale != 1 else "per"
            return phrase(key, self.language, label=label, other=self.layer.measures[per].labels.shown(self.language))
        if self.query.average is not None:
            return phrase("mean", self.language, label=label, other=grain_label(self.query.average, self.language))
        return label


def named(name: str) -> exp.Column:
    """Return a result's column, by its quoted name."""
    return exp.column(exp.to_identifier(name, quoted=True))


def first_of(name: str, parts: int) -> exp.Expr:
    """Return the group of the first part that has the row."""
    columns = [exp.column(name, table=f"part_{index}") for index in range(parts)]
    return columns[0] if len(columns) == 1 else exp.Coalesce(this=columns[0], expressions=columns[1:])


def number(value: float) -> str:
    """Return a number as SQL writes it."""
    return str(int(value)) if value == int(value) else repr(value)


def scaled(scale: float, over: exp.Expr, under: exp.Expr) -> exp.Expr:
    """Return `scale * over / under`, as a fraction, and NULL over nothing."""
    left = exp.Mul(this=exp.Literal.number(repr(float(scale))), expression=exp.paren(over.copy()))
    return exp.Div(this=left, expression=exp.Nullif(this=under.copy(), expression=exp.Literal.number(0)))


def held(tree: exp.Expr, condition: exp.Expr) -> exp.Expr:
    """Return the tree with every aggregate held to the condition."""

    def hold(node: exp.Expr) -> exp.Expr:
        if isinstance(node, exp.AggFunc):
            return exp.Filter(this=node.copy(), expression=exp.Where(this=condition.copy()))
        return node

    if isinstance(tree, exp.AggFunc):
        return hold(tree)
    for aggregate in list(tree.find_all(exp.AggFunc)):
        aggregate.replace(hold(aggregate))
    return tree
