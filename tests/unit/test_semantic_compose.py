from __future__ import annotations

import pytest
from sqlglot import exp

from orchestrator.pipeline.semantic.draft import draft_layer
from orchestrator.pipeline.semantic.model import load_layer
from tests.unit.semantic_layer import CATALOGUE, LAYER, composed, described, parsed
from tests.unit.sql_guard_corpus import CATALOGUE as SHOP


def test_a_plain_figure_is_one_select() -> None:
    assert composed("net sales yesterday") == (
        'SELECT SUM("order_items"."quantity" * "order_items"."unit_price" - "order_items"."discount_amount") '
        'AS "net sales" '
        'FROM "order_items" AS "order_items" JOIN "orders" AS "orders" ON "orders"."id" = "order_items"."order_id" '
        'WHERE "orders"."status" = \'completed\' AND "orders"."business_date" >= CAST(\'2026-11-19\' AS DATE) '
        'AND "orders"."business_date" < CAST(\'2026-11-20\' AS DATE) LIMIT 1001'
    )


def test_orders_are_counted_without_their_lines_until_a_dish_is_named() -> None:
    tables = [
        {table.name for table in parsed(composed(question)).find_all(exp.Table)}
        for question in ("orders by channel", "orders by dish")
    ]

    assert tables == [{"orders"}, {"order_items", "orders", "menu_items"}]


def test_figures_of_several_facts_are_summed_apart() -> None:
    tree = parsed(composed("sales and purchases by month"))

    assert (len(list(tree.find_all(exp.CTE))), [join.side for join in tree.args["joins"]]) == (2, ["FULL"])


def test_spend_per_guest_holds_both_sides_to_the_dining_room() -> None:
    assert composed("spend per guest by branch").count("'dine-in'") == 2


def test_a_comparison_filters_each_aggregate() -> None:
    assert composed("average ticket this month vs last month").count("FILTER") == 14


def test_a_share_of_a_part_counts_rows_without_it_too() -> None:
    sides = [join.side for join in parsed(composed("what share of sales comes from the terrace")).args["joins"]]

    assert sides == ["LEFT", "LEFT", "LEFT"]


def test_columns_are_named_in_the_askers_language() -> None:
    tree = parsed(composed("ventas por local", "es"))

    assert [column.alias for column in tree.args["expressions"]] == ["local", "ventas netas"]


def test_weekdays_come_from_monday() -> None:
    assert "ISODOW" in composed("sales by weekday").split("ORDER BY")[1]


def test_an_askers_word_never_becomes_sql() -> None:
    assert "''" in composed("sales of Penne all'arrabbiata")


@pytest.mark.parametrize(
    ("question", "language", "line"),
    [
        ("net sales by branch last month", "en", "Net sales (€) by branch · 1 Oct 2026 – 31 Oct 2026"),
        ("top 5 dishes by revenue in Rome", "en", "Net sales (€) by menu item · city: Rome · the first 5"),
        ("propinas por camarero ayer", "es", "Propinas (€) por camarero · 19 nov 2026"),
        ("sales excluding Centro", "en", "Net sales (€) · without branch: Centro"),
        ("revenu yesterday", "en", "Net sales (€) · 19 Nov 2026 · “revenu” read as “revenue”"),
    ],
)
def test_an_answer_says_what_it_is(question: str, language: str, line: str) -> None:
    assert described(question, "es" if language == "es" else "en") == line


def test_a_figure_with_a_basis_says_it() -> None:
    assert described("no-show rate by branch", "en") == ("No show rate (%) by branch · cancelled bookings left out")
    assert described("gasto por proveedor", "es").endswith("por fecha de entrega")


def test_the_layer_is_as_large_as_promised() -> None:
    assert len([measure for measure in LAYER.measures.values() if not measure.hidden]) >= 14
    assert len(LAYER.dimensions) >= 9


def test_a_drafted_layer_counts_sums_and_groups() -> None:
    draft = draft_layer(SHOP, dialect="postgres")

    assert {"orders_count", "orders_amount_sum", "orders_amount_mean"} <= set(draft.measures)
    assert "orders_id_sum" not in draft.measures
    assert {"branches_name", "branches_city", "orders_status"} <= set(draft.dimensions)
    assert [(join.start, join.to) for join in draft.joins] == [("orders", "branches"), ("items", "orders")]


def test_a_layer_survives_storage() -> None:
    stored = LAYER.model_dump(mode="json")

    assert type(LAYER).model_validate(stored) == LAYER


def test_a_layer_of_nonsense_names_its_file(tmp_path: object) -> None:
    from pathlib import Path

    from orchestrator.errors import InvalidInputError

    path = Path(str(tmp_path)) / "layer.yaml"
    path.write_text("name: x\nfacts: {}\nmeasures: {a: {labels: {en: [a], es: [a]}, format: count}}\n")
    with pytest.raises(InvalidInputError) as failure:
        load_layer(path)

    assert failure.value.field == "layer.yaml"


def test_the_catalogue_of_the_example_is_guarded() -> None:
    assert "salary" not in {column.name for column in CATALOGUE["staff"]}
