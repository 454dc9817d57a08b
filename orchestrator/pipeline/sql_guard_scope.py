"""The second half of the guard: every relation and column is one that the reader may see, in the place where it stands.

Written by hand because sqlglot's `qualify` checks less than it says: an unqualified column in HAVING passes unseen, an
unknown relation passes, and names of common table expressions hide relations from a check by name.
"""

from __future__ import annotations

import string
from collections.abc import Mapping
from dataclasses import dataclass, field

from sqlglot import exp

from orchestrator.errors import GuardRefusedError
from orchestrator.pipeline.sql_guard_shape import shown

_ASCII_LOWER = str.maketrans(string.ascii_uppercase, string.ascii_lowercase)


@dataclass(frozen=True, slots=True, kw_only=True)
class Names:
    """How the dialect compares names, and what is known by them."""

    folds_quoted: bool
    #: Folded relation -> its name, and folded column -> its name.
    relations: Mapping[str, tuple[str, Mapping[str, str]]]
    #: Whether HAVING and WHERE may name a column of the result.
    aliases_everywhere: bool

    def fold(self, identifier: exp.Expr) -> str:
        """Return the name by which the engine compares; only ASCII letters lose their case, as in PostgreSQL."""
        name = str(identifier.this)
        if identifier.args.get("quoted") and not self.folds_quoted:
            return name
        return name.translate(_ASCII_LOWER)


@dataclass(slots=True, kw_only=True)
class _Source:
    """Something in FROM: folded column -> name as printed, and the relation it comes from, if it is one."""

    columns: Mapping[str, str]
    relation: str | None


@dataclass(slots=True, kw_only=True)
class _Scope:
    parent: _Scope | None
    sources: dict[str, _Source] = field(default_factory=dict)
    #: Columns merged by USING; a bare one belongs to the first source that has it.
    merged: set[str] = field(default_factory=set)
    #: Names of the result's columns.
    outputs: set[str] = field(default_factory=set)


_Ctes = Mapping[str, Mapping[str, str]]


@dataclass(slots=True, kw_only=True)
class Resolver:
    """Resolves one statement in place: stars expanded, columns qualified, names as the catalogue writes them."""

    names: Names
    #: `relation.column` of all that is read.
    reads: set[str] = field(default_factory=set)
    relations: set[str] = field(default_factory=set)

    def resolve(self, root: exp.Expr) -> None:
        """Resolve the whole statement.

        Raises:
            GuardRefusedError: a name means nothing, more than one thing, or something that may not be read.
        """
        self._query(root, {}, None)

    def _query(self, node: exp.Expr, ctes: _Ctes, outer: _Scope | None) -> Mapping[str, str]:
        ctes = self._ctes(node, ctes, outer)
        match node:
            case exp.Subquery():
                return self._query(node.this, ctes, outer)
            case exp.Select():
                return self._select(node, ctes, outer)
            case exp.SetOperation():
                columns = self._query(node.this, ctes, outer)
                self._query(node.expression, ctes, outer)
                self._order_of_set(node, columns)
                return columns
        raise GuardRefusedError(f"{type(node).__name__} is not a query")

    def _ctes(self, node: exp.Expr, ctes: _Ctes, outer: _Scope | None) -> _Ctes:
        clause = node.args.get("with_")
        if clause is None:
            return ctes
        known = dict(ctes)
        for cte in clause.expressions:
            name = self._declare(cte.args["alias"].this)
            if name in self.names.relations:
                # WITH orders AS (SELECT * FROM orders): a check by name would see no relation at all.
                raise GuardRefusedError("a WITH name hides a relation")
            if name in known:
                raise GuardRefusedError("a WITH name is used twice")
            known[name] = self._query(cte.this, dict(known), outer)
        return known

    def _declare(self, identifier: exp.Expr) -> str:
        """Fold a new name, print it folded, and return it."""
        name = self.names.fold(identifier)
        identifier.set("this", name)
        return name

    def _select(self, node: exp.Select, ctes: _Ctes, outer: _Scope | None) -> Mapping[str, str]:
        if not node.expressions:
            raise GuardRefusedError("a query without columns")
        scope = _Scope(parent=outer)
        source = node.args.get("from_")
        if source is not None:
            self._source(source.this, ctes, scope)
        for join in node.args.get("joins") or ():
            if source is None:
                raise GuardRefusedError("a join without FROM")
            self._source(join.this, ctes, scope)
            self._using(join, scope)
            if join.args.get("on") is not None:
                self._walk(join.args["on"], ctes, scope, aliases=False)
        node.set("expressions", [new for item in node.expressions for new in self._expand(item, scope)])
        for item in node.expressions:
            self._walk(item, ctes, scope, aliases=False)
        columns = self._outputs(node)
        scope.outputs = set(columns)
        for key, aliases in (
            ("where", self.names.aliases_everywhere),
            ("group", True),
            ("having", self.names.aliases_everywhere),
        ):
            if node.args.get(key) is not None:
                self._walk(node.args[key], ctes, scope, aliases=aliases)
        order = node.args.get("order")
        for item in order.expressions if order is not None else ():
            if self._is_output(item.this, scope.outputs):
                continue
            self._walk(item, ctes, scope, aliases=self.names.aliases_everywhere)
        return columns

    def _source(self, node: exp.Expr, ctes: _Ctes, scope: _Scope) -> None:
        alias = node.args.get("alias")
        if isinstance(node, exp.Subquery):
            if alias is None:
                raise GuardRefusedError("a subquery in FROM needs a name")
            # Without LATERAL a derived table sees the outer query, not its neighbours.
            source = _Source(columns=self._query(node.this, ctes, scope.parent), relation=None)
        elif isinstance(node, exp.Table):
            source = self._relation(node, ctes)
            if alias is None:
                node.set("alias", exp.TableAlias(this=exp.to_identifier(str(node.this.this), quoted=True)))
                alias = node.args["alias"]
        else:
            raise GuardRefusedError(f"{type(node).__name__} is not a relation")
        name = self._declare(alias.this)
        if name in scope.sources:
            raise GuardRefusedError("two relations have one name")
        scope.sources[name] = source

    def _relation(self, node: exp.Table, ctes: _Ctes) -> _Source:
        name = self.names.fold(node.this)
        if name in ctes:
            node.this.set("this", name)
            return _Source(columns=ctes[name], relation=None)
        if name not in self.names.relations:
            raise GuardRefusedError(f"relation {shown(name)} is not known")
        printed, columns = self.names.relations[name]
        node.this.set("this", printed)
        self.relations.add(printed)
        return _Source(columns=columns, relation=printed)

    def _using(self, join: exp.Join, scope: _Scope) -> None:
        using = join.args.get("using") or []
        if using and join.args.get("side") in ("RIGHT", "FULL"):
            raise GuardRefusedError("USING is not allowed in this join")
        *left, right = scope.sources.values()
        for column in using:
            # sqlglot wraps the names of USING in a column in some dialects.
            identifier = column.this if isinstance(column, exp.Column) else column
            name = self.names.fold(identifier)
            holders = [source for source in left if name in source.columns]
            if name not in right.columns or not holders or (len(holders) > 1 and name not in scope.merged):
                raise GuardRefusedError(f"column {shown(name)} can't join these relations")
            identifier.set("this", right.columns[name])
            for source in (holders[0], right):
                self._read(source, name)
            scope.merged.add(name)

    def _expand(self, item: exp.Expr, scope: _Scope) -> list[exp.Expr]:
        """Return the columns that a star stands for; anything else as it is."""
        if isinstance(item, exp.Star):
            chosen = dict(scope.sources)
        elif isinstance(item, exp.Column) and isinstance(item.this, exp.Star):
            name = self.names.fold(item.args["table"])
            if name not in scope.sources:
                raise GuardRefusedError(f"relation {shown(name)} is not known here")
            chosen = {name: scope.sources[name]}
        else:
            return [item]
        columns = [
            exp.column(exp.to_identifier(column, quoted=True), table=exp.to_identifier(name, quoted=True))
            for name, source in chosen.items()
            for column in source.columns.values()
        ]
        if not columns:
            raise GuardRefusedError("a star stands for nothing")
        return list(columns)

    def _outputs(self, node: exp.Select) -> Mapping[str, str]:
        columns: dict[str, str] = {}
        for item in node.expressions:
            if isinstance(item, exp.Alias):
                name = self._declare(item.args["alias"])
                columns[name] = name
            elif isinstance(item, exp.Column):
                columns[self.names.fold(item.this)] = str(item.this.this)
        return columns

    def _is_output(self, node: exp.Expr, outputs: set[str]) -> bool:
        """Return whether ORDER BY's bare name is a column of the result, which wins over the relations'."""
        if not isinstance(node, exp.Column) or node.args.get("table") is not None or isinstance(node.this, exp.Star):
            return False
        name = self.names.fold(node.this)
        if name in outputs:
            node.this.set("this", name)
            return True
        return False

    def _order_of_set(self, node: exp.Expr, columns: Mapping[str, str]) -> None:
        order = node.args.get("order")
        for item in order.expressions if order is not None else ():
            if not isinstance(item.this, exp.Literal) and not self._is_output(item.this, set(columns)):
                raise GuardRefusedError("ORDER BY of a union must name a column of the result")

    def _walk(self, node: exp.Expr, ctes: _Ctes, scope: _Scope, *, aliases: bool) -> None:
        if isinstance(node, exp.Query):
            self._query(node, ctes, scope)
            return
        if isinstance(node, exp.Column):
            self._column(node, scope, aliases=aliases)
            return
        for child in list(node.iter_expressions()):
            self._walk(child, ctes, scope, aliases=aliases)

    def _column(self, node: exp.Column, scope: _Scope, *, aliases: bool) -> None:
        name = self.names.fold(node.this)
        qualifier = node.args.get("table")
        where: _Scope | None = scope
        while where is not None:
            if qualifier is not None:
                table = self.names.fold(qualifier)
                source = where.sources.get(table)
                holders = [] if source is None else [(table, source)]
                if source is not None and name not in source.columns:
                    # Also `o.to_jsonb` and `o.ctid`: functions and system columns in the dress of columns.
                    break
            else:
                holders = [(table, source) for table, source in where.sources.items() if name in source.columns]
            if len(holders) > 1 and name not in where.merged:
                raise GuardRefusedError(f"column {shown(name)} is ambiguous")
            if holders:
                table, source = holders[0]
                node.set("table", exp.to_identifier(table, quoted=True))
                node.this.set("this", source.columns[name])
                self._read(source, name)
                return
            if aliases and where is scope and qualifier is None and name in scope.outputs:
                node.this.set("this", name)
                return
            where = where.parent
        raise GuardRefusedError(f"column {shown(name)} is not known")

    def _read(self, source: _Source, name: str) -> None:
        if source.relation is not None:
            self.reads.add(f"{source.relation}.{source.columns[name]}")
