from __future__ import annotations

import datetime as dt

import pytest

from orchestrator.pipeline.semantic.ranges import last, one, shift, this
from orchestrator.pipeline.semantic.time_grammar import read_when
from orchestrator.pipeline.semantic.words import plain, stem

TODAY = dt.date(2026, 11, 20)


def spans(text: str) -> list[tuple[str, str]]:
    return [(str(span.start), str(span.end)) for span in read_when(plain(text), TODAY).ranges]


@pytest.mark.parametrize(
    ("text", "start", "end"),
    [
        ("yesterday", "2026-11-19", "2026-11-20"),
        ("the day before yesterday", "2026-11-18", "2026-11-19"),
        ("anteayer", "2026-11-18", "2026-11-19"),
        ("last 7 days", "2026-11-13", "2026-11-20"),
        ("in the past thirty days", "2026-10-21", "2026-11-20"),
        ("the last 8 weeks", "2026-09-21", "2026-11-16"),
        ("los últimos 3 meses", "2026-08-01", "2026-11-01"),
        ("over the last two quarters", "2026-04-01", "2026-10-01"),
        ("this week", "2026-11-16", "2026-11-20"),
        ("this month so far", "2026-11-01", "2026-11-20"),
        ("this quarter to date", "2026-10-01", "2026-11-20"),
        ("year to date", "2026-01-01", "2026-11-20"),
        ("en lo que va de año", "2026-01-01", "2026-11-20"),
        ("since the start of the year", "2026-01-01", "2026-11-20"),
        ("last week", "2026-11-09", "2026-11-16"),
        ("la semana pasada", "2026-11-09", "2026-11-16"),
        ("last month", "2026-10-01", "2026-11-01"),
        ("el mes anterior", "2026-10-01", "2026-11-01"),
        ("last quarter", "2026-07-01", "2026-10-01"),
        ("el trimestre pasado", "2026-07-01", "2026-10-01"),
        ("last year", "2025-01-01", "2026-01-01"),
        ("el año pasado", "2025-01-01", "2026-01-01"),
        ("in the last year", "2025-11-01", "2026-11-01"),
        ("past year", "2025-11-01", "2026-11-01"),
        ("el último año", "2025-11-01", "2026-11-01"),
        ("in August", "2026-08-01", "2026-09-01"),
        ("in December", "2025-12-01", "2026-01-01"),
        ("en noviembre", "2026-11-01", "2026-12-01"),
        ("in August 2025", "2025-08-01", "2025-09-01"),
        ("agosto de 2025", "2025-08-01", "2025-09-01"),
        ("October last year", "2025-10-01", "2025-11-01"),
        ("since March", "2026-03-01", "2026-11-20"),
        ("desde 2025", "2025-01-01", "2026-11-20"),
        ("on 3 May 2026", "2026-05-03", "2026-05-04"),
        ("May 3rd, 2026", "2026-05-03", "2026-05-04"),
        ("el 24 de diciembre", "2025-12-24", "2025-12-25"),
        ("2026-05-03", "2026-05-03", "2026-05-04"),
        ("in 2025", "2025-01-01", "2026-01-01"),
        ("Q3", "2026-07-01", "2026-10-01"),
        ("the fourth quarter", "2026-10-01", "2027-01-01"),
        ("Q4 2025", "2025-10-01", "2026-01-01"),
        ("primer trimestre de 2026", "2026-01-01", "2026-04-01"),
        ("the first half of 2025", "2025-01-01", "2025-07-01"),
        ("last weekend", "2026-11-14", "2026-11-16"),
        ("last Friday", "2026-11-13", "2026-11-14"),
        ("el lunes pasado", "2026-11-16", "2026-11-17"),
        ("two weeks ago", "2026-11-02", "2026-11-09"),
        ("hace tres meses", "2026-08-01", "2026-09-01"),
        ("between 1 March and 15 April 2026", "2026-03-01", "2026-04-16"),
        ("del 1 al 15 de octubre", "2026-10-01", "2026-10-16"),
        ("1-15 October", "2026-10-01", "2026-10-16"),
        ("from March to June", "2026-03-01", "2026-07-01"),
        ("entre marzo y junio de 2025", "2025-03-01", "2025-07-01"),
        ("from November to February", "2025-11-01", "2026-03-01"),
        ("January–March 2026", "2026-01-01", "2026-04-01"),
        ("week of 3 November", "2026-11-02", "2026-11-09"),
    ],
)
def test_days_are_named_in_many_ways(text: str, start: str, end: str) -> None:
    assert spans(text) == [(start, end)]


@pytest.mark.parametrize(("text", "end"), [("until June", "2026-07-01"), ("before 2026", "2026-01-01")])
def test_a_range_may_have_no_beginning(text: str, end: str) -> None:
    assert spans(text) == [("None", end)]


@pytest.mark.parametrize("text", ["31 june", "30 de febrero de 2026"])
def test_a_day_that_does_not_exist_stays_unread(text: str) -> None:
    assert any(char.isdigit() for char in read_when(plain(text), TODAY).rest)


def test_a_bound_is_no_year() -> None:
    when = read_when(plain("more than 2000 guests in 2025"), TODAY)

    assert ([str(span.start) for span in when.ranges], "2000" in when.rest) == (["2025-01-01"], True)


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("this month versus the same dates last year", "year"),
        ("october compared with a year earlier", "year"),
        ("este mes frente al mismo mes del año pasado", "year"),
        ("this week vs the week before", "before"),
        ("octubre comparado con el anterior", "before"),
    ],
)
def test_the_range_to_compare_with_may_be_named_by_the_first(text: str, kind: str) -> None:
    assert read_when(plain(text), TODAY).earlier == kind


def test_the_equally_named_range_before_a_running_one_is_whole() -> None:
    assert this("month", TODAY).before() == last("month", 1, TODAY)


def test_the_range_before_a_named_month_is_the_month_before() -> None:
    assert one(dt.date(2026, 3, 1), "month").before() == one(dt.date(2026, 2, 1), "month")


def test_a_year_earlier_keeps_the_dates() -> None:
    earlier = this("month", TODAY).year_earlier()

    assert (earlier.start, earlier.end) == (dt.date(2025, 11, 1), dt.date(2025, 11, 20))


@pytest.mark.parametrize(
    ("day", "count", "shifted"),
    [
        (dt.date(2026, 1, 31), 1, dt.date(2026, 2, 28)),
        (dt.date(2026, 12, 31), 2, dt.date(2027, 2, 28)),
        (dt.date(2024, 2, 29), 12, dt.date(2025, 2, 28)),
    ],
)
def test_a_month_later_ends_with_the_month(day: dt.date, count: int, shifted: dt.date) -> None:
    assert shift(day, "month", count) == shifted


@pytest.mark.parametrize(
    ("word", "root"),
    [("cities", "city"), ("dishes", "dish"), ("locales", "local"), ("camareros", "camarero"), ("branch", "branch")],
)
def test_a_plural_loses_its_ending(word: str, root: str) -> None:
    assert stem(word) == root


@pytest.mark.parametrize(
    ("text", "read"),
    [("¿Cuántos Pedidos?", "cuantos pedidos"), ("1,000.50 €", "1000.50"), ("5k", "5000"), ("12%", "12 percent")],
)
def test_text_is_read_without_case_accents_and_signs(text: str, read: str) -> None:
    assert plain(text) == read
