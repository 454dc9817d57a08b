"""Sentences that answer, found by words alone."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.engines.extract import best_sentences, sentences
from orchestrator.engines.words import guess_language, terms

TIPS = (
    "The handbook applies to all branches. Tips are pooled for each shift. The pool is split by hours worked, "
    "with 70 % for the floor and 30 % for the kitchen. Uniforms are washed by the company. "
    "Every waiter gets two aprons a year."
)
VACACIONES = (
    "Este manual vale para todas las sucursales. Cada empleado tiene 22 días laborables de vacaciones al año. "
    "La solicitud se presenta con cuatro semanas de antelación. El uniforme lo lava la empresa."
)


def test_the_sentence_with_the_asked_words_and_its_follower_come_back_in_reading_order() -> None:
    found = best_sentences("How are tips shared?", TIPS, language="en", limit=2)

    assert found == [
        "Tips are pooled for each shift.",
        "The pool is split by hours worked, with 70 % for the floor and 30 % for the kitchen.",
    ]


def test_a_spanish_question_finds_its_sentence_in_a_spanish_text() -> None:
    found = best_sentences("¿Cuántos días de vacaciones tengo?", VACACIONES, language="es", limit=1)

    assert found == ["Cada empleado tiene 22 días laborables de vacaciones al año."]


def test_a_question_finds_its_sentence_in_a_text_of_the_other_language() -> None:
    english = best_sentences("¿Quién lava el uniforme?", TIPS, language="es", limit=1)
    spanish = best_sentences("How many days of holiday do I get?", VACACIONES, language="en", limit=1)

    assert english == ["Uniforms are washed by the company."]
    assert spanish == ["Cada empleado tiene 22 días laborables de vacaciones al año."]


def test_a_question_without_a_word_in_common_gives_the_opening() -> None:
    found = best_sentences("zebra quantum?", TIPS, language="en", limit=1)

    assert found == ["The handbook applies to all branches."]


def test_a_text_shorter_than_the_limit_comes_back_whole() -> None:
    assert best_sentences("tips", "One. Two.", language="en", limit=5) == ["One.", "Two."]
    assert best_sentences("tips", "", language="en", limit=5) == []


def test_abbreviations_and_figures_do_not_end_a_sentence() -> None:
    found = [sentence.text for sentence in sentences("Ask Dr. Rossi, e.g. at 9.30 a.m. sharp. It costs 1.5 € now.")]

    assert found == ["Ask Dr. Rossi, e.g. at 9.30 a.m. sharp.", "It costs 1.5 € now."]


def test_every_list_item_and_table_row_is_a_sentence_of_its_own() -> None:
    found = [sentence.text for sentence in sentences("Bring:\n- an apron\n- shoes\n\nSize | Price\nM | 12 €")]

    assert found == ["Bring:", "- an apron", "- shoes", "Size | Price", "M | 12 €"]


@given(st.text(alphabet="aé😀.!? \n¿AB1", max_size=120))
def test_spans_are_exact_and_in_order_for_any_text(text: str) -> None:
    found = sentences(text)

    assert [text[sentence.start : sentence.end] for sentence in found] == [sentence.text for sentence in found]
    assert all(first.end <= second.start for first, second in pairwise(found))


@pytest.mark.parametrize(
    ("one", "other", "language"),
    [
        ("share", "sharing", "en"),
        ("allergy", "allergies", "en"),
        ("reservation", "reserve", "en"),
        ("propina", "propinas", "es"),
        ("repartir", "reparten", "es"),
        ("alérgeno", "ALERGENOS", "es"),
    ],
)
def test_forms_of_a_word_share_a_stem(one: str, other: str, language: str) -> None:
    assert terms(one, language) == terms(other, language)


def test_the_language_is_guessed_by_function_words() -> None:
    assert guess_language(TIPS) == "en"
    assert guess_language(VACACIONES) == "es"
    assert guess_language("42 | 17") == "en"
