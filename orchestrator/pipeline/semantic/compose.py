"""From a query to a statement, as a tree: no word of the question is ever put into SQL text.

One fact gives one SELECT. Measures over several facts are summed apart, each by its own rows, and joined by group:
summing over joined facts would count rows twice. Shares and ranks within groups wrap that in a second SELECT.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Literal

from sqlglot import exp

from orchestrator.pipeline.semantic.compose_terms import Language, Terms, first_of, held, named, number, scaled
from orchestrator.pipeline.semantic.model import Fact, SemanticLayer, Source
from orchestrator.pipeline.semantic.query import Filter, Misread, Query
from orchestrator.pipeline.semantic.reach import Reach, aliases, parsed
from orchestrator.pipeline.semantic.texts import phrase

_COMPARE = {">": exp.GT, ">=": exp.GTE, "<": exp.LT, "<=": exp.LTE}
_TIMELINE = ("day", "week", "month", "quarter", "year", "weekday", "hour", "service")


def compose(query: Query, layer: SemanticLayer, *, language: Language) -> exp.Expr:
    """Return the statement's tree; its columns are named in the user's language.

    Raises:
        Misread: the dialect can't express a part of it.
    """
    return _Composer(query=query, layer=layer, language=language).tree()


@dataclass(frozen=True, slots=True, kw_only=True)
class _Leaf:
    """One aggregate of one fact, for one range or all."""

    measure: str
    span: Literal["all", "later", "earlier", "part"]

    @property
    def name(self) -> str:
        return f"{self.measure}_{self.span}"


@dataclass(slots=True, kw_only=True)
class _Composer(Terms):
    #: Leaf -> the source it is computed from, in the order of use.
    leaves: dict[_Leaf, Source] = field(default_factory=dict)

    def tree(self) -> exp.Expr:
        outputs = self._outputs()
        for threshold in self.query.thresholds:
            self._value(threshold.measure, "later" if self.query.earlier else "all")
        facts = list(dict.fromkeys(source.fact for source in self.leaves.values()))
        if self.query.average and len(facts) > 1:
            raise Misread("an average over several facts")
        tree = self._single(facts[0], outputs) if len(facts) == 1 else self._joined(facts, outputs)
        if self.query.count_groups:
            return self._counted(tree)
        return tree

    # -- what is shown

    def _outputs(self) -> list[tuple[str, exp.Expr]]:
        """Return the measures' columns as (label, expression over leaves)."""
        query, outputs = self.query, list[tuple[str, exp.Expr]]()
        for index, name in enumerate(query.measures):
            label = self._label(name, per=query.per if index == 0 else None)
            divisor = query.per if index == 0 else None
            if query.earlier is not None:
                later, earlier = (self._figure(name, divisor, span) for span in ("later", "earlier"))
                outputs += [
                    (label, later),
                    (phrase("earlier", self.language, label=label), earlier),
                    (phrase("change", self.language), exp.Sub(this=later.copy(), expression=earlier.copy())),
                    (
                        phrase("change_percent", self.language),
                        scaled(100, exp.Sub(this=later.copy(), expression=earlier.copy()), earlier.copy()),
                    ),
                ]
            elif query.share == "filter":
                part, whole = self._value(name, "part"), self._value(name, "all")
                outputs += [
                    (phrase("share", self.language, label=label), scaled(100, part, whole)),
                    (label, part.copy()),
                    (phrase("whole", self.language, label=label), whole.copy()),
                ]
            else:
                outputs.append((label, self._figure(name, divisor, "all")))
        return outputs

    def _figure(self, name: str, per: str | None, span: Literal["all", "later", "earlier", "part"]) -> exp.Expr:
        value = self._value(name, span)
        return value if per is None else scaled(self.query.per_scale, value, self._value(per, span))

    def _value(self, name: str, span: Literal["all", "later", "earlier", "part"]) -> exp.Expr:
        """Return a measure over its leaves; a leaf stands as a column of its name."""
        ratio = self.layer.measures[name].ratio
        if ratio is not None:
            over, under = (self._value(side, span) for side in ratio.over)
            return scaled(ratio.scale, over, under)
        leaf = _Leaf(measure=name, span=span)
        if leaf not in self.leaves:
            used = {known.fact for known in self.leaves.values()}
            source = Reach(self.layer).source(name, self._dimensions_of(name), prefer=used)
            if source is None:
                raise Misread("the measure can't be split so", words=(name,))
            self.leaves[leaf] = source
        return exp.column(leaf.name)

    def _dimensions_of(self, measure: str) -> tuple[str, ...]:
        extra = [item.dimension for item in self._held(measure)]
        return tuple(dict.fromkeys((*Reach(self.layer).named(self.query), *extra)))

    def _held(self, measure: str) -> list[Filter]:
        """Return the filters that a ratio of the query puts on its sides."""
        return [
            Filter(dimension=dimension, values=(value,))
            for name in Reach(self.layer).all_measures(self.query)
            for ratio in (self.layer.measures[name].ratio,)
            if ratio is not None and measure in Reach(self.layer).parts(name)
            for dimension, value in ratio.where.items()
        ]

    # -- one fact

    def _single(self, fact: str, outputs: Sequence[tuple[str, exp.Expr]]) -> exp.Expr:
        query = self.query
        select = self._aggregate(fact)
        groups = self._groups(fact)
        fill = self._filler()
        columns = [(label, fill(expression)) for label, expression in outputs]
        if query.share == "group" or query.within:
            return self._wrapped(select, groups, columns)
        for label, expression in (*groups, *columns):
            select.select(exp.alias_(expression.copy(), label, quoted=True), copy=False)
        for threshold in query.thresholds:
            value = fill(self._value(threshold.measure, "later" if query.earlier else "all"))
            bound = exp.Literal.number(number(threshold.bound))
            select.having(_COMPARE[threshold.operator](this=value, expression=bound), copy=False)
        return self._ordered(select, fact, columns)

    def _aggregate(self, fact: str) -> exp.Select:
        """Return the SELECT of one fact with its joins, conditions and groups, without columns."""
        query, known = self.query, self.layer.facts[fact]
        reach = Reach(self.layer)
        sources = [(leaf, source) for leaf, source in self.leaves.items() if source.fact == fact]
        held = [item for leaf, _ in sources for item in self._held(leaf.measure)]
        filters = list(dict.fromkeys((*query.filters, *held)))
        wanted: list[str] = []
        texts = [source.sql for _, source in sources] + [source.where for _, source in sources if source.where]
        texts += [
            text
            for text in (known.date if self._needs_date() else None, known.clock if self._needs_clock() else None)
            if text
        ]
        names = (*query.groups, *(item.dimension for item in filters))
        texts += [self.layer.dimensions[name].sql for name in names if name in self.layer.dimensions]
        for text in texts:
            wanted += sorted(aliases(text, self.layer.dialect))
        select = exp.Select().from_(exp.to_table(known.relation))
        joined: set[str] = set()
        for alias in dict.fromkeys(wanted):
            for join in reach.path(known, alias) or ():
                if join.to not in joined:
                    joined.add(join.to)
                    table = exp.alias_(exp.to_table(join.relation or join.to), join.to, table=True)
                    # The whole of a share also has the rows that the join would drop: orders without a table.
                    kind = "left" if query.share == "filter" else None
                    select.join(table, on=parsed(join.condition, self.layer.dialect).copy(), join_type=kind, copy=False)
        # All at once: one by one, sqlglot puts parentheses around what stands already.
        conditions = self._conditions(known, sources, filters)
        select.where(
            *(part for one in conditions for part in (one.flatten() if isinstance(one, exp.And) else (one,))),
            copy=False,
        )
        for _, expression in self._groups(fact):
            select.group_by(expression.copy(), copy=False)
        for name in query.groups:
            if name in self.layer.dimensions and (key := self.layer.dimensions[name].key) is not None:
                if name in query.within:
                    raise Misread("ranks among members that may share a name", words=(name,))
                select.group_by(parsed(key, self.layer.dialect).copy(), copy=False)
        if "weekday" in query.groups and not (query.share == "group" or query.within):
            select.group_by(self._weekday_order(known), copy=False)
        return select

    def _conditions(
        self, fact: Fact, sources: Sequence[tuple[_Leaf, Source]], filters: Sequence[Filter]
    ) -> list[exp.Expr]:
        query, conditions = self.query, list[exp.Expr]()
        wheres = {source.where for _, source in sources}
        if len(wheres) == 1 and (where := next(iter(wheres))) is not None:
            conditions.append(parsed(where, self.layer.dialect).copy())
        for item in filters:
            if query.share != "filter" or item.dimension != query.share_of:
                conditions.append(self._condition(fact, item))
        if query.span is not None and fact.date is not None:
            spans = [self._within(fact, span) for span in (query.span, query.earlier) if span is not None]
            conditions.append(spans[0] if len(spans) == 1 else exp.paren(exp.or_(*spans)))
        for name in query.groups:
            if name in self.layer.dimensions and self.layer.dimensions[name].nullable:
                null = exp.Is(this=self._dimension(fact, name), expression=exp.Null())
                conditions.append(exp.not_(null))
        return conditions

    def _groups(self, fact: str) -> list[tuple[str, exp.Expr]]:
        known = self.layer.facts[fact]
        return [(self._group_label(name), self._dimension(known, name)) for name in self.query.groups]

    def _filler(self) -> Callable[[exp.Expr], exp.Expr]:
        """Return what puts each leaf's aggregate in its place."""
        wheres = {source.where for source in self.leaves.values()}
        made = {leaf.name: self._leaf(leaf, source, own=len(wheres) > 1) for leaf, source in self.leaves.items()}

        def fill(expression: exp.Expr) -> exp.Expr:
            return expression.copy().transform(
                lambda node: (
                    made[node.name].copy()
                    if isinstance(node, exp.Column) and not node.table and node.name in made
                    else node
                )
            )

        return fill

    def _leaf(self, leaf: _Leaf, source: Source, *, own: bool) -> exp.Expr:
        """Return a leaf's aggregate, with the conditions that are its own as a FILTER."""
        fact = self.layer.facts[source.fact]
        conditions: list[exp.Expr] = []
        if own and source.where is not None:
            conditions.append(parsed(source.where, self.layer.dialect).copy())
        span = {"later": self.query.span, "earlier": self.query.earlier}.get(leaf.span)
        if span is not None:
            conditions.append(self._within(fact, span))
        if leaf.span == "part":
            conditions += [
                self._condition(fact, item) for item in self.query.filters if item.dimension == self.query.share_of
            ]
        tree = parsed(source.sql, self.layer.dialect).copy()
        if conditions:
            tree = held(tree, exp.and_(*conditions))
        if self.query.average is not None:
            days = exp.Count(this=exp.Distinct(expressions=[self._dimension(fact, self.query.average)]))
            return scaled(1, tree, held(days, exp.and_(*conditions)) if conditions else days)
        return tree

    # -- wrapped: shares of a whole, ranks within groups

    def _wrapped(
        self, select: exp.Select, groups: Sequence[tuple[str, exp.Expr]], columns: Sequence[tuple[str, exp.Expr]]
    ) -> exp.Expr:
        query = self.query
        for label, expression in (*groups, *columns):
            select.select(exp.alias_(expression.copy(), label, quoted=True), copy=False)
        for threshold in query.thresholds:
            value = self._filler()(self._value(threshold.measure, "all"))
            select.having(
                _COMPARE[threshold.operator](this=value, expression=exp.Literal.number(number(threshold.bound))),
                copy=False,
            )
        measure = columns[0][0]
        names = [label for label, _ in (*groups, *columns)]
        outer = exp.Select()
        for name in names:
            outer.select(named(name), copy=False)
        if query.share == "group":
            whole = exp.Window(this=exp.Sum(this=named(measure)), over="OVER")
            share = scaled(100, named(measure), whole)
            outer.select(exp.alias_(share, phrase("share", self.language, label=measure), quoted=True), copy=False)
            outer = outer.from_(select.subquery("per_group"))
            return self._ordered(outer, None, [(measure, named(measure))])
        inside = [self._group_label(name) for name in query.within]
        rank = exp.Window(
            this=exp.RowNumber(),
            partition_by=[named(label) for label in inside],
            order=exp.Order(
                expressions=[exp.Ordered(this=named(measure), desc=query.order == "desc", nulls_first=False)]
            ),
            over="OVER",
        )
        ranked = exp.Select()
        for name in names:
            ranked.select(named(name), copy=False)
        ranked = ranked.select(exp.alias_(rank, "place", quoted=True)).from_(select.subquery("per_group"))
        outer = outer.from_(ranked.subquery("ranked"))
        outer.where(exp.LTE(this=named("place"), expression=exp.Literal.number(query.limit or 1)), copy=False)
        for label in (*inside, "place"):
            outer.order_by(exp.Ordered(this=named(label), nulls_first=False), copy=False)
        return outer

    # -- several facts

    def _joined(self, facts: Sequence[str], outputs: Sequence[tuple[str, exp.Expr]]) -> exp.Expr:
        query = self.query
        if query.share is not None or query.within:
            raise Misread("a share over several facts")
        if any(name in self.layer.dimensions and self.layer.dimensions[name].key for name in query.groups):
            raise Misread("several facts by members that may share a name")
        outer = exp.Select()
        group_names = [f"group_{index}" for index in range(len(query.groups))]
        whole = len(query.measures) > 1
        for index, fact in enumerate(facts):
            select = self._aggregate(fact)
            select.set("group", None)
            for name, (_, expression) in zip(group_names, self._groups(fact), strict=True):
                select.select(exp.alias_(expression.copy(), name), copy=False)
                select.group_by(expression.copy(), copy=False)
            for leaf, source in self.leaves.items():
                if source.fact == fact:
                    wheres = {other.where for other in self.leaves.values() if other.fact == fact}
                    select.select(exp.alias_(self._leaf(leaf, source, own=len(wheres) > 1), leaf.name), copy=False)
            outer = outer.with_(f"part_{index}", as_=select)
            if index == 0:
                outer = outer.from_("part_0")
            elif not group_names:
                outer = outer.join(f"part_{index}", join_type="cross")
            else:
                on = [
                    exp.EQ(this=first_of(name, index), expression=exp.column(name, table=f"part_{index}"))
                    for name in group_names
                ]
                outer = outer.join(f"part_{index}", on=exp.and_(*on), join_type="full" if whole else "inner")
        owners = {leaf.name: f"part_{facts.index(source.fact)}" for leaf, source in self.leaves.items()}

        def fill(expression: exp.Expr) -> exp.Expr:
            def place(node: exp.Expr) -> exp.Expr:
                if isinstance(node, exp.Column) and node.name in owners:
                    column = exp.column(node.name, table=owners[node.name])
                    measure = self.layer.measures[node.name.rpartition("_")[0]]
                    zero = measure.format == "count" and whole
                    return exp.Coalesce(this=column, expressions=[exp.Literal.number(0)]) if zero else column
                return node

            return expression.copy().transform(place)

        columns = [(label, fill(expression)) for label, expression in outputs]
        for name, group in zip(group_names, query.groups, strict=True):
            outer = outer.select(exp.alias_(first_of(name, len(facts)), self._group_label(group), quoted=True))
        for label, expression in columns:
            outer = outer.select(exp.alias_(expression.copy(), label, quoted=True))
        for threshold in query.thresholds:
            value = fill(self._value(threshold.measure, "later" if query.earlier else "all"))
            outer = outer.where(
                _COMPARE[threshold.operator](this=value, expression=exp.Literal.number(number(threshold.bound)))
            )
        return self._ordered(outer, None, columns)

    def _counted(self, tree: exp.Expr) -> exp.Expr:
        for key in ("order", "limit"):
            tree.set(key, None)
        label = phrase("how_many", self.language, label=self._group_label(self.query.groups[0]))
        count = exp.alias_(exp.Count(this=exp.Star()), label, quoted=True)
        subquery = exp.Subquery(this=tree, alias=exp.TableAlias(this=exp.to_identifier("groups_found")))
        return exp.Select().select(count).from_(subquery)

    # -- order

    def _ordered(self, select: exp.Select, fact: str | None, columns: Sequence[tuple[str, exp.Expr]]) -> exp.Select:
        query = self.query
        if not query.groups:
            return select
        keys: list[exp.Expr] = []
        measure = columns[3][0] if query.by_change and len(columns) > 3 else columns[0][0]
        timeline = [name for name in query.groups if name in _TIMELINE]
        if query.order is None and timeline:
            rest = [name for name in query.groups if name not in timeline]
            for name in (*timeline, *rest):
                if name == "weekday" and fact is not None:
                    keys.append(exp.Ordered(this=self._weekday_order(self.layer.facts[fact]), nulls_first=False))
                else:
                    keys.append(exp.Ordered(this=named(self._group_label(name)), nulls_first=False))
        else:
            desc = query.order != "asc"
            # Without this, NULL leads a descending list.
            keys.append(exp.Ordered(this=named(measure), desc=desc, nulls_first=False))
            keys += [exp.Ordered(this=named(self._group_label(name)), nulls_first=False) for name in query.groups]
        for key in keys:
            select = select.order_by(key)
        return select.limit(query.limit) if query.limit is not None else select
