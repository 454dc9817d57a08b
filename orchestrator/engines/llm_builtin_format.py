"""Figures, dates and names as a reader of English or Spanish expects them, safe inside Markdown."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal

from orchestrator.engines.llm import Language
from orchestrator.engines.warehouse import Cell

#: How a measure is written: a currency's sign, `%`, or nothing.
Unit = Literal["", "€", "$", "£", "%"]
#: How long a point in time lasts.
Grain = Literal["day", "week", "month", "quarter", "year", "hour"]

_NBSP: Final = "\u00a0"
_LABEL_CHARS: Final = 80
_MONTHS: Final[Mapping[Language, tuple[str, ...]]] = {
    "en": (
        "January", "February", "March", "April", "May", "June",
        "July", "August", "September", "October", "November", "December",
    ),
    "es": (
        "enero", "febrero", "marzo", "abril", "mayo", "junio",
        "julio", "agosto", "septiembre", "octubre", "noviembre", "diciembre",
    ),
}  # fmt: skip
_UNIT_WORDS: Final[Sequence[tuple[Unit, re.Pattern[str]]]] = (
    ("€", re.compile(r"€|\b(?:eur|euros?)\b")),
    ("$", re.compile(r"\$|\b(?:usd|dollars?|dolares|dólares)\b")),
    ("£", re.compile(r"£|\b(?:gbp|pounds?|libras)\b")),
    ("%", re.compile(r"%|\b(?:pct|percent|percentage|porcentaje|por ciento)\b")),
)
_UNIT_NOTE: Final = re.compile(r"\s*[(\[](?:€|\$|£|%|eur|usd|gbp|euros?|percent|porcentaje)[)\]]", re.IGNORECASE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """A point in time with the length it stands for; sorts by `start`."""

    start: dt.datetime
    grain: Grain


def unit_of(text: str) -> Unit:
    """Return the only unit that `text` names, as in `Net sales (€)` or `margin_pct`; none when it names several."""
    words = text.casefold().replace("_", " ")
    named: list[Unit] = [unit for unit, pattern in _UNIT_WORDS if pattern.search(words)]
    return named[0] if len(named) == 1 else ""


def without_unit(text: str) -> str:
    """Return `text` without a unit in brackets, which the figures then carry."""
    return " ".join(_UNIT_NOTE.sub("", text).split())


def figure(value: float, *, unit: Unit, decimals: int, language: Language, signed: bool = False) -> str:
    """Return `€1,234.56` or `1.234,56 €`; a sign is written for gains too when `signed`."""
    size = f"{abs(value):,.{decimals}f}"
    # What rounds to nothing has no sign.
    zero = not any(char in "123456789" for char in size)
    sign = "" if zero else "-" if value < 0 else "+" if signed else ""
    if language == "es":
        size = size.translate(str.maketrans(",.", ".,"))
        return f"{sign}{size}{_NBSP}{unit}" if unit else f"{sign}{size}"
    if unit == "%":
        return f"{sign}{size}%"
    return f"{sign}{unit}{size}"


def decimals_for(values: Sequence[float], unit: Unit, *, whole: bool) -> int:
    """Return how many decimals a column is written with; `whole` says that its type has none."""
    if whole:
        return 0
    if unit == "%":
        return 1
    if unit:
        return 2
    return 0 if all(float(value).is_integer() for value in values) else 2


def point(cell: Cell, column: str) -> Point | None:
    """Return the point in time that a cell stands for, or None; `column` tells a year from a number."""
    name = column.casefold()
    if isinstance(cell, bool) or cell is None or isinstance(cell, float):
        return None
    if isinstance(cell, int):
        is_year = re.search(r"(?:^|[_ ])(?:year|año|anio|ano)$", name) and 1900 <= cell <= 2200
        return Point(start=dt.datetime(cell, 1, 1), grain="year") if is_year else None
    if found := re.fullmatch(r"(\d{4})-(\d{2})", cell):
        month = int(found[2])
        return Point(start=dt.datetime(int(found[1]), month, 1), grain="month") if 1 <= month <= 12 else None
    if found := re.fullmatch(r"(\d{4})-?[QT]([1-4])", cell):
        return Point(start=dt.datetime(int(found[1]), int(found[2]) * 3 - 2, 1), grain="quarter")
    if found := re.fullmatch(r"(\d{4})-W(\d{2})", cell):
        try:
            return Point(start=dt.datetime.fromisocalendar(int(found[1]), int(found[2]), 1), grain="week")
        except ValueError:
            return None
    if not re.match(r"\d{4}-\d{2}-\d{2}", cell):
        return None
    try:
        start = dt.datetime.fromisoformat(cell).replace(tzinfo=None)
    except ValueError:
        return None
    if start.time() != dt.time():
        return Point(start=start, grain="hour")
    for grain, words in _GRAIN_WORDS:
        if re.search(rf"(?:^|[_ ])(?:{words})(?:[_ ]|$)", name):
            return Point(start=start, grain=grain)
    return Point(start=start, grain="day")


_GRAIN_WORDS: Final[Sequence[tuple[Grain, str]]] = (
    ("week", "week|semana"),
    ("month", "month|mes"),
    ("quarter", "quarter|trimestre"),
    ("year", "year|año|anio|ano"),
)


def moment(when: Point, language: Language) -> str:
    """Return the point as words without a preposition: `October 2026`, `5 de octubre de 2026`."""
    start = when.start
    month = _MONTHS[language][start.month - 1]
    spanish = language == "es"
    match when.grain:
        case "year":
            return str(start.year)
        case "quarter":
            number = (start.month + 2) // 3
            return f"T{number} de {start.year}" if spanish else f"Q{number} {start.year}"
        case "month":
            return f"{month} de {start.year}" if spanish else f"{month} {start.year}"
        case "week":
            day = f"{start.day} de {month} de {start.year}" if spanish else f"{start.day} {month} {start.year}"
            return f"la semana del {day}" if spanish else f"the week of {day}"
        case "day":
            return f"{start.day} de {month} de {start.year}" if spanish else f"{start.day} {month} {start.year}"
        case "hour":
            clock = f"{start:%H:%M}"
            if spanish:
                return f"{start.day} de {month} de {start.year} a las {clock}"
            return f"{start.day} {month} {start.year} at {clock}"


def at_moment(when: Point, language: Language) -> str:
    """Return the point with its preposition: `in October 2026`, `el 5 de octubre de 2026`."""
    words = moment(when, language)
    if when.grain in ("day", "hour"):
        return f"el {words}" if language == "es" else f"on {words}"
    return f"en {words}" if language == "es" else f"in {words}"


def label(text: str, *, most_chars: int = _LABEL_CHARS) -> str:
    """Return a stranger's text as one short line whose Markdown signs show as themselves; no word is cut in two."""
    flat = " ".join(text.split())
    if len(flat) <= most_chars:
        return escape(flat)
    head = flat[: most_chars - 1]
    # One endless word has nowhere else to be cut.
    whole = head if flat[most_chars - 1] == " " else head.rpartition(" ")[0] or head
    return escape(f"{whole.rstrip(' ,;:(')}…")


def escape(text: str) -> str:
    """Return `text` with the signs escaped that Markdown would read as emphasis, code, links, HTML or tables."""
    # An underscore inside a word is plain text to Markdown; escaped, it would only be ugly where nothing renders it.
    text = re.sub(r"([\\`*\[\]<>|~#!])", r"\\\1", text)
    # Bare addresses become links by themselves in the dialect that pages render.
    text = re.sub(r"\b(www)\.|:(?=//)", lambda found: "www\\." if found[1] else "\\:", text)
    return re.sub(r"(?<![^\W_])_|_(?![^\W_])", r"\\_", text)


def human(column: str) -> str:
    """Return a column's name as words without its unit: `net_sales_eur` is `Net sales`."""
    words = re.sub(r"[_ ](?:eur|usd|gbp|pct|percent|%)$", "", column.casefold()).replace("_", " ").strip()
    return escape(words[:1].upper() + words[1:]) or escape(column)


def listed(parts: Sequence[str], language: Language) -> str:
    """Return `a, b and c`."""
    if len(parts) < 2:
        return "".join(parts)
    head, last = ", ".join(parts[:-1]), parts[-1]
    if language == "en":
        return f"{head} and {last}"
    # «e» before a sound of i, but not before the diphthongs of «hierba» or «ioga».
    return f"{head} {'e' if re.match(r'[*_«“]*h?[iíy](?![aeoáéó])', last, re.IGNORECASE) else 'y'} {last}"
