"""A job's result as people read it: facts in words, tables where there are several of a kind. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from django.template.defaultfilters import filesizeformat

_BYTES = "_bytes"


@dataclass(frozen=True, slots=True, kw_only=True)
class Fact:
    """One entry of a result: a text, or a table of rows, under a `head` where they are several of a kind."""

    label: str
    text: str = ""
    head: tuple[str, ...] = ()
    rows: tuple[tuple[str, ...], ...] = ()


def facts(result: Mapping[str, object]) -> list[Fact]:
    """Return the entries of a result: names become words, `…_bytes` sizes.

    `jsonb` keeps no order, so single facts come before tables, and in a table names before numbers.
    """
    return sorted((_fact(name, value) for name, value in result.items()), key=lambda fact: bool(fact.rows))


def _fact(name: str, value: object) -> Fact:
    label = _label(name)
    if isinstance(value, Mapping) and value:
        return Fact(label=label, rows=tuple((str(key), _text(str(key), each)) for key, each in value.items()))
    if isinstance(value, list) and value and all(isinstance(row, Mapping) for row in value):
        keys = sorted(map(str, value[0]), key=lambda key: not isinstance(value[0][key], str))
        rows = tuple(tuple(_text(key, row.get(key)) for key in keys) for row in value)
        return Fact(label=label, head=tuple(_label(key) for key in keys), rows=rows)
    return Fact(label=label, text=_text(name, value))


def _label(name: str) -> str:
    return name.removesuffix(_BYTES).replace("_", " ")


def _text(name: str, value: object) -> str:
    match value:
        case None:
            return "–"
        case bool():
            return "yes" if value else "no"
        case int() if name.endswith(_BYTES):
            return str(filesizeformat(value))
        case int():
            return f"{value:,}"
        case [] | {}:
            return "none"
        case list():
            return ", ".join(_text(name, each) for each in value)
        case _:
            return str(value)
