"""SQL of the parts of time, by dialect. `d` stands for the date, `c` for the point in time."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

_WEEKDAYS: Final = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")


def _cases(expression: str, first: int) -> str:
    # `first` is the engine's number of Monday; the number wraps after six where Sunday is 0.
    arms = " ".join(f"WHEN {(first + n) % 7 or 7 if first else n} THEN '{day}'" for n, day in enumerate(_WEEKDAYS))
    return f"CASE {expression} {arms} END"


_POSTGRES_ISO_DAY: Final = "CAST(EXTRACT(ISODOW FROM d) AS INT)"
#: 0 for Monday.
_SQLITE_ISO_DAY: Final = "((CAST(STRFTIME('%w', d) AS INTEGER) + 6) % 7)"

#: Dialect -> grain -> expression.
SQL: Final[Mapping[str, Mapping[str, str]]] = {
    "postgres": {
        "day": "CAST(d AS DATE)",
        "week": "CAST(DATE_TRUNC('WEEK', d) AS DATE)",
        "month": "CAST(DATE_TRUNC('MONTH', d) AS DATE)",
        "quarter": "CAST(DATE_TRUNC('QUARTER', d) AS DATE)",
        "year": "CAST(EXTRACT(YEAR FROM d) AS INT)",
        "weekday": _cases(_POSTGRES_ISO_DAY, 1),
        "hour": "CAST(EXTRACT(HOUR FROM c) AS INT)",
        "service": "CASE WHEN EXTRACT(HOUR FROM c) < 17 THEN 'lunch' ELSE 'dinner' END",
    },
    "sqlite": {
        "day": "DATE(d)",
        "week": "DATE(d, 'weekday 0', '-6 days')",
        "month": "DATE(d, 'start of month')",
        "year": "CAST(STRFTIME('%Y', d) AS INTEGER)",
        "weekday": _cases(_SQLITE_ISO_DAY, 0),
        "hour": "CAST(STRFTIME('%H', c) AS INTEGER)",
        "service": "CASE WHEN CAST(STRFTIME('%H', c) AS INTEGER) < 17 THEN 'lunch' ELSE 'dinner' END",
    },
    "mysql": {"day": "DATE(d)", "year": "EXTRACT(YEAR FROM d)", "month": "EXTRACT(MONTH FROM d)"},
}
#: What orders a grain whose value does not order itself.
ORDER: Final[Mapping[str, Mapping[str, str]]] = {
    "postgres": {"weekday": _POSTGRES_ISO_DAY},
    "sqlite": {"weekday": _SQLITE_ISO_DAY},
    "mysql": {},
}
