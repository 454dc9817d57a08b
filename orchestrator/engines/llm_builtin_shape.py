"""What a result is about: which columns name things, which are moments, which are figures."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from orchestrator.engines.llm import Language, TableMaterial
from orchestrator.engines.llm_builtin_format import Point, Unit, decimals_for, figure, label, moment, point, unit_of
from orchestrator.engines.llm_builtin_strings import say
from orchestrator.engines.warehouse import Cell, Table

_IDENTIFIER: Final = re.compile(r"^(?:id|uuid|.*_id|codigo|code)$", re.IGNORECASE)
_PERIOD: Final = re.compile(
    r"(?:^|[_ ])(?:year|quarter|month|week|weekday|dow|day|hour|año|anio|ano|trimestre|mes|semana|dia|día|hora)$",
    re.IGNORECASE,
)
# Sums over these would be nonsense: a rate, a mean, an extreme, or something counted once in several groups.
_NOT_ADDITIVE: Final = re.compile(
    r"\b(?:avg|average|mean|median|rate|ratio|share|percent|percentage|pct|per|min|max|minimum|maximum|highest|lowest|distinct"
    r"|unique|price|score|customers|clients|users|rank|growth|change|medio|media|promedio|mediana|tasa|porcentaje|cuota|por"
    r"|precio|m[ií]nimo|m[aá]ximo|[uú]nicos|distintos|clientes|usuarios|puntuaci[oó]n|variaci[oó]n|crecimiento)\b",
    re.IGNORECASE,
)
_NOT_ADDITIVE_SQL: Final = re.compile(r"\b(?:avg|min|max|median|percentile_\w+)\s*\(|\bdistinct\b|/", re.IGNORECASE)
_LIMIT: Final = re.compile(r"\b(?:limit|fetch\s+first)\s+(\d+)\b(?!.*\blimit\b)", re.IGNORECASE | re.DOTALL)


@dataclass(frozen=True, slots=True, kw_only=True)
class Measure:
    """A column of figures and how they are written."""

    column: str
    at: int
    unit: Unit
    decimals: int
    additive: bool

    def text(self, value: float, language: Language) -> str:
        """Return the figure in the language's way."""
        return figure(value, unit=self.unit, decimals=self.decimals, language=language)


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """A row: its name, its moment if it has one, its figures in the order of the measures."""

    name: str
    when: Point | None
    figures: tuple[float | None, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """A result, understood."""

    measures: tuple[Measure, ...]
    lines: tuple[Line, ...]
    #: Whether rows are told apart by names, and whether by moments.
    named: bool
    timed: bool
    #: Whether rows may be missing, so that nothing can be said of the whole.
    partial: bool


def shape_of(material: TableMaterial, language: Language) -> Shape:
    """Return how to read the result's columns and rows."""
    table = material.table
    times = _time_column(table)
    figures = _figure_columns(table, times)
    names = [at for at in range(len(table.columns)) if at not in figures and at != times]
    # A number nobody knows by heart says nothing beside a name.
    spoken = [at for at in names if not _IDENTIFIER.match(table.columns[at].name)] or names
    measures = tuple(_measure(material, at) for at in figures)
    lines = tuple(
        Line(
            name=" · ".join(_cell(row[at], table.columns[at].name, language) for at in spoken[:3]),
            when=point(row[times], table.columns[times].name) if times is not None else None,
            figures=tuple(_number(row[at]) for at in figures),
        )
        for row in table.rows
    )
    return Shape(
        measures=measures, lines=lines, named=bool(spoken), timed=times is not None, partial=_partial(material)
    )


def _time_column(table: Table) -> int | None:
    for at, column in enumerate(table.columns):
        cells = [row[at] for row in table.rows]
        may_be = cells and column.type in ("date", "datetime", "text", "integer")
        if may_be and all(point(cell, column.name) is not None for cell in cells):
            return at
    return None


def _figure_columns(table: Table, times: int | None) -> list[int]:
    numeric = [
        at
        for at, column in enumerate(table.columns)
        if at != times and column.type in ("integer", "number") and not _IDENTIFIER.match(column.name)
    ]
    figures = [at for at in numeric if not _PERIOD.search(table.columns[at].name)]
    if figures or len(table.columns) > 1:
        return figures
    return numeric


def _measure(material: TableMaterial, at: int) -> Measure:
    column = material.table.columns[at]
    values = [value for row in material.table.rows if (value := _number(row[at])) is not None]
    whole = column.type == "integer"
    # The description speaks of one measure; what is counted in whole numbers is neither money nor a rate.
    unit = unit_of(column.name) or ("" if whole else unit_of(material.description))
    words = column.name.replace("_", " ")
    about = material.description.split(",")[0] if len(material.table.columns) <= 2 else ""
    additive = not (
        unit == "%" or _NOT_ADDITIVE.search(words) or _RATE.search(about) or _NOT_ADDITIVE_SQL.search(material.sql)
    )
    return Measure(
        column=column.name, at=at, unit=unit, decimals=decimals_for(values, unit, whole=whole), additive=additive
    )


#: The same in a sentence, where "per" and "por" may just say what it is grouped by.
_RATE: Final = re.compile(
    r"\b(?:average|mean|median|rate|ratio|share|percentage|distinct|unique|medio|media|promedio|mediana|tasa|porcentaje)\b",
    re.IGNORECASE,
)


def _partial(material: TableMaterial) -> bool:
    limit = _LIMIT.search(material.sql)
    return material.table.truncated or (limit is not None and len(material.table.rows) >= int(limit[1]))


def _number(cell: Cell) -> float | None:
    return None if cell is None or isinstance(cell, (str, bool)) else float(cell)


def _cell(cell: Cell, column: str, language: Language) -> str:
    if cell is None or cell == "":
        return say("no_value", language)
    if isinstance(cell, bool):
        return say("yes" if cell else "no", language)
    when = point(cell, column)
    if when is not None:
        return moment(when, language)
    if isinstance(cell, int) and re.search(r"(?:^|[_ ])(?:hour|hora)$", column, re.IGNORECASE):
        return f"{cell:02d}:00"
    return label(str(cell))
