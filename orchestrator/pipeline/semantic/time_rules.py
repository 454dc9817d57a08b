"""The ways of naming days, as patterns and what they mean; English and Spanish."""
# ruff: noqa: E501 - one rule a line

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Callable
from typing import Final

from orchestrator.pipeline.semantic.ranges import Range, Unit, floor, last, latest_day, latest_month, one, shift, this
from orchestrator.pipeline.semantic.words import NUMBER_WORDS

_MONTHS: Final[dict[str, int]] = {
    name: number
    for number, names in enumerate(
        (
            "january jan enero ene",
            "february feb febrero",
            "march mar marzo",
            "april apr abril abr",
            "may mayo",
            "june jun junio",
            "july jul julio",
            "august aug agosto ago",
            "september sept sep septiembre setiembre",
            "october oct octubre",
            "november nov noviembre",
            "december dec diciembre dic",
        ),
        start=1,
    )
    for name in names.split()
}
_DAYS: Final[dict[str, int]] = {
    name: number
    for number, names in enumerate(
        (
            "monday lunes",
            "tuesday martes",
            "wednesday miercoles",
            "thursday jueves",
            "friday viernes",
            "saturday sabado",
            "sunday domingo",
        )
    )
    for name in names.split()
}
_UNITS: Final[dict[str, Unit]] = {
    "day": "day", "days": "day", "dia": "day", "dias": "day",
    "week": "week", "weeks": "week", "semana": "week", "semanas": "week",
    "month": "month", "months": "month", "mes": "month", "meses": "month",
    "quarter": "quarter", "quarters": "quarter", "trimestre": "quarter", "trimestres": "quarter",
    "year": "year", "years": "year", "ano": "year", "anos": "year",
}  # fmt: skip
_ORDINALS: Final[dict[str, int]] = {
    "first": 1, "1": 1, "1st": 1, "primer": 1, "primero": 1, "second": 2, "2": 2, "segundo": 2,
    "third": 3, "3": 3, "tercer": 3, "tercero": 3, "fourth": 4, "4": 4, "last": 4, "cuarto": 4, "ultimo": 4,
}  # fmt: skip

_MONTH: Final = "(" + "|".join(sorted((m for m in _MONTHS if m not in ("ago", "mar")), key=len, reverse=True)) + ")"
_DAY: Final = "(" + "|".join(_DAYS) + ")"
_UNIT: Final = "(" + "|".join(sorted(_UNITS, key=len, reverse=True)) + ")"
_COUNT: Final = r"(\d{1,4}|" + "|".join(sorted(NUMBER_WORDS, key=len, reverse=True)) + ")"
_YEAR: Final = r"((?:19|20)\d\d)"
DATE_WORDS: Final = rf"(?:(?:the |el )?(?:dia )?(\d{{1,2}})(?: of| de)? {_MONTH}|{_MONTH}(?: the)? (\d{{1,2}}))(?:,?(?: of| de| del)? {_YEAR})?"
_ORDINAL: Final = "(" + "|".join(sorted(_ORDINALS, key=len, reverse=True)) + ")"
_LAST: Final = r"(?:last|past|previous|prior|latest|ultimos|ultimas|pasados|pasadas|anteriores|preceding)"
_IN: Final = r"(?:(?:in|during|over|for|within|from|of|on|at|en|durante|de|del|por|para|a lo largo de|throughout|across|through) )?(?:the |el |la |los |las )?"


def _count(text: str) -> int:
    return NUMBER_WORDS[text] if text in NUMBER_WORDS else int(text)


def _units(match: re.Match[str], today: dt.date) -> Range:
    return last(_UNITS[match.group(2)], _count(match.group(1)), today)


def _units_es(match: re.Match[str], today: dt.date) -> Range:
    return last(_UNITS[match.group(2) or match.group(4)], _count(match.group(1) or match.group(3)), today)


def _named_date(match: re.Match[str], today: dt.date) -> dt.date:
    day, month, month_first, day_second, year = match.groups()[-5:]
    number = _MONTHS[month or month_first]
    if year:
        return dt.date(int(year), number, int(day or day_second))
    return latest_day(number, int(day or day_second), today)


def _date(match: re.Match[str], today: dt.date) -> Range:
    return one(_named_date(match, today), "day")


def _iso(match: re.Match[str], today: dt.date) -> Range:
    return one(dt.date(*(int(part) for part in match.groups()[-3:])), "day")


def _day_month_year(match: re.Match[str], today: dt.date) -> Range:
    day, month, year = (int(part) for part in match.groups()[-3:])
    return one(dt.date(year, month, day), "day")


def _month(match: re.Match[str], today: dt.date) -> Range:
    name, year = match.group(1), match.group(2)
    if year is None:
        return latest_month(_MONTHS[name], today)
    return one(dt.date(int(year), _MONTHS[name], 1), "month")


def _month_last_year(match: re.Match[str], today: dt.date) -> Range:
    return one(dt.date(today.year - 1, _MONTHS[match.group(1)], 1), "month")


def _month_this_year(match: re.Match[str], today: dt.date) -> Range:
    return one(dt.date(today.year, _MONTHS[match.group(1)], 1), "month")


def _quarter(match: re.Match[str], today: dt.date) -> Range:
    number = _ORDINALS[match.group(1)]
    relative = match.group(3) if match.re.groups >= 3 else None
    if match.group(2):
        year = int(match.group(2))
    elif relative:
        year = today.year - (relative in ("last year", "ano pasado"))
    else:
        year = today.year if dt.date(today.year, 3 * number - 2, 1) < today else today.year - 1
    return one(dt.date(year, 3 * number - 2, 1), "quarter")


def _half(match: re.Match[str], today: dt.date) -> Range:
    number = 1 if _ORDINALS[match.group(1)] == 1 else 2
    year = int(match.group(2)) if match.group(2) else today.year
    start = dt.date(year, 6 * number - 5, 1)
    return Range(start=start, end=shift(start, "month", 6), unit="month", count=6)


def _ago(match: re.Match[str], today: dt.date) -> Range:
    count, unit = _count(match.group(1)), _UNITS[match.group(2)]
    if unit == "day":
        return one(shift(today, "day", -count), "day")
    return one(shift(floor(today, unit), unit, -count), unit)


def _one_ago(match: re.Match[str], today: dt.date) -> Range:
    unit = _unit_word(match)
    return one(shift(floor(today, unit), unit, -1), unit)


def _before_last(match: re.Match[str], today: dt.date) -> Range:
    unit = _unit_word(match)
    return one(shift(floor(today, unit), unit, -2), unit)


def _weekday(match: re.Match[str], today: dt.date) -> Range:
    back = (today.weekday() - _DAYS[match.group(1)] - 1) % 7 + 1
    return one(today - dt.timedelta(days=back), "day")


def _week_of(match: re.Match[str], today: dt.date) -> Range:
    found = [group for group in match.groups()]
    half = found[:5] if any(found[:5]) else found[5:]
    day, month, month_first, day_second, year = half
    number, of_month = _MONTHS[month or month_first or ""], int(day or day_second or 0)
    named = dt.date(int(year), number, of_month) if year else latest_day(number, of_month, today)
    return one(named, "week")


def _last_month_named(match: re.Match[str], today: dt.date) -> Range:
    number = _MONTHS[match.group(1)]
    return one(dt.date(today.year if number < today.month else today.year - 1, number, 1), "month")


def _weekend(weeks: int) -> Callable[[re.Match[str], dt.date], Range]:
    def found(match: re.Match[str], today: dt.date) -> Range:
        saturday = floor(today, "week") + dt.timedelta(days=5 - 7 * weeks)
        if weeks and saturday + dt.timedelta(days=7) < today - dt.timedelta(days=1):
            saturday += dt.timedelta(days=7)
        return Range(start=saturday, end=saturday + dt.timedelta(days=2), unit="day", count=2)

    return found


_BOUND: Final = re.compile(
    r"\b(?:more|less|fewer|over|above|under|below|at least|at most|greater|exceed\w*|mas|menos|minimo|maximo|encima|debajo|"
    r"super\w*|inferior\w*|mayor\w*|menor\w*)(?: than| de| que| a| of)?$"
)


def _year(match: re.Match[str], today: dt.date) -> Range:
    lead = match.group().split()[0]
    relative = lead in ("de", "of", "over") or lead.isdigit()
    if lead == "over" or (relative and _BOUND.search(match.string[: match.start()].rstrip())):
        raise ValueError("a bound, not a year")  # "more than 2000 guests"
    return one(dt.date(int(match.group(1)), 1, 1), "year")


def _unit_word(match: re.Match[str]) -> Unit:
    return next(_UNITS[group] for group in match.groups() if group in _UNITS)


def _this(match: re.Match[str], today: dt.date) -> Range:
    return this(_unit_word(match), today)


def _previous(match: re.Match[str], today: dt.date) -> Range:
    return last(_unit_word(match), 1, today)


def _twelve_months(match: re.Match[str], today: dt.date) -> Range:
    return last("month", 12, today)


def _previous_quarter_or(match: re.Match[str], today: dt.date) -> Range:
    # "the last quarter" is the one before this, "the last quarter of 2025" its fourth.
    if match.group(1) in ("last", "ultimo") and not match.group(2) and not match.group(3):
        return last("quarter", 1, today)
    return _quarter(match, today)


_Rule = tuple[re.Pattern[str], Callable[[re.Match[str], dt.date], Range]]


def _rule(pattern: str, make: Callable[[re.Match[str], dt.date], Range]) -> _Rule:
    return re.compile(rf"\b{pattern}\b"), make


_AGO: Final = "(?:last year|previous year|el ano pasado|ano pasado|el ano anterior|ano anterior)"
#: Points and spans that can also stand at either end of "between … and …".
SPANS: Final[tuple[_Rule, ...]] = (
    _rule(rf"{_IN}week of {DATE_WORDS}|{_IN}semana del? {DATE_WORDS}", _week_of),
    _rule(rf"{_IN}{_YEAR} (\d\d) (\d\d)", _iso),
    _rule(rf"{_IN}(\d{{1,2}}) (\d{{1,2}}) {_YEAR}", _day_month_year),
    _rule(rf"{_IN}{DATE_WORDS}", _date),
    _rule(rf"{_IN}{_MONTH}(?: of| de| del)? (?:the )?{_AGO}", _month_last_year),
    _rule(rf"{_IN}{_MONTH}(?: of| de)? (?:this year|este ano)", _month_this_year),
    _rule(rf"{_IN}(?:month of |mes de )?{_MONTH}(?:,?(?: of| de| del| in)? {_YEAR})?", _month),
    _rule(
        rf"{_IN}[qt] ?([1-4])(?:(?: of| de| in)? {_YEAR})?(?: (?:of |de |del )?(?:the )?(last year|this year|ano pasado|este ano))?",
        _quarter,
    ),
    _rule(
        rf"{_IN}{_ORDINAL} (?:quarter|trimestre)(?:(?: of| de| del| in)? (?:ano )?{_YEAR})?"
        r"(?: (?:of |de |del )?(?:the )?(last year|this year|ano pasado|este ano))?",
        _previous_quarter_or,
    ),
    _rule(
        rf"{_IN}{_ORDINAL} (?:half|semestre|mitad)(?! of [a-z]| de [a-z])(?:(?: of| de| del)? (?:the )?(?:year |ano )?{_YEAR})?(?: of the year| del ano)?",
        _half,
    ),
    _rule(rf"{_IN}h ?([12])(?: (?:of |de )?{_YEAR})?", _half),
    _rule(r"(?:the )?day before yesterday|anteayer|antier", lambda _, today: one(today - dt.timedelta(days=2), "day")),
    _rule(
        rf"(?:since|from) (?:the )?(?:beginning|start) of (?:the |this )?(?:current )?{_UNIT}|"
        rf"desde (?:el |los )?(?:principios?|inicios?|comienzos?) (?:de |del )?(?:este |el )?{_UNIT}|"
        rf"(?:all|the whole|the entire|todo el|toda la|todo este|toda esta) {_UNIT}",
        _this,
    ),
    _rule(rf"{_IN}(?:last|past|previous|pasado|ultimo) {_MONTH}", _last_month_named),
    _rule(rf"{_IN}{_MONTH} (?:pasado|anterior)", _last_month_named),
    _rule(r"yesterday|ayer", lambda _, today: one(today - dt.timedelta(days=1), "day")),
    _rule(r"today|hoy", lambda _, today: one(today, "day")),
    _rule(
        rf"{_IN}(?:last|past|previous) weekend|{_IN}fin de semana (?:pasado|anterior)|{_IN}ultimo fin de semana",
        _weekend(1),
    ),
    _rule(rf"{_IN}(?:this weekend|este fin de semana)", _weekend(0)),
    _rule(rf"{_IN}{_LAST} {_COUNT} (?:full |whole |complete |calendar |completed )?{_UNIT}", _units),
    _rule(rf"{_IN}{_COUNT} {_LAST} {_UNIT}", _units),
    _rule(rf"{_IN}{_COUNT} {_UNIT} (?:anteriores|previos|pasados|pasadas)", _units),
    _rule(rf"(?:a )?{_COUNT} {_UNIT} ago", _ago),
    _rule(rf"(?:a|an|one) {_UNIT} ago|hace una? {_UNIT}", _one_ago),
    _rule(rf"{_IN}{_UNIT} before last|{_IN}{_UNIT} antepasad[oa]", _before_last),
    _rule(rf"hace {_COUNT} {_UNIT}", _ago),
    _rule(
        r"(?:in |over |during |for |within |of )?the (?:last|past) (?:full )?year|past year|(?:en |durante |de |del )?(?:el )?ultimo ano",
        _twelve_months,
    ),
    _rule(r"(?:this )?year to date|ytd", lambda _, today: this("year", today)),
    _rule(r"(?:this )?month to date|mtd", lambda _, today: this("month", today)),
    _rule(r"(?:this )?quarter to date|qtd", lambda _, today: this("quarter", today)),
    _rule(r"(?:this )?week to date|wtd", lambda _, today: this("week", today)),
    _rule(
        rf"(?:so far )?{_IN}(?:this|current|actual) (?:calendar )?{_UNIT}(?: so far| to date| hasta ahora| hasta hoy)?",
        _this,
    ),
    _rule(rf"(?:en )?lo que (?:va|llevamos|llevo|va transcurrido) (?:de|del) (?:este )?{_UNIT}", _this),
    _rule(rf"{_IN}(?:este|esta) (?:mismo |misma )?{_UNIT}(?: actual| en curso| hasta ahora| hasta hoy)?", _this),
    _rule(rf"{_IN}{_UNIT} (?:actual|en curso|corriente)", _this),
    _rule(rf"{_IN}(?:last|past|previous|prior|latest) (?:full |whole |calendar |complete )?{_UNIT}", _previous),
    _rule(rf"{_IN}{_UNIT} (?:pasado|pasada|anterior|previo|previa)", _previous),
    _rule(rf"{_IN}(?:ultimo|ultima|pasado|pasada) {_UNIT}", _previous),
    _rule(rf"(?:on |from )?(?:last|this past) {_DAY}", _weekday),
    _rule(rf"{_IN}{_DAY} (?:pasado|anterior)", _weekday),
    _rule(rf"{_IN}ultimo {_DAY}", _weekday),
    _rule(rf"{_IN}(?:year |ano )?{_YEAR}", _year),
)
