"""From a driver's values to cells that JSON can carry, counted against the caps on rows and bytes."""

from __future__ import annotations

import datetime as dt
import math
import re
from collections.abc import Iterable, Sequence
from decimal import Decimal
from typing import Final

from orchestrator.engines.warehouse import Cell, Column, ColumnType, Limits, Table

_DATE = re.compile(r"\d{4}-\d\d-\d\d")
_DATETIME = re.compile(r"\d{4}-\d\d-\d\d[ T]\d\d:\d\d(:\d\d(\.\d+)?)?")
#: What a number or date is taken to weigh.
_PLAIN_BYTES: Final = 8


def cell(value: object) -> Cell:
    """Return the value as a cell: decimals as float, dates as ISO text, what JSON has no word for as None or text."""
    match value:
        case None | bool() | int() | str():
            return value
        case float():
            return value if math.isfinite(value) else None
        case Decimal():
            return float(value) if value.is_finite() else None
        case dt.datetime() | dt.date() | dt.time():
            return value.isoformat()
        case bytes() | bytearray() | memoryview():
            return f"({len(value)} bytes)"
    return str(value)


class Rows:
    """Rows gathered until a cap is met; the first row beyond a cap sets `truncated` and is not kept."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._rows: list[tuple[Cell, ...]] = []
        self._bytes = 0
        #: Whether there was more than is kept; nothing is taken any more.
        self.full = False

    def add(self, rows: Iterable[Sequence[object]]) -> None:
        """Keep the rows that fit."""
        for row in rows:
            cells = tuple(cell(value) for value in row)
            size = sum(len(value.encode()) if isinstance(value, str) else _PLAIN_BYTES for value in cells)
            if len(self._rows) >= self._limits.rows or self._bytes + size > self._limits.bytes:
                self.full = True
                return
            self._rows.append(cells)
            self._bytes += size

    def table(self, columns: tuple[Column, ...]) -> Table:
        """Return what was gathered."""
        return Table(columns=columns, rows=tuple(self._rows), truncated=self.full)

    def inferred(self, names: Sequence[str]) -> tuple[Column, ...]:
        """Return the columns with types read off the values, for engines whose results carry none."""
        return tuple(
            Column(name=name, type=_type_of([row[index] for row in self._rows if row[index] is not None]))
            for index, name in enumerate(names)
        )


def _type_of(values: Sequence[Cell]) -> ColumnType:
    if not values:
        return "other"
    if all(isinstance(value, bool) for value in values):
        return "boolean"
    if all(isinstance(value, int) for value in values):
        return "integer"
    if all(isinstance(value, int | float) for value in values):
        return "number"
    texts = [value for value in values if isinstance(value, str)]
    if len(texts) < len(values):
        return "other"
    if all(_DATE.fullmatch(text) for text in texts):
        return "date"
    return "datetime" if all(_DATETIME.fullmatch(text) for text in texts) else "text"
