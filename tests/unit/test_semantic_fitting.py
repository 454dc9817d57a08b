"""A layer held to its database, and what a second look at the database adds to it."""

from __future__ import annotations

from typing import Any

import pytest

from orchestrator.engines.warehouse import Catalogue, Column
from orchestrator.pipeline.semantic.draft import draft_layer
from orchestrator.pipeline.semantic.fitting import grown, is_of_another_database, misfits, unreadable
from orchestrator.pipeline.semantic.model import Labels, SemanticLayer

ORDERS = (
    Column(name="id", type="integer"),
    Column(name="ordered_on", type="date"),
    Column(name="customer_id", type="integer"),
    Column(name="amount", type="number"),
)
CUSTOMERS = (Column(name="id", type="integer"), Column(name="city", type="text"))
SHOP: Catalogue = {"orders": ORDERS, "customers": CUSTOMERS}


def changed(layer: SemanticLayer, **parts: Any) -> SemanticLayer:
    return SemanticLayer.model_validate(layer.model_dump() | parts)


def test_a_draft_fits_what_it_was_drafted_from() -> None:
    assert misfits(draft_layer(SHOP, dialect="sqlite"), SHOP) == []


@pytest.mark.parametrize(
    ("part", "entry", "said"),
    [
        ("facts", {"relation": "invoices"}, "facts.x: there is no table or view invoices that the role may read"),
        ("facts", {"relation": "orders", "date": "orders.day"}, "facts.x: orders has no column day"),
        (
            "measures",
            {
                "labels": {"en": ["x"], "es": ["x"]},
                "format": "number",
                "sources": [{"fact": "orders", "sql": "sum(orders.amuont)"}],
            },
            "measures.x: orders has no column amuont",
        ),
        (
            "dimensions",
            {"labels": {"en": ["x"], "es": ["x"]}, "sql": "shops.city"},
            "dimensions.x: no fact or join is called shops",
        ),
        (
            "dimensions",
            {"labels": {"en": ["x"], "es": ["x"]}, "sql": "town"},
            "dimensions.x: no table has a column town",
        ),
    ],
)
def test_what_is_not_there_is_named_with_its_entry(part: str, entry: dict[str, Any], said: str) -> None:
    drafted = draft_layer(SHOP, dialect="sqlite").model_dump()

    layer = SemanticLayer.model_validate(drafted | {part: {**drafted[part], "x": entry}})

    assert misfits(layer, SHOP) == [said]


def test_what_somebody_said_stays_and_what_is_new_is_added() -> None:
    before = draft_layer({"orders": ORDERS}, dialect="sqlite")
    name = next(iter(before.measures))
    mine = before.measures[name].model_copy(update={"labels": Labels(en=("deals",), es=("tratos",))})
    edited = changed(before, measures={**before.model_dump()["measures"], name: mine.model_dump()})

    grew = grown(edited, draft_layer(SHOP, dialect="sqlite"))
    layer = grew.layer

    assert (grew.added, grew.left_out) == (("customers",), ())
    assert layer.measures[name].labels.en == ("deals",)
    assert {"orders", "customers"} == set(layer.facts)
    assert any(dimension.sql == '"customers"."city"' for dimension in layer.dimensions.values())
    assert [(join.start, join.to) for join in layer.joins] == [("orders", "customers")]
    assert misfits(layer, SHOP) == []


def test_what_somebody_took_out_of_a_known_table_stays_out() -> None:
    drafted = draft_layer(SHOP, dialect="sqlite")
    fewer = changed(drafted, dimensions={})

    grew = grown(fewer, drafted)

    assert grew.added == ()
    assert grew.layer.dimensions == {}


def test_a_layer_without_a_fact_in_the_database_is_another_ones() -> None:
    layer = draft_layer(SHOP, dialect="sqlite")

    assert is_of_another_database(layer, {"films": CUSTOMERS})
    assert not is_of_another_database(layer, {"orders": ORDERS})


LABELS = {"en": ["x"], "es": ["x"]}


def test_what_is_no_sql_is_named_without_a_database() -> None:
    drafted = draft_layer(SHOP, dialect="sqlite").model_dump()
    query = {"name": "v", "en": ["who"], "es": ["quién"], "describe": LABELS}
    hole = {"kind": "value", "dimension": "nobody"}

    layer = SemanticLayer.model_validate(
        drafted
        | {
            "dimensions": {**drafted["dimensions"], "x": {"labels": LABELS, "sql": "customers.((("}},
            "verified": [
                query | {"sql": "select ((("},
                query | {"name": "w", "sql": "select " + "(" * 3_000},
                query | {"name": "h", "sql": "select city from customers where city = :c", "slots": {"c": hole}},
            ],
        }
    )

    assert unreadable(layer) == [
        "dimensions.x: this is not SQL: customers.(((",
        "verified.v: this is not SQL",
        "verified.w: this is not SQL",
        "verified.h: the hole c names nobody, which is no dimension",
    ]


def test_a_name_of_somebodys_comes_to_mean_nothing_else() -> None:
    """Their fact `orders` is a view without tests, and their `customers` another table: the new ones stay out."""
    theirs = SemanticLayer.model_validate(
        {
            "name": "m",
            "dialect": "sqlite",
            "facts": {"orders": {"relation": "orders_clean"}},
            "joins": [
                {
                    "start": "orders_clean",
                    "to": "customers",
                    "relation": "dim_customers",
                    "condition": "customers.id = orders_clean.customer_id",
                }
            ],
            "measures": {
                "n": {"labels": LABELS, "format": "count", "sources": [{"fact": "orders", "sql": "count(*)"}]}
            },
            "dimensions": {"city": {"labels": LABELS, "sql": "customers.city"}},
        }
    )

    grew = grown(theirs, draft_layer(SHOP, dialect="sqlite"))

    assert grew.layer == theirs
    assert grew.added == ()
    assert set(grew.left_out) == {"orders", "customers"}


def test_a_name_with_two_meanings_is_told() -> None:
    drafted = draft_layer(SHOP, dialect="sqlite").model_dump()
    twice = {"start": "orders", "to": "customers", "relation": "orders", "condition": "customers.id = orders.id"}

    layer = SemanticLayer.model_validate(drafted | {"joins": [*drafted["joins"], twice]})

    assert "joins.customers: the name stands for two tables or views" in misfits(layer, SHOP)


def test_a_layer_of_verified_queries_alone_is_of_this_database() -> None:
    assert not is_of_another_database(SemanticLayer(name="m", facts={}, measures={}), SHOP)
