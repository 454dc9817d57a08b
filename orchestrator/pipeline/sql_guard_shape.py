"""The first half of the guard: every node of the tree is of a kind that may be there."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final

from sqlglot import exp

from orchestrator.errors import GuardRefusedError
from orchestrator.pipeline.sql_guard_allow import CASTS, NAMED, NODES, UNITS, WORDS

#: Sizes above which a statement is no honest question.
MAX_NODES: Final = 1_500
MAX_DEPTH: Final = 60
MAX_QUERIES: Final = 16
MAX_RELATIONS: Final = 14
#: Each join without a condition multiplies; two are enough for a total or a calendar beside a result.
MAX_CROSS_JOINS: Final = 2
#: Concatenation inside derived tables grows exponentially.
MAX_CONCATENATIONS: Final = 8
MAX_TEXT: Final = 500
MAX_PATTERN: Final = 100
MAX_INNER_LIMIT: Final = 1_000_000
#: A `char(n)` is padded: at PostgreSQL's own bound one value is 10 MB, and a batch of rows a gigabyte.
MAX_TYPE_PARAMETER: Final = 4_000

_NAME = re.compile(r"[^\W\d][\w .,%()/€$#-]{0,62}")
_NUMBER = re.compile(r"\d{1,18}(\.\d{0,12})?([eE][+-]?\d{1,2})?")
_WHOLE = re.compile(r"\d{1,9}")


def shown(name: str) -> str:
    """Return an identifier fit for a log or a prompt: itself when it looks like one, else a placeholder."""
    return name if _NAME.fullmatch(name) else "<odd name>"


def check_shape(root: exp.Expr, *, dialect: str) -> None:
    """Refuse a tree with a node, argument, function, cast, literal or name outside the allow-list, or one too large.

    Raises:
        GuardRefusedError: with the kind of the offending part, never its text.
    """
    nodes = 0
    stack: list[tuple[exp.Expr, int]] = [(root, 0)]
    while stack:
        node, depth = stack.pop()
        nodes += 1
        if nodes > MAX_NODES or depth > MAX_DEPTH:
            raise GuardRefusedError("the statement is too large")
        _check_node(node, dialect)
        stack.extend((child, depth + 1) for child in node.iter_expressions())
    _check_sizes(root)


def _check_node(node: exp.Expr, dialect: str) -> None:
    kind = type(node)
    if kind is exp.Anonymous:
        _check_named(node, dialect)
        return
    allowed = NODES.get(kind)
    if allowed is None:
        raise GuardRefusedError(f"{kind.__name__} is not allowed")
    for key, value in node.args.items():
        if value is None or value is False or value == []:
            continue
        if key not in allowed:
            raise GuardRefusedError(f"{kind.__name__} with {key} is not allowed")
        _check_argument(kind, key, value)
    checker = _CHECKS.get(kind)
    if checker is not None:
        checker(node)


def _check_argument(kind: type[exp.Expr], key: str, value: object) -> None:
    if isinstance(value, exp.Expr | bool):
        return
    if isinstance(value, list) and all(isinstance(item, exp.Expr) for item in value):
        return
    if kind in (exp.Identifier, exp.Literal, exp.Var, exp.DataType):
        return  # their texts have checks of their own
    if isinstance(value, str) and value.upper() in WORDS.get((kind, key), frozenset()):
        return
    raise GuardRefusedError(f"{kind.__name__} with this {key} is not allowed")


def _check_named(node: exp.Expr, dialect: str) -> None:
    name = node.args.get("this")
    most = NAMED.get(dialect, {}).get(name.lower()) if isinstance(name, str) else None
    if most is None:
        raise GuardRefusedError(f"function {shown(str(name))} is not allowed")
    if set(node.args) - {"this", "expressions"} or len(node.expressions) > most:
        raise GuardRefusedError(f"function {name} has other arguments than allowed")


def _check_identifier(node: exp.Expr) -> None:
    name = node.args.get("this")
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise GuardRefusedError("a name has characters that names do not have")


def _check_literal(node: exp.Expr) -> None:
    text = str(node.this)
    if node.args.get("is_string"):
        if len(text) > MAX_TEXT or "\x00" in text:
            raise GuardRefusedError("a text is too long")
    elif not _NUMBER.fullmatch(text):
        raise GuardRefusedError("a number is written oddly")


def _check_var(node: exp.Expr) -> None:
    if str(node.this).upper() not in UNITS:
        raise GuardRefusedError("a bare word is not a part of a date")


def _check_interval(node: exp.Expr) -> None:
    amount, unit = node.args.get("this"), node.args.get("unit")
    if (
        not isinstance(amount, exp.Literal)
        or not isinstance(unit, exp.Var)
        or not re.fullmatch(r"-?\d{1,6}", str(amount.this))
    ):
        raise GuardRefusedError("an interval must be a number of a unit")


def _check_type(node: exp.Expr) -> None:
    if node.args.get("this") not in CASTS:
        raise GuardRefusedError("a cast to this type is not allowed")
    for parameter in node.expressions:
        if not isinstance(parameter.this, exp.Literal) or not _WHOLE.fullmatch(str(parameter.this.this)):
            raise GuardRefusedError("a type has odd parameters")
        if int(parameter.this.this) > MAX_TYPE_PARAMETER:
            raise GuardRefusedError("a type is too long")


def _check_limit(node: exp.Expr) -> None:
    amount = node.args.get("expression")
    if not isinstance(amount, exp.Literal) or amount.args.get("is_string") or not _WHOLE.fullmatch(str(amount.this)):
        raise GuardRefusedError("LIMIT and OFFSET must be plain numbers")
    if int(amount.this) > MAX_INNER_LIMIT:
        raise GuardRefusedError("LIMIT and OFFSET must be smaller")


def _check_like(node: exp.Expr) -> None:
    pattern = node.args.get("expression")
    if (
        not isinstance(pattern, exp.Literal)
        or not pattern.args.get("is_string")
        or len(str(pattern.this)) > MAX_PATTERN
    ):
        raise GuardRefusedError("a LIKE pattern must be a short text")
    if str(pattern.this).count("%") > 4:  # backtracking grows with each
        raise GuardRefusedError("a LIKE pattern has too many wildcards")


def _check_format(node: exp.Expr) -> None:
    if not isinstance(node.args.get("format"), exp.Literal):
        raise GuardRefusedError("a date format must be a text")


def _check_column(node: exp.Expr) -> None:
    if not isinstance(node.this, exp.Identifier | exp.Star):
        raise GuardRefusedError("a column must be a name")
    if isinstance(node.this, exp.Star) and not isinstance(node.parent, exp.Select):
        raise GuardRefusedError("a whole row is not a value")


def _check_star(node: exp.Expr) -> None:
    parent = node.parent
    if isinstance(parent, exp.Select | exp.Count) or (
        isinstance(parent, exp.Column) and isinstance(parent.parent, exp.Select)
    ):
        return
    raise GuardRefusedError("a whole row is not a value")


def _check_table(node: exp.Expr) -> None:
    if not isinstance(node.this, exp.Identifier):
        raise GuardRefusedError("only plain relations may be read")


def _check_zone(node: exp.Expr) -> None:
    if not isinstance(node.args.get("zone"), exp.Literal):
        raise GuardRefusedError("a time zone must be a text")


_CHECKS: Final[dict[type[exp.Expr], Callable[[exp.Expr], None]]] = {
    exp.Identifier: _check_identifier,
    exp.Literal: _check_literal,
    exp.Var: _check_var,
    exp.Interval: _check_interval,
    exp.DataType: _check_type,
    exp.Limit: _check_limit,
    exp.Offset: _check_limit,
    exp.Like: _check_like,
    exp.ILike: _check_like,
    exp.TimeToStr: _check_format,
    exp.ToChar: _check_format,
    exp.Column: _check_column,
    exp.Star: _check_star,
    exp.Table: _check_table,
    exp.AtTimeZone: _check_zone,
}


def _check_sizes(root: exp.Expr) -> None:
    if sum(1 for _ in root.find_all(exp.Select)) > MAX_QUERIES:
        raise GuardRefusedError("the statement has too many subqueries")
    if sum(1 for _ in root.find_all(exp.Table)) > MAX_RELATIONS:
        raise GuardRefusedError("the statement reads too many relations")
    if (
        sum(1 for join in root.find_all(exp.Join) if not join.args.get("on") and not join.args.get("using"))
        > MAX_CROSS_JOINS
    ):
        raise GuardRefusedError("too many joins have no condition")
    if (
        sum(1 for _ in root.find_all(exp.DPipe)) + sum(len(node.expressions) for node in root.find_all(exp.Concat))
        > MAX_CONCATENATIONS
    ):
        raise GuardRefusedError("the statement joins too many texts")
