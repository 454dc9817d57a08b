"""Questions in words that nobody foresaw, asked of the real example company."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from sqlalchemy.engine import make_url

from deploy.example.company import build
from deploy.example.compare import same_rows
from deploy.example.views import reader_role
from deploy.servers_postgres import PostgresServer
from deploy.testservers import EmbeddedServers
from orchestrator.engines.warehouse import Limits, Warehouse
from orchestrator.engines.warehouse_sql import PostgresWarehouse, open_warehouse
from orchestrator.errors import NoAnswerError
from orchestrator.pipeline.semantic.draft import draft_layer
from orchestrator.pipeline.semantic.model import SemanticLayer, load_layer
from orchestrator.pipeline.sql_answer import SqlAnswer, answer_sql
from orchestrator.pipeline.sql_evaluation import evaluate_paraphrases, read_questions, reference
from orchestrator.resilience.deadline import Deadline
from orchestrator.resilience.stop import Stop

EXAMPLE = Path(__file__).parents[2] / "deploy" / "example"
HELD_OUT = EXAMPLE / "questions" / "sql_heldout.yaml"
DEVELOPMENT = EXAMPLE / "questions" / "sql_dev.yaml"
TODAY = dt.date(2026, 11, 20)
PASSWORDS = {"trattoria": "reads-trattoria", "rival": "reads-rival"}
DATABASE = "paraphrases"


def agree(expected: Sequence[Sequence[object]], given: Sequence[Sequence[object]], ordered: bool) -> bool:
    return same_rows(expected, given, ordered=ordered)


@pytest.fixture(scope="module")
def company(servers: EmbeddedServers) -> str:
    server = servers.postgres.server
    assert isinstance(server, PostgresServer)
    build(server.superuser_url, database=DATABASE, reader_passwords=PASSWORDS, today=TODAY, size="medium", seed=7)
    return server.superuser_url


def reader(company: str, tenant: str) -> PostgresWarehouse:
    url = make_url(company).set(username=reader_role(tenant), password=PASSWORDS[tenant], database=DATABASE)
    warehouse = open_warehouse(url.render_as_string(hide_password=False))
    assert isinstance(warehouse, PostgresWarehouse)
    return warehouse


@pytest.fixture(scope="module")
def trattoria(company: str) -> Iterator[PostgresWarehouse]:
    warehouse = reader(company, "trattoria")
    yield warehouse
    warehouse.close()


@pytest.fixture(scope="module")
def rival(company: str) -> Iterator[PostgresWarehouse]:
    warehouse = reader(company, "rival")
    yield warehouse
    warehouse.close()


@pytest.fixture(scope="module")
def layer() -> SemanticLayer:
    return load_layer(EXAMPLE / "semantic_trattoria.yaml")


def ask(question: str, warehouse: Warehouse, layer: SemanticLayer, *, language: str = "en") -> SqlAnswer:
    return answer_sql(
        question,
        language="es" if language == "es" else "en",
        today=TODAY,
        layer=layer,
        warehouse=warehouse,
        llm=None,
        limits=Limits(),
        deadline=Deadline.after_ms(30_000),
        stop=Stop(),
    )


@pytest.mark.slow
def test_the_held_out_questions_are_answered_rightly(trattoria: PostgresWarehouse, layer: SemanticLayer) -> None:
    outcomes = evaluate_paraphrases(HELD_OUT, layer, trattoria, TODAY, same_rows=agree)
    results = [outcome.result for outcome in outcomes]

    # Counts only: whoever reads a failure must not learn the questions.
    assert len(results) == 40
    assert results.count("right") >= 34
    assert results.count("wrong") <= 1


@pytest.mark.slow
def test_the_development_questions_are_all_answered_rightly(trattoria: PostgresWarehouse, layer: SemanticLayer) -> None:
    outcomes = evaluate_paraphrases(DEVELOPMENT, layer, trattoria, TODAY, same_rows=agree)

    assert [outcome.question.question for outcome in outcomes if outcome.result != "right"] == []


@pytest.mark.slow
def test_no_stored_statement_is_the_answer_of_a_held_out_question(
    trattoria: PostgresWarehouse, layer: SemanticLayer
) -> None:
    answers = {reference(question, trattoria, TODAY).sql for question in read_questions(HELD_OUT)}
    stored = {" ".join(verified.sql.lower().split()) for verified in layer.verified}
    asked = {" ".join(question.sql.lower().split()) for question in read_questions(HELD_OUT)}

    assert not stored & asked
    assert not stored & answers


@pytest.mark.parametrize(
    ("question", "language", "rows"),
    [
        ("which allergens does Margherita contain?", "en", (("gluten",), ("milk",))),
        ("price of Tiramisu", "en", (("Tiramisù", 6.5),)),
        ("¿cuál es el plazo de pago de Molino Rosso?", "es", (("Molino Rosso Srl", 60),)),
        ("when did Triana open?", "en", (("Triana", "2025-03-14"),)),
    ],
)
def test_a_checked_statement_answers_with_its_holes_filled(
    trattoria: PostgresWarehouse,
    layer: SemanticLayer,
    question: str,
    language: str,
    rows: tuple[tuple[object, ...], ...],
) -> None:
    answer = ask(question, trattoria, layer, language=language)

    assert (answer.source, answer.table.rows) == ("verified", rows)


@pytest.mark.parametrize(
    ("question", "language"),
    [
        ("what is the salary of the waiters?", "en"),
        ("tips by dish", "en"),
        ("sales in Paris", "en"),
        ("dishes with gluten in Rome", "en"),
        ("what will sales be tomorrow?", "en"),
        ("¿cuánto cobran los camareros al mes?", "es"),
        ("propinas por plato", "es"),
    ],
)
def test_what_the_data_cannot_say_gets_an_honest_no_with_what_could_be_asked(
    trattoria: PostgresWarehouse, layer: SemanticLayer, question: str, language: str
) -> None:
    with pytest.raises(NoAnswerError) as no:
        ask(question, trattoria, layer, language=language)

    assert no.value.detail_key == "sql.no_answer"
    assert len(no.value.facts) == 3


def test_days_without_rows_yet_are_named_as_such(trattoria: PostgresWarehouse, layer: SemanticLayer) -> None:
    with pytest.raises(NoAnswerError) as no:
        ask("sales today", trattoria, layer)

    assert (no.value.detail_key, no.value.facts) == ("sql.no_data_yet", ("19 Nov 2026",))


def test_every_measure_runs_by_every_dimension_that_it_reaches(
    trattoria: PostgresWarehouse, layer: SemanticLayer
) -> None:
    answers = [ask(question, trattoria, layer) for question in every_pair(layer)]

    assert len(answers) > 150


def every_pair(layer: SemanticLayer) -> list[str]:
    from orchestrator.pipeline.semantic.reach import Reach

    reach = Reach(layer)
    return [
        f"{measure.labels.en[0]} by {dimension.labels.en[0]} last quarter"
        for name, measure in layer.measures.items()
        for other, dimension in layer.dimensions.items()
        if not measure.hidden
        and reach.reaches((name,), other)
        and all(reach.source(part, (other, "day")) for part in reach.parts(name))
        and not any(measure.instead.get(other) for _ in (0,))
    ]


def test_the_rivals_layer_reads_the_rivals_rows(rival: PostgresWarehouse) -> None:
    answer = ask("net sales by branch in 2025", rival, load_layer(EXAMPLE / "semantic_rival.yaml"))

    assert {row[0] for row in answer.table.rows} == {"Puerto", "Casco Viejo", "Vomero"}


def test_a_drafted_layer_answers_something_useful(trattoria: PostgresWarehouse) -> None:
    draft = draft_layer(trattoria.catalogue(), dialect="postgres")

    answer = ask("number of reservations by branch", trattoria, draft)

    assert answer.source == "semantic"
    assert len(answer.table.rows) == 8


def test_a_hidden_column_is_in_no_catalogue(trattoria: PostgresWarehouse) -> None:
    columns = {f"{relation}.{column.name}" for relation, found in trattoria.catalogue().items() for column in found}

    assert not columns & {"staff.salary", "suppliers.iban", "orders.customer_email", "menu_items.recipe_notes"}
