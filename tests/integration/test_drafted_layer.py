"""Questions over a layer that nobody has touched, asked of a real database: right, or an honest no."""

from __future__ import annotations

import datetime as dt
from itertools import islice
from pathlib import Path
from typing import Literal

import pytest

from orchestrator.engines.warehouse import Limits, Warehouse
from orchestrator.engines.warehouse_sqlite import SqliteWarehouse
from orchestrator.errors import NoAnswerError
from orchestrator.pipeline.asking import figures
from orchestrator.pipeline.semantic.draft import draft_layer
from orchestrator.pipeline.semantic.draft_dates import with_last_days
from orchestrator.pipeline.sql_answer import SqlAnswer, answer_sql
from orchestrator.resilience.deadline import Deadline
from orchestrator.resilience.stop import Stop
from tests.library import make

TODAY = dt.date(2026, 11, 20)
EXAMPLES = {
    "en": ["Fines by reason", "Loans by book", "Members by branch"],
    "es": ["Multas por motivo", "Préstamos por libro", "Socios por sucursal"],
}


@pytest.fixture(scope="module", params=["with keys", "without keys"])
def library(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> SqliteWarehouse:
    path: Path = tmp_path_factory.mktemp("library") / "library.db"
    return SqliteWarehouse(make(path, keys=request.param == "with keys"))


def ask(question: str, warehouse: Warehouse, language: str, *, today: dt.date = TODAY) -> SqlAnswer:
    return answer_sql(
        question,
        language="es" if language == "es" else "en",
        today=today,
        layer=draft_layer(warehouse.catalogue(), dialect="sqlite", structure=warehouse.structure()),
        warehouse=warehouse,
        llm=None,
        limits=Limits(),
        deadline=Deadline.after_ms(30_000),
        stop=Stop(),
    )


@pytest.mark.parametrize(
    ("question", "language", "rows"),
    [
        ("How many books do we have?", "en", [(3,)]),
        ("number of loans last month", "en", [(3,)]),
        ("loans by branch this year", "en", [("Harbour", 3), ("Old Town", 3)]),
        ("loans by genre", "en", [("Crime", 5), ("Poetry", 2)]),
        ("fine amount by member city", "en", [("Bilbao", 7.0), ("Lyon", 16.5)]),
        ("fine amount by reason this year", "en", [("damage", 12.0), ("late", 11.5)]),
        ("members by country", "en", [("France", 2), ("Spain", 2)]),
        ("How many active members are there?", "en", [(3,)]),
        ("How many loans have not been returned yet?", "en", [(3,)]),
        ("books by author", "en", [("Ana Sol", 2), ("Bo Berg", 1), ("Cy Lund", 1)]),
        ("average pages of books by binding", "en", [("hardback", 300.0), ("paperback", 150.0)]),
        ("average fine this year", "en", [(5.875,)]),
        ("What was the largest fine this year?", "en", [(12.0,)]),
        ("How many members live in Lyon?", "en", [(2,)]),
        ("fine amount by country of member", "en", [("France", 16.5), ("Spain", 7.0)]),
        ("importe de multas por ciudad del socio", "es", [("Bilbao", 7.0), ("Lyon", 16.5)]),
        ("total fines last month", "en", [(6.0,)]),
        ("total loans last month", "en", [(3,)]),
        ("loans of Verses", "en", [(2,)]),
        ("loans of Max Noir", "en", [(1,)]),
        ("¿cuántos préstamos hubo el mes pasado?", "es", [(3,)]),
        ("importe de multas por motivo", "es", [("damage", 12.0), ("late", 11.5)]),
        ("préstamos por género este año", "es", [("Crime", 4), ("Poetry", 2)]),
        ("socios nuevos el mes pasado", "es", [(2,)]),
        ("¿cuántos socios inactivos hay?", "es", [(1,)]),
    ],
)
def test_a_drafted_layer_answers_rightly(
    library: SqliteWarehouse, question: str, language: str, rows: list[tuple[object, ...]]
) -> None:
    answer = ask(question, library, language)

    assert sorted(answer.table.rows, key=str) == sorted(rows, key=str)


@pytest.mark.parametrize(
    "question",
    [
        "books last month",  # they have no date but the one when they were last touched
        "fine amount by city",  # the member's, or the branch's?
        "fines in Lyon",
        "loans of Eva Ruiz",  # two members are called so
        "total daily rate",
        "total publication year of books",
        "loans returned last month",  # loans are dated by the day they began
        "average pages by author",  # a book of two authors would count twice
        "members by name of the wind",
        "revenue last month",
        "salaries of librarians",
    ],
)
def test_what_a_draft_is_unsure_of_gets_an_honest_no(library: SqliteWarehouse, question: str) -> None:
    with pytest.raises(NoAnswerError):
        ask(question, library, "en")


def test_members_who_share_a_name_are_not_one(tmp_path: Path) -> None:
    warehouse = SqliteWarehouse(make(tmp_path / "library.db", keys=True))

    answer = ask("loans by member", warehouse, "en")

    assert sorted(answer.table.rows) == [("Eva Ruiz", 1), ("Eva Ruiz", 2), ("Lea Noir", 3), ("Max Noir", 1)]


@pytest.mark.parametrize("language", ["en", "es"])
def test_the_examples_of_a_draft_return_rows(library: SqliteWarehouse, language: Literal["en", "es"]) -> None:
    drafted = draft_layer(library.catalogue(), dialect="sqlite", structure=library.structure())
    # A year on: last month and this year have no rows.
    today = TODAY.replace(year=2027)
    layer = with_last_days(drafted, library, limits=Limits(), stop=Stop())

    examples = list(islice(figures(layer, language=language, today=today), 3))
    counts = [len(ask(example, library, language, today=today).table.rows) for example in examples]

    assert examples == EXAMPLES[language]
    assert min(counts) > 0
