"""The guard: what may run in a customer's database. It fails closed, and only the text that it writes itself runs.

A person's or a model's statement is parsed in the connection's own dialect, held against allow-lists
(`sql_guard_shape`) and the reader's catalogue (`sql_guard_scope`), then printed anew without comments; that text is
guarded once more, so that a parser and a printer that disagree are noticed. What the guard can't see (costs, rights,
time) the warehouse and its role hold back.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import sqlglot
from sqlglot import exp

from orchestrator.engines.warehouse import Catalogue
from orchestrator.errors import GuardRefusedError
from orchestrator.pipeline.sql_guard_scope import Names, Resolver
from orchestrator.pipeline.sql_guard_shape import check_shape

#: Characters of a statement; sqlglot's parser is quadratic in places.
MAX_CHARS: Final = 12_000
DIALECTS: Final = frozenset({"postgres", "sqlite", "mysql"})


@dataclass(frozen=True, slots=True, kw_only=True)
class GuardedSql:
    """A statement that may run: the regenerated text and what it reads."""

    sql: str
    #: `relation.column`, sorted.
    columns: tuple[str, ...]
    relations: tuple[str, ...]


def guard(sql: str, *, dialect: str, catalogue: Catalogue, limit_rows: int) -> GuardedSql:
    """Return the one statement that may run instead of `sql`, with at most `limit_rows + 1` rows.

    The row beyond the limit tells the warehouse that there was more.

    Raises:
        GuardRefusedError: anything in it is not allowed, or can't be understood; `reason` holds no data.
    """
    names = _names(dialect, catalogue)
    if len(sql) > MAX_CHARS or "\x00" in sql:
        raise GuardRefusedError("the statement is too long")
    return _guarded(lambda: _parse(sql, dialect), dialect=dialect, names=names, limit_rows=limit_rows)


def guard_tree(tree: exp.Expr, *, dialect: str, catalogue: Catalogue, limit_rows: int) -> GuardedSql:
    """Return what `guard` returns for a statement that was composed as a tree.

    Raises:
        GuardRefusedError: as `guard`.
    """
    return guard(tree.sql(dialect=dialect, comments=False), dialect=dialect, catalogue=catalogue, limit_rows=limit_rows)


def _guarded(parse: Callable[[], exp.Expr], *, dialect: str, names: Names, limit_rows: int) -> GuardedSql:
    try:
        text, resolver = _one_pass(parse(), dialect, names, limit_rows)
        again, _ = _one_pass(_parse(text, dialect), dialect, names, limit_rows)
    except GuardRefusedError:
        raise
    except Exception as exc:
        # Fail closed: what breaks on a statement has not understood it. Its message would quote the statement.
        raise GuardRefusedError(f"the statement can't be understood ({type(exc).__name__})") from exc
    if again != text:
        raise GuardRefusedError("the statement does not read as it is written")
    return GuardedSql(sql=text, columns=tuple(sorted(resolver.reads)), relations=tuple(sorted(resolver.relations)))


def _parse(sql: str, dialect: str) -> exp.Expr:
    statements = sqlglot.parse(sql, dialect=dialect)
    if len(statements) != 1 or statements[0] is None:
        raise GuardRefusedError("exactly one statement is allowed")
    root: exp.Expr = statements[0]
    while type(root) is exp.Subquery and not {key for key, value in root.args.items() if value} - {"this"}:
        root = root.this
    if not isinstance(root, exp.Select | exp.SetOperation):
        raise GuardRefusedError(f"{type(root).__name__} is not a query")
    return root


def _one_pass(root: exp.Expr, dialect: str, names: Names, limit_rows: int) -> tuple[str, Resolver]:
    check_shape(root, dialect=dialect)
    _cap(root, limit_rows)
    resolver = Resolver(names=names)
    resolver.resolve(root)
    # After the stars were expanded, and for names that the resolver printed.
    check_shape(root, dialect=dialect)
    return root.sql(dialect=dialect, comments=False, identify=True), resolver


def _cap(root: exp.Expr, limit_rows: int) -> None:
    limit = root.args.get("limit")
    asked = limit_rows + 1 if limit is None else int(limit.expression.this)
    root.set("limit", exp.Limit(expression=exp.Literal.number(min(asked, limit_rows + 1))))


def _names(dialect: str, catalogue: Catalogue) -> Names:
    if dialect not in DIALECTS:
        raise GuardRefusedError("this dialect is not known")
    folds_quoted = dialect != "postgres"

    def fold(name: str) -> str:
        return name.lower() if folds_quoted else name

    return Names(
        folds_quoted=folds_quoted,
        aliases_everywhere=folds_quoted,
        relations={
            fold(relation): (relation, {fold(column.name): column.name for column in columns})
            for relation, columns in catalogue.items()
        },
    )
