"""What the built-in writer says of rows, and what it must not."""

from __future__ import annotations

import re
from collections.abc import Sequence

import pytest

from orchestrator.engines.llm import Language, TableMaterial
from orchestrator.engines.llm_builtin_format import decimals_for, escape, figure, listed, unit_of
from orchestrator.engines.llm_builtin_tables import describe_table
from orchestrator.engines.warehouse import Cell, Column, ColumnType, Table

SALES: tuple[str, ColumnType] = ("net_sales", "number")
BRANCH: tuple[str, ColumnType] = ("branch", "text")
BRANCHES: tuple[tuple[Cell, ...], ...] = (
    ("Madrid Centro", 4_000.0),
    ("Valencia", 3_000.0),
    ("Seville", 2_000.0),
    ("Bologna", 1_000.0),
)


def told(
    description: str,
    columns: Sequence[tuple[str, ColumnType]],
    rows: Sequence[tuple[Cell, ...]],
    *,
    language: Language = "en",
    sql: str = "SELECT x FROM y LIMIT 1000",
    truncated: bool = False,
    question: str = "?",
) -> str:
    table = Table(
        columns=tuple(Column(name=name, type=kind) for name, kind in columns), rows=tuple(rows), truncated=truncated
    )
    material = TableMaterial(table=table, description=description, sql=sql)
    return describe_table(material, question=question, language=language).replace("\u00a0", " ")


def test_a_single_amount_is_the_answer() -> None:
    answer = told("Net sales (€) in October 2026", [SALES], [(123_456.78,)])

    assert answer == "Net sales in October 2026: **€123,456.78**."


def test_a_single_amount_in_spanish() -> None:
    answer = told("Ventas netas (€) en octubre de 2026", [SALES], [(123_456.78,)], language="es")

    assert answer == "Ventas netas en octubre de 2026: **123.456,78 €**."


def test_a_count_of_nothing_is_a_figure() -> None:
    assert told("Orders in 2030", [("orders", "integer")], [(0,)]) == "Orders in 2030: **0**."


def test_no_rows_are_said_plainly() -> None:
    answer = told("Orders by branch in 2030", [BRANCH, ("orders", "integer")], [])

    assert answer == "No data matches that: “Orders by branch in 2030” gave no rows."


def test_a_sum_over_nothing_is_no_figure() -> None:
    assert "has no value" in told("Net sales (€) in 2030", [SALES], [(None,)])


def test_groups_name_the_first_the_last_and_the_total() -> None:
    answer = told("Net sales (€) by branch", [BRANCH, SALES], BRANCHES)

    assert answer == (
        "Net sales by branch: **Madrid Centro** leads with **€4,000.00** (40.0% of the total), followed by Valencia "
        "(€3,000.00) and Seville (€2,000.00). The lowest is Bologna with €1,000.00. Together, the 4 come to "
        "**€10,000.00**."
    )


def test_groups_in_spanish() -> None:
    answer = told("Ventas netas (€) por sucursal", [BRANCH, SALES], BRANCHES, language="es")

    assert answer == (
        "Ventas netas por sucursal: en cabeza está **Madrid Centro** con **4.000,00 €** (40,0 % del total), por "
        "delante de Valencia (3.000,00 €) y Seville (2.000,00 €). El valor más bajo es el de Bologna: 1.000,00 €. "
        "Entre los 4 suman **10.000,00 €**."
    )


@pytest.mark.parametrize(
    ("description", "column", "sql"),
    [
        ("Average ticket (€) by branch", "average_ticket", "SELECT 1"),
        ("Margin rate (%) by branch", "margin_rate", "SELECT 1"),
        ("Ticket medio (€) por sucursal", "ticket", "SELECT 1"),
        ("Bills by category", "bills", "SELECT COUNT(DISTINCT o.id) FROM o"),
        ("Something by branch", "figure", "SELECT SUM(a) / SUM(b) FROM o"),
    ],
)
def test_what_cannot_be_summed_gets_no_total_and_no_share(description: str, column: str, sql: str) -> None:
    answer = told(description, [BRANCH, (column, "number")], BRANCHES, sql=sql)

    assert "Madrid Centro" in answer
    assert "total" not in answer
    assert "10,000" not in answer


@pytest.mark.parametrize(("sql", "truncated"), [("SELECT a FROM b ORDER BY c DESC LIMIT 4", False), ("", True)])
def test_of_a_part_nothing_is_said_about_the_whole(sql: str, truncated: bool) -> None:
    answer = told("Net sales (€) by branch", [BRANCH, SALES], BRANCHES, sql=sql, truncated=truncated)

    assert "Madrid Centro" in answer
    assert "lowest" not in answer
    assert "total" not in answer
    assert "Together" not in answer


def test_a_cut_result_says_so() -> None:
    answer = told("Net sales (€) by branch", [BRANCH, SALES], BRANCHES, truncated=True)

    assert answer.endswith("The result was cut at 4 rows: there is more.")


def test_a_cut_result_in_no_order_names_no_leader() -> None:
    rows = [("A", 1.0), ("B", 9.0), ("C", 3.0)]

    assert "leads" not in told("Net sales by branch", [BRANCH, SALES], rows, truncated=True)


def test_a_question_for_the_lowest_begins_with_the_lowest() -> None:
    answer = told("Net sales (€) by branch", [BRANCH, SALES], BRANCHES[::-1], question="Which branch sold the least?")

    assert answer.startswith("Net sales by branch: the lowest is **Bologna** with **€1,000.00**")


def test_equals_share_the_first_place() -> None:
    answer = told("Orders", [BRANCH, ("orders", "integer")], [("A", 5), ("B", 5), ("C", 3)])

    assert answer.startswith("Orders: **A** and **B** share first place with **5** each.")


def test_months_are_told_from_first_to_last_whatever_their_order() -> None:
    rows = [("2026-10-01", 120.0), ("2026-08-01", 100.0), ("2026-09-01", 80.0)]

    answer = told("Net sales (€) by month", [("month", "date"), SALES], rows)

    assert answer == (
        "Net sales by month: from **€100.00** in August 2026 to **€120.00** in October 2026 (+20.0%). The highest was "
        "€120.00 in October 2026, the lowest €80.00 in September 2026. In all, that makes **€300.00**."
    )


def test_days_in_spanish() -> None:
    rows = [("2026-10-01", 10), ("2026-10-02", 8)]

    answer = told("Pedidos por día", [("day", "date"), ("orders", "integer")], rows, language="es")

    assert answer == (
        "Pedidos por día: de **10** el 1 de octubre de 2026 a **8** el 2 de octubre de 2026 (-20,0 %). "
        "En total son **18**."
    )


def test_a_rate_over_time_gets_no_per_cent_of_a_per_cent() -> None:
    rows = [("2026-09-01", 50.0), ("2026-10-01", 60.0)]

    assert "+20" not in told("Margin rate (%)", [("month", "date"), ("margin_rate", "number")], rows)


def test_moments_and_names_together_give_the_corners() -> None:
    rows = [("A", "2026-09-01", 10.0), ("A", "2026-10-01", 30.0), ("B", "2026-09-01", 5.0), ("B", "2026-10-01", 5.0)]

    answer = told("Net sales (€)", [BRANCH, ("month", "date"), SALES], rows)

    assert "**€30.00** (A, October 2026)" in answer
    assert "**A** leads with **€40.00** (80.0% of the total)" in answer


def test_names_without_figures_are_listed() -> None:
    rows = [(1, "Mar Azul"), (2, "Pescasur")]

    answer = told("Suppliers of fish", [("id", "integer"), ("name", "text")], rows)

    assert answer == "Suppliers of fish: **Mar Azul** and **Pescasur**."


def test_many_names_are_counted() -> None:
    answer = told("Dishes", [("name", "text")], [(f"Dish {n}",) for n in range(900)])

    assert answer == "Dishes: **900** in all. The first are Dish 0, Dish 1, Dish 2, Dish 3 and Dish 4."


def test_a_currency_does_not_stick_to_a_count() -> None:
    answer = told("Net sales (€) and orders", [SALES, ("orders", "integer")], [(10.0, 3)])

    assert answer == "Net sales and orders: net sales **€10.00** and orders **3**."


def test_cells_cannot_write_markdown_or_links() -> None:
    rows = [("![x](http://evil/?q=1)", 2.0), ("<b>www.evil.example</b>", 1.0)]

    answer = told("Sales", [BRANCH, SALES], rows)

    assert not re.search(r"(?<!\\)[\[\]<>!]", answer)
    assert "http://" not in answer
    assert "www.e" not in answer


@pytest.mark.parametrize("rows", [BRANCHES, BRANCHES[:1], BRANCHES[:2], BRANCHES * 300, [("A", None)], [(None, 1.0)]])
@pytest.mark.parametrize("language", ["en", "es"])
def test_it_never_says_more_than_four_sentences(rows: Sequence[tuple[Cell, ...]], language: Language) -> None:
    columns: list[tuple[str, ColumnType]] = [BRANCH, SALES]

    answer = told("Net sales (€)", columns, rows, language=language, truncated=len(rows) > 9)

    assert answer
    assert len(re.findall(r"[.:](?: |$)", re.sub(r":", "", answer))) <= 4


def test_headings_in_words_are_read_like_identifiers() -> None:
    columns: list[tuple[str, ColumnType]] = [("ventas netas", "number"), ("ventas netas antes", "number")]
    rows = [(120.0, 100.0, 20.0, 20.0)]

    answer = told(
        "Ventas netas (€), octubre de 2026 frente a septiembre de 2026",
        [*columns, ("variación", "number"), ("variación %", "number")],
        rows,
        language="es",
    )

    assert answer == (
        "Ventas netas, octubre de 2026 frente a septiembre de 2026: **120,00 €**, frente a **100,00 €** antes "
        "(+20,00 €, +20,0 %)."
    )


@pytest.mark.parametrize(
    ("text", "unit"),
    [
        ("Net sales (€)", "€"),
        ("tips_eur", "€"),
        ("margin_pct", "%"),
        ("orders", ""),
        ("€ and %", ""),
        ("price in USD", "$"),
    ],
)
def test_a_unit_is_read_from_words(text: str, unit: str) -> None:
    assert unit_of(text) == unit


@pytest.mark.parametrize(
    ("value", "language", "text"),
    [(-1_234.5, "en", "-€1,234.50"), (-1_234.5, "es", "-1.234,50\u00a0€"), (-0.001, "en", "€0.00")],
)
def test_amounts_are_written_as_the_language_does(value: float, language: Language, text: str) -> None:
    assert figure(value, unit="€", decimals=2, language=language) == text


def test_whole_figures_get_no_decimals() -> None:
    assert decimals_for([1.0, 2.0], "", whole=False) == 0


def test_spanish_lists_avoid_two_sounds_of_i() -> None:
    assert listed(["pan", "hielo", "iguana"], "es") == "pan, hielo e iguana"
    assert listed(["agua", "hielo"], "es") == "agua y hielo"


def test_an_underscore_inside_a_word_stays() -> None:
    assert escape("gift_card _x_") == r"gift_card \_x\_"


def test_a_rates_change_is_told_in_points() -> None:
    columns: list[tuple[str, ColumnType]] = [("no show rate", "number"), ("no show rate before", "number")]

    answer = told(
        "No show rate (%), November against October",
        [*columns, ("change", "number"), ("change %", "number")],
        [(8.0, 5.9, 2.1, 35.7)],
        language="en",
    )

    assert answer.endswith("**8.0%**, against **5.9%** before (+2.1 points).")
