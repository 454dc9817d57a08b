"""What is offered instead of an answer."""

from __future__ import annotations

from typing import Literal

import pytest

from orchestrator.pipeline.semantic.offer import offers
from tests.unit.semantic_layer import TODAY, lexicon, understood


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
