"""Which passages are left when a question names something."""

from __future__ import annotations

import pytest

from orchestrator.engines.retriever import Passage
from orchestrator.pipeline.rag_focus import focus, named, unknown


def passage(title: str, text: str, *, heading: str = "", score: float = 0.05) -> Passage:
    path = f"{title} › {heading}" if heading else title
    return Passage(
        chunk=f"{title}/{heading}/{text[:9]}", document=title, title=title, heading=path, text=text, start=0,
        end=len(text), score=score, similarity=0.4,
    )  # fmt: skip


MEAT = passage(
    "Contrato de suministro: Carnes Sierra SL", "El proveedor paga un 4 % por cada día de retraso.", score=0.1
)
FLOUR = passage("Supply contract: Molino Rosso Srl", "A late delivery costs 2 % of the order.", heading="Penalties")
RANGE = passage("Supply contract: Molino Rosso Srl", "Flour and semolina.", heading="Range")
EXITS = passage("Plan de evacuación", "Triana: entrada del mercado. Navigli: puente.")


@pytest.mark.parametrize(
    "question",
    ["¿Qué penalización hay por retraso con Molino Rosso?", "penalización por retraso de molino rosso"],
)
def test_a_document_named_by_its_title_is_the_only_one(question: str) -> None:
    found = focus(question, [MEAT, RANGE, FLOUR], language="es")

    assert found == sorted(found, key=lambda one: -one.score)
    assert {one.title for one in found} == {FLOUR.title}
    assert found[0].chunk == FLOUR.chunk


def test_other_documents_come_in_when_the_named_one_holds_nothing_of_the_question() -> None:
    found = focus("¿Qué proveedor paga con Rosso?", [MEAT, RANGE], language="es")

    assert {one.title for one in found} == {MEAT.title, RANGE.title}


def test_a_name_inside_the_text_leaves_the_passages_that_hold_it() -> None:
    found = focus("Where is the entrance in Triana?", [MEAT, EXITS], language="en")

    assert [one.title for one in found] == [EXITS.title]


def test_words_of_a_dictionary_name_no_document() -> None:
    names = named("¿Qué retraso hay con la carne y el suministro?", [MEAT, FLOUR], language="es")

    assert not names.titles
    assert not names.proper


def test_a_name_that_nothing_holds_is_unknown() -> None:
    assert unknown("What does the contract with Otis cost?", [FLOUR], language="en") == {"otis"}
    assert not unknown("What does Rosso cost?", [FLOUR], language="en")


def test_nothing_found_stays_nothing() -> None:
    assert focus("What does Rosso cost?", [], language="en") == []
