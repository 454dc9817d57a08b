"""The example company's rows: always the same, up to yesterday, and hidden columns stay hidden."""

from datetime import date, timedelta
from functools import cache

from deploy.example.compare import same_rows
from deploy.example.day import Row
from deploy.example.generate import COLUMNS, generate
from deploy.example.views import VISIBLE, view_statements

TODAY = date(2026, 11, 20)
HIDDEN = {"salary", "national_id", "phone", "card_token", "guest_phone", "guest_name", "customer_email", "iban"}


@cache
def small() -> dict[str, list[Row]]:
    """Return the small company, made once."""
    return generate(7, TODAY, "small")


def column(table: str, name: str) -> list[object]:
    """Return one column of a table of the small company."""
    index = COLUMNS[table].index(name)
    return [row[index] for row in small()[table]]


def test_the_same_seed_gives_the_same_rows() -> None:
    assert generate(7, TODAY, "small") == small()


def test_another_seed_gives_other_orders() -> None:
    assert generate(8, TODAY, "small")["orders"] != small()["orders"]


def test_the_small_company_has_about_twenty_thousand_order_lines() -> None:
    assert 18_000 < len(small()["order_items"]) < 22_000


def test_business_ends_yesterday() -> None:
    opened = [moment.date() for moment in column("orders", "opened_at")]  # type: ignore[attr-defined]  # rows are untyped

    assert max(opened) == TODAY - timedelta(days=1)
    assert min(opened) >= TODAY - timedelta(days=730)


def test_a_day_keeps_its_orders_when_the_window_moves() -> None:
    later = generate(7, TODAY + timedelta(days=3), "small")

    assert set(small()["payments"][-200:]) <= set(later["payments"])


def test_ids_are_unique_in_a_tenant() -> None:
    lines = list(zip(column("order_items", "tenant"), column("order_items", "id"), strict=True))

    assert len(lines) == len(set(lines))


def test_staff_names_are_unique_in_a_tenant() -> None:
    people = list(zip(column("staff", "tenant"), column("staff", "name"), strict=True))

    assert len(people) == len(set(people))


def test_no_view_shows_a_hidden_column() -> None:
    assert HIDDEN & {name for columns in VISIBLE.values() for name in columns} == set()


def test_every_view_is_a_security_barrier_over_one_tenant() -> None:
    views = [text for text in view_statements("rival") if text.startswith("create view")]

    assert len(views) == len(VISIBLE)
    assert all("security_barrier" in text and text.endswith("where tenant = 'rival'") for text in views)


def test_rows_match_in_any_order_unless_the_order_counts() -> None:
    expected, actual = [("a", 1.0), ("b", 2.0)], [("B", 2.001), ("A", 1)]

    assert same_rows(expected, actual, ordered=False)
    assert not same_rows(expected, actual, ordered=True)


def test_a_comparison_the_wrong_way_round_does_not_match() -> None:
    assert not same_rows([(100.0, 50.0)], [(50.0, 100.0)], ordered=False)


def test_tied_rows_may_change_places() -> None:
    assert same_rows([("a", 2), ("b", 1), ("c", 1)], [("a", 2), ("c", 1), ("b", 1)], ordered=True)


def test_a_month_written_short_is_its_first_day() -> None:
    assert same_rows([(date(2026, 10, 1), 5)], [("2026-10", 5)], ordered=True)


def test_a_left_over_row_does_not_match() -> None:
    assert not same_rows([("a", 1)], [("a", 1), ("b", 2)], ordered=False)
