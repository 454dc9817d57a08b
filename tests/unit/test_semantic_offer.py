"""What is offered instead of an answer."""

from __future__ import annotations

from typing import Literal

import pytest

from orchestrator.pipeline.asking import about, figures
from orchestrator.pipeline.semantic.offer import offers
from tests.unit.semantic_layer import LAYER, TODAY, lexicon, understood


def offered(question: str, language: Literal["en", "es"] = "en") -> tuple[str, ...]:
    return offers(lexicon(), question, language=language, today=TODAY)


def test_what_is_named_comes_first() -> None:
    assert offered("tips by dish")[0] == "Tips by branch last month"


def test_it_is_offered_in_the_askers_language() -> None:
    assert offered("propinas por plato", "es")[0] == "Propinas por local el mes pasado"


@pytest.mark.parametrize(
    "question", ["tips by dish", "who is our landlord", "average age of our guests", "coste del agua"]
)
def test_every_offer_is_a_question_that_is_understood(question: str) -> None:
    texts = (*offered(question), *offered(question, "es"))

    assert len(texts) == 6
    assert all(understood(text)["measures"] for text in texts)


def test_what_only_serves_a_rate_is_not_offered() -> None:
    assert not any("every status" in text for text in offered("orders of every status"))


@pytest.mark.parametrize("language", ["en", "es"])
def test_the_examples_to_begin_with_are_understood_and_each_is_of_another_kind(language: Literal["en", "es"]) -> None:
    texts = list(figures(LAYER, language=language, today=TODAY))
    measures = [tuple(understood(text)["measures"]) for text in texts]

    assert len(texts) >= 3
    assert all(measures)
    assert len(set(measures)) == len(measures)


def test_a_document_in_the_readers_language_is_asked_about_first() -> None:
    documents = [
        {"title": "Uniforms", "language": "en", "headings": ["Uniforms › Shoes"]},
        {"title": "Propinas", "language": "es", "headings": ["Propinas › Reparto"]},
        {"title": "Empty", "language": "es", "headings": []},
    ]

    assert list(about(documents, "es")) == [
        "¿Qué dice «Propinas» sobre «Reparto»?",
        "¿Qué dice «Uniforms» sobre «Shoes»?",
    ]
