"""Figures that answer, by the kind a question asks for."""

from __future__ import annotations

import pytest

from orchestrator.engines.figures import NEAR, NONE, OTHER, RIGHT, figure_factor


@pytest.mark.parametrize(
    ("question", "sentence"),
    [
        ("How long is the trial period?", "It is 60 days for cooks."),
        ("How much notice is needed?", "With three months' notice in writing."),
        ("¿Cuánto tiempo dura el permiso?", "Dieciséis no, 16 semanas."),
        ("¿Cada cuánto se cambia?", "Cada 6 días."),
        ("When does it end?", "It runs to 31 December 2027."),
        ("¿Qué días entregan?", "Los lunes y los jueves."),
        ("What is the penalty?", "It costs 2 % of the order."),
        ("¿Cuánto cuesta?", "Vale 18 euros."),
        ("¿A qué temperatura?", "A 2 grados como máximo."),
        ("How many shirts?", "There are 3 shirts."),
    ],
)
def test_the_asked_kind_of_figure_is_worth_most(question: str, sentence: str) -> None:
    assert figure_factor(question, sentence) == RIGHT


def test_other_figures_are_worth_less_and_none_least() -> None:
    assert figure_factor("When does it end?", "After three months.") == NEAR
    assert figure_factor("How long does it last?", "Call 112.") == OTHER
    assert figure_factor("How long does it last?", "As agreed.") == NONE


def test_the_number_of_a_list_item_is_no_figure() -> None:
    assert figure_factor("How many are there?", "3. As agreed.") == NONE


def test_a_question_that_asks_for_no_figure_leaves_sentences_alone() -> None:
    assert figure_factor("Who washes the shirts?", "It costs 18 euros.") == 1.0
