"""Words for column headings and descriptions, in the user's language."""

from __future__ import annotations

import datetime as dt
from typing import Final, Literal

Language = Literal["en", "es"]

_PHRASES: Final[dict[str, tuple[str, str]]] = {
    "earlier": ("{label} before", "{label} antes"),
    "change": ("change", "variación"),
    "change_percent": ("change %", "variación %"),
    "share": ("share %", "cuota %"),
    "whole": ("{label} in all", "{label} en total"),
    "per": ("{label} per {other}", "{label} por {other}"),
    "percent_of": ("{label} as % of {other}", "{label} en % de {other}"),
    "mean": ("{label} per {other}, mean", "{label} por {other}, media"),
    "how_many": ("number of {label}", "número de {label}"),
    "by": ("by {other}", "por {other}"),
    "without": ("without {other}", "sin {other}"),
    "top": ("the first {other}", "los primeros {other}"),
    "bottom": ("the last {other}", "los últimos {other}"),
    "highest": ("the highest", "el valor más alto"),
    "lowest": ("the lowest", "el valor más bajo"),
    "top_within": ("the first {other} of each {label}", "los primeros {other} de cada {label}"),
    "bottom_within": ("the last {other} of each {label}", "los últimos {other} de cada {label}"),
    "against": ("against {other}", "frente a {other}"),
    "share_of": ("as a share of all", "como parte del total"),
    "since": ("since {other}", "desde el {other}"),
    "until": ("until {other}", "hasta el {other}"),
    "all_time": ("all dates", "todas las fechas"),
    "now": ("now", "ahora"),
    "taken": ("“{label}” read as “{other}”", "«{label}» leído como «{other}»"),
}
_GRAINS: Final[dict[str, tuple[str, str]]] = {
    "day": ("day", "día"),
    "week": ("week", "semana"),
    "month": ("month", "mes"),
    "quarter": ("quarter", "trimestre"),
    "year": ("year", "año"),
    "weekday": ("weekday", "día de la semana"),
    "hour": ("hour", "hora"),
    "service": ("service", "servicio"),
}
#: English names of values that the composer itself writes.
_VALUES: Final[dict[str, str]] = {
    "Monday": "lunes", "Tuesday": "martes", "Wednesday": "miércoles", "Thursday": "jueves", "Friday": "viernes",
    "Saturday": "sábado", "Sunday": "domingo", "lunch": "comida", "dinner": "cena",
}  # fmt: skip


def phrase(key: str, language: Language, *, label: str = "", other: str = "") -> str:
    """Return a phrase with its places filled."""
    return _PHRASES[key][language == "es"].format(label=label, other=other)


def quoted(text: str, language: Language) -> str:
    """Return a text in the language's quotation marks."""
    return f"«{text}»" if language == "es" else f"“{text}”"


def grain_label(name: str, language: Language) -> str:
    """Return the name of a part of time."""
    return _GRAINS[name][language == "es"]


def value_label(value: str, language: Language) -> str:
    """Return a value as shown; stored values stay as they are."""
    return _VALUES.get(value, value) if language == "es" else value


_MONTHS: Final[dict[Language, tuple[str, ...]]] = {
    "en": ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"),
    "es": ("ene", "feb", "mar", "abr", "may", "jun", "jul", "ago", "sep", "oct", "nov", "dic"),
}


def day_label(day: dt.date | None, language: Language) -> str:
    """Return a day in few letters, or an empty text."""
    return "" if day is None else f"{day.day} {_MONTHS[language][day.month - 1]} {day.year}"
