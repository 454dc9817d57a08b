from __future__ import annotations

import pytest

from orchestrator.pipeline.semantic.query import Filter, Misread, Threshold
from tests.unit.semantic_layer import days, understood


@pytest.mark.parametrize(
    ("question", "measure"),
    [
        ("How much did we take in Rome last week?", "net_sales"),
        ("¿Cuánto facturó cada local en septiembre?", "net_sales"),
        ("sales before discounts", "gross_sales"),
        ("how many pizzas were sold last week", "items_sold"),
        ("what is our best-selling dish?", "items_sold"),
        ("Which waiter at Centro sold the most?", "net_sales"),
        ("busiest day last month", "orders"),
        ("how many waiters do we have in Rome", "staff_count"),
        ("how many desserts do we offer", "menu_items"),
        ("how many deliveries did Molino Rosso make", "deliveries"),
        ("delivery orders by city", "orders"),
        ("amount paid by card in October", "payments"),
        ("revenue by payment method", "payments"),
        ("how much did we spend on meat", "purchase_cost"),
        ("what share of bookings did not turn up?", "no_show_rate"),
        ("What was our margin in percent?", "margin_rate"),
        ("¿Qué porcentaje de pedidos se canceló?", "cancellation_rate"),
        ("¿Cuánto gasta de media un comensal en Roma?", "spend_per_guest"),
    ],
)
def test_a_figure_is_asked_for_in_many_words(question: str, measure: str) -> None:
    assert understood(question)["measures"] == (measure,)


@pytest.mark.parametrize(
    ("question", "groups"),
    [
        ("net sales by branch", ("branch",)),
        ("revenue in each city", ("city",)),
        ("weekly revenue for Triana", ("week",)),
        ("ventas por local y mes", ("branch", "month")),
        ("sales of the branch Triana", ()),
        ("sales of all our restaurants", ()),
        ("sales of the Italian restaurants", ()),
        ("sales of the garden and the main room", ("sector",)),
        ("sales in Madrid and Barcelona combined", ()),
        ("sales of each pizza", ("menu_item",)),
        ("how many dishes did we sell", ()),
        ("dishes per category", ("menu_category",)),
    ],
)
def test_nouns_group_or_only_name(question: str, groups: tuple[str, ...]) -> None:
    assert understood(question).get("groups", ()) == groups


@pytest.mark.parametrize(
    ("question", "filters"),
    [
        ("sales in Sevilla", (Filter(dimension="city", values=("Seville",)),)),
        ("sales excluding Centro", (Filter(dimension="branch", values=("Centro",), negated=True),)),
        ("sales on weekends", (Filter(dimension="weekday", values=("Saturday", "Sunday")),)),
        ("dinner sales", (Filter(dimension="service", values=("dinner",)),)),
        ("wine sales", (Filter(dimension="menu_category", values=("Wine",)),)),
        ("wine purchases", (Filter(dimension="product_group", values=("wine",)),)),
        ("carbonara sales", (Filter(dimension="menu_item", values=("Spaghetti carbonara",)),)),
        ("purchases from Molino Rosso", (Filter(dimension="supplier", values=("Molino Rosso Srl",)),)),
        ("sales in the restaurant Triana", (Filter(dimension="branch", values=("Triana",)),)),
    ],
)
def test_values_hold_rows_to_them(question: str, filters: tuple[Filter, ...]) -> None:
    assert understood(question)["filters"] == filters


@pytest.mark.parametrize(
    ("question", "order", "limit"),
    [
        ("top 5 dishes by revenue", "desc", 5),
        ("los 5 postres más vendidos", "desc", 5),
        ("bottom 3 pizzas by units", "asc", 3),
        ("which branch had the most guests", "desc", 1),
        ("which branches had the most guests", "desc", None),
        ("¿Cuál es el plato menos vendido?", "asc", 1),
        ("which branch has the worst no-show rate", "desc", 1),
        ("tips by waiter, de mayor a menor", "desc", None),
        ("who got the most tips", "desc", 1),
        ("where do we sell the most wine", "desc", 1),
    ],
)
def test_superlatives_order_and_cut(question: str, order: str, limit: int | None) -> None:
    found = understood(question)

    assert (found["order"], found.get("limit")) == (order, limit)


def test_the_best_of_each_is_ranked_within() -> None:
    found = understood("best-selling dish in each city")

    assert (found["groups"], found["within"], found["limit"]) == (("city", "menu_item"), ("city",), 1)


@pytest.mark.parametrize(
    ("question", "operator", "bound"),
    [
        ("branches with more than 500 orders", ">", 500.0),
        ("cities with at least 1,000 orders", ">=", 1_000.0),
        ("días con menos de 20 pedidos", "<", 20.0),
        ("suppliers with a late rate above 5%", ">", 5.0),
    ],
)
def test_bounds_hold_groups(question: str, operator: str, bound: float) -> None:
    (threshold,) = understood(question)["thresholds"]

    assert isinstance(threshold, Threshold)
    assert (threshold.operator, threshold.bound) == (operator, bound)


def test_how_many_groups_pass_a_bound_is_counted() -> None:
    assert understood("how many days had sales over 1000 euros")["count_groups"] is True


@pytest.mark.parametrize(
    "question",
    [
        "sales this month vs last month",
        "ventas de este mes comparadas con el mes pasado",
        "How did sales change versus last month?",
        "did we sell more this month than last month?",
    ],
)
def test_two_months_are_compared_the_later_first(question: str) -> None:
    found = understood(question)

    assert (str(found["span"].start), str(found["earlier"].start)) == ("2026-11-01", "2026-10-01")


def test_a_comparison_with_last_year_keeps_the_dates() -> None:
    found = understood("sales in October versus last year")

    assert (str(found["earlier"].start), str(found["earlier"].end)) == ("2025-10-01", "2025-11-01")


def test_a_share_says_of_what() -> None:
    assert understood("what share of sales came from delivery in Madrid")["share_of"] == "channel"


def test_a_mean_per_day_is_no_group() -> None:
    found = understood("average daily sales by branch")

    assert (found["average"], found["groups"]) == ("day", ("branch",))


def test_one_figure_may_be_divided_by_another() -> None:
    found = understood("tips per order by branch")

    assert (found["measures"], found["per"]) == (("tips",), "orders")


def test_misspelt_words_are_understood_and_named() -> None:
    found = understood("revenu by resturant yestreday")

    assert dict(found["corrections"]) == {"revenu": "revenue", "resturant": "restaurant", "yestreday": "yesterday"}


def test_the_range_of_a_question_is_found() -> None:
    assert days("net sales by branch last quarter") == ("2026-07-01", "2026-10-01")


@pytest.mark.parametrize(
    "question",
    [
        "what is the salary of the waiters",
        "tips by dish",
        "average ticket by dish",
        "guests by menu category",
        "spend per guest by dish",
        "staff last year",
        "sales in Paris",
        "weather tomorrow",
        "how many refunds were there",
        "sales on 31 June",
        "weekend sales versus weekday sales",
        "the 0 best dishes",
        "sales without discounts",
        "the most",
        "average sales by branch",
    ],
)
def test_what_is_not_understood_stops_the_answer(question: str) -> None:
    with pytest.raises(Misread):
        understood(question)
