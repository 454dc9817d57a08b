"""When: every way of naming days that is understood, in English and Spanish.

Works on plain text (see `words.plain`). Each rule is a pattern and a function; what a rule takes is blanked out, so that later
rules and the lexicon don't read it again. More specific rules stand first.
"""
# ruff: noqa: E501 - one rule a line

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final

from orchestrator.pipeline.semantic.ranges import Range, shift
from orchestrator.pipeline.semantic.time_rules import DATE_WORDS, SPANS

#: Stands where a rule took text; no word of the lexicon holds it.
TAKEN: Final = "~"


@dataclass(frozen=True, slots=True, kw_only=True)
class When:
    """The ranges of a question in the order of the text, and the rest of the text."""

    ranges: tuple[Range, ...]
    #: "the year before", "same period last year": the first range is to be compared with this derived one.
    earlier: str | None
    rest: str
    #: Whether words that mean all of time were there.
    always: bool = False


EARLIER: Final[tuple[tuple[re.Pattern[str], str], ...]] = tuple(
    (re.compile(rf"\b{pattern}\b"), kind)
    for pattern, kind in (
        (
            r"(?:the |el |la |los |las )?(?:same|mismo|misma|mismos|mismas|equal|equivalent|corresponding)"
            r"(?: \w+)? (?:of |in |from |a |de |del |en )?(?:the |el )?"
            r"(?:last year|previous year|prior year|year before|year earlier|year ago|ano pasado|ano anterior|ano previo|one year earlier|one year ago)",
            "year",
        ),
        (
            r"(?:a|one|the) year (?:ago|earlier|before|prior)|year (?:on|over) year|yoy|hace un ano|un ano antes|interanual(?:es)?",
            "year",
        ),
        (r"(?:the |el )?(?:previous|preceding|prior) (?:year|ano) same (?:\w+)", "year"),
        (
            r"(?:the )?(?:one|period|month|week|quarter|year|day|weeks|months|days) (?:before|earlier|prior)(?! yesterday| last)(?: that| it)?|"
            r"(?:the )?(?:previous|preceding|prior) (?:one|period)|(?:the )?preceding (?:month|week|quarter|year|day)|"
            r"(?:el |la )?(?:periodo|mes|semana|trimestre|dia) (?:de )?antes|(?:el |la |al )?periodo anterior|el anterior|la anterior|al anterior|"
            r"(?:week|month|quarter) (?:on|over) (?:week|month|quarter)|mom|wow|qoq|intermensual",
            "before",
        ),
    )
)
PREVIOUS: Final = re.compile(r"\b(?:previous|prior|preceding|anterior|previo|previa)\b")
ALWAYS: Final = re.compile(
    r"\b(?:ever|of all time|all time|since (?:the )?(?:very )?(?:beginning|start|opening)(?! of)|historically|to date|so far|overall|"
    r"desde siempre|de siempre|historico|historica|en toda la historia|hasta ahora|hasta la fecha|desde el principio|de todos los tiempos)\b"
)
_FROM_TO: Final = re.compile(
    r"\b(?:between|entre|from|desde|del|de)(?: el| la| the)? (<\d+>) (?:and|to|y|until|till|through|a|al|hasta|e)(?: el| la| the)? (<\d+>)"
)
#: "March to June", "March - June": not where two ranges are compared.
_TO: Final = re.compile(r"(<\d+>)(?: (?:to|until|till|through|a|al|hasta)(?: el| la| the)?)? (<\d+>)")
_COMPARED: Final = re.compile(
    r"\b(?:compar\w*|versus|vs|than|against|frente|respecto|growth|change\w*|differen\w*|diferencia|higher|lower|crec\w*)\b"
)
_SINCE: Final = re.compile(
    r"\b(?:since|after|starting|from|desde|a partir de|despues de)(?: el| la| the)? (<\d+>)(?: on| onwards| en adelante)?"
)
_UNTIL: Final = re.compile(r"\b(?:until|till|before|up to|hasta|antes de)(?: el| la| the| del)? (<\d+>)")
_BARE_TO: Final = re.compile(rf"\b(\d{{1,2}}) (?:to|al|a|until|hasta) (?=(?:el |the )?{DATE_WORDS})")
_BARE_DAY: Final = re.compile(
    rf"\b(?:between|entre|from|desde|del|de)(?: el| the| dia)*? (\d{{1,2}})(?: and| to| y| until| a| al| hasta| through)(?: el| the)? (?={DATE_WORDS})"
)


def read_when(text: str, today: dt.date) -> When:
    """Return the ranges that a plain text names and the text with those parts blanked.

    A date that does not exist (31 June) is left in the text, where it stops the answer.
    """
    earlier, text = _read_earlier(text)
    text = _spell_first_day(text)
    spans: list[Range] = []
    for pattern, make in SPANS:
        text = pattern.sub(lambda match: _mark(match, make, spans, today), text)  # noqa: B023 - used at once
    text, joined = _join(text, spans, today)
    order = [int(number) for number in re.findall(r"<(\d+)>", text)]
    ranges = tuple(joined.get(number, spans[number]) for number in order)
    text = re.sub(r"<\d+>", f" {TAKEN} ", text)
    always = bool(ALWAYS.search(text))
    text = ALWAYS.sub(f" {TAKEN} ", text)
    return When(ranges=ranges, earlier=earlier, rest=" ".join(text.split()), always=always)


def _read_earlier(text: str) -> tuple[str | None, str]:
    for pattern, kind in EARLIER:
        match = pattern.search(text)
        if match:
            return kind, f"{text[: match.start()]} {TAKEN} vs {text[match.end() :]}"
    return None, text


def _spell_first_day(text: str) -> str:
    """Give the first day of "from 1 to 15 October" its month."""
    match = _BARE_DAY.search(text) or _BARE_TO.search(text)
    if match is None:
        return text
    date = re.match(DATE_WORDS, text[match.end() :])
    if date is None:
        return text
    _, month, month_first, _, year = date.groups()
    spelled = f"{match.group(1)} {month or month_first}" + (f" {year}" if year else "")
    start = match.start(1)
    return text[:start] + spelled + text[match.end(1) :]


def _mark(
    match: re.Match[str], make: Callable[[re.Match[str], dt.date], Range], spans: list[Range], today: dt.date
) -> str:
    try:
        span = make(match, today)
        spans.append(replace(span, previous=True) if PREVIOUS.search(match.group()) else span)
    except (ValueError, OverflowError):
        return match.group()
    # A preposition that a range may hang on ("since", "between") is not part of a span and stays readable.
    lead = re.match(r"(?:from|de|del|desde) ", match.group())
    return f"{lead.group() if lead else ''}<{len(spans) - 1}>"


def _join(text: str, spans: list[Range], today: dt.date) -> tuple[str, dict[int, Range]]:
    joined: dict[int, Range] = {}
    compared = _COMPARED.search(text) is not None

    def between(match: re.Match[str]) -> str:
        first, second = (spans[int(match.group(n)[1:-1])] for n in (1, 2))
        if compared and first.unit == second.unit != "day":
            return f"{match.group(1)} vs {match.group(2)}"  # "the difference between May and June"
        if first.start is None or second.end is None or second.end <= first.start:
            # "from November to February": the first one lies a year before.
            if first.start is None or second.end is None or shift(first.start, "year", -1) >= second.end:
                return match.group()
            first = first.year_earlier()
        joined[int(match.group(2)[1:-1])] = Range(start=first.start, end=second.end, unit="day")
        return match.group(2)

    def since(match: re.Match[str]) -> str:
        number = int(match.group(1)[1:-1])
        span = spans[number]
        after = match.group().startswith(("after", "despues"))
        if match.group().startswith("from") and not match.group().endswith(("on", "onwards", "adelante")):
            return match.group(1)  # "sales from October" is October
        joined[number] = Range(start=span.end if after else span.start, end=today, unit="day")
        return match.group(1)

    def until(match: re.Match[str]) -> str:
        number = int(match.group(1)[1:-1])
        span = spans[number]
        before = match.group().startswith(("before", "antes"))
        joined[number] = Range(start=None, end=span.start if before else span.end, unit="day")
        return match.group(1)

    text = _FROM_TO.sub(between, text)
    if not compared:
        text = _TO.sub(between, text)
    text = _SINCE.sub(since, text)
    text = _UNTIL.sub(until, text)
    return text, joined


#: Every word of the rules; a misspelt one can be recognised.
WORDS: Final = frozenset(
    word
    for pattern in (*(rule for rule, _ in SPANS), *(rule for rule, _ in EARLIER), ALWAYS, _FROM_TO, _SINCE, _UNTIL)
    for word in re.findall(r"[a-z]{3,}", re.sub(r"\\[a-z]|\(\?\w*[:=!]?", " ", pattern.pattern))
)
