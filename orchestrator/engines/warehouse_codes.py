"""PostgreSQL's codes for types and failures, and what they are called here."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from orchestrator.engines.warehouse import ColumnType

#: A result's column, by the type's object id.
POSTGRES_TYPES: Final[Mapping[int, ColumnType]] = {
    16: "boolean",
    20: "integer",
    21: "integer",
    23: "integer",
    700: "number",
    701: "number",
    1700: "number",
    1082: "date",
    1114: "datetime",
    1184: "datetime",
    25: "text",
    1042: "text",
    1043: "text",
    18: "text",
    19: "text",
}
#: A catalogue's column, by the type's name.
POSTGRES_NAMES: Final[Mapping[str, ColumnType]] = {
    "bool": "boolean",
    "int2": "integer",
    "int4": "integer",
    "int8": "integer",
    "float4": "number",
    "float8": "number",
    "numeric": "number",
    "date": "date",
    "timestamp": "datetime",
    "timestamptz": "datetime",
    "text": "text",
    "varchar": "text",
    "bpchar": "text",
    "name": "text",
}
#: What a failure is called, by SQLSTATE: for logs and the repair prompt. The server's own message holds values.
POSTGRES_REASONS: Final[Mapping[str, str]] = {
    "42703": "a column does not exist",
    "42P01": "a relation does not exist",
    "42803": "a column must appear in GROUP BY or in an aggregate",
    "42883": "no function or operator takes these types",
    "42804": "types do not match",
    "42702": "a column is ambiguous",
    "22P02": "a text is not of the type that it is compared with",
    "22007": "a text is not a date",
    "22008": "a date is out of range",
    "22012": "division by zero",
    "22003": "a number is out of range",
    "21000": "a subquery gave more than one row",
}
