"""A layer held to its database, and what a second look at the database adds to it."""

from __future__ import annotations

from typing import Any

import pytest

from orchestrator.engines.warehouse import Catalogue, Column
from orchestrator.pipeline.semantic.draft import draft_layer
from orchestrator.pipeline.semantic.fitting import grown, is_of_another_database, misfits
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
        (
            "dimensions",
            {"labels": {"en": ["x"], "es": ["x"]}, "sql": "customers.("},
            "dimensions.x: this is not SQL: customers.(",
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

    layer, added = grown(edited, draft_layer(SHOP, dialect="sqlite"))

    assert added == ["customers"]
    assert layer.measures[name].labels.en == ("deals",)
    assert {"orders", "customers"} == set(layer.facts)
    assert any(dimension.sql == '"customers"."city"' for dimension in layer.dimensions.values())
    assert [(join.start, join.to) for join in layer.joins] == [("orders", "customers")]
    assert misfits(layer, SHOP) == []


def test_what_somebody_took_out_of_a_known_table_stays_out() -> None:
    drafted = draft_layer(SHOP, dialect="sqlite")
    fewer = changed(drafted, dimensions={})

    layer, added = grown(fewer, drafted)

    assert added == []
    assert layer.dimensions == {}


def test_a_layer_without_a_fact_in_the_database_is_another_ones() -> None:
    layer = draft_layer(SHOP, dialect="sqlite")

    assert is_of_another_database(layer, {"films": CUSTOMERS})
    assert not is_of_another_database(layer, {"orders": ORDERS})
