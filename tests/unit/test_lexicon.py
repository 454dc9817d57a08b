"""Words of one language for words of the other."""

from __future__ import annotations

import pytest

from orchestrator.engines.lexicon import GENERIC, SYNONYM, TRANSLATED, asked, synonyms, translations


@pytest.mark.parametrize(
    ("word", "language", "expected"),
    [
        ("penalización", "es", "penalty"),
        ("penalizaciones", "es", "penalty"),
        ("PENALIZACION", "es", "penalty"),
        ("extinguishers", "en", "extintor"),
        ("jueves", "es", "Thursday"),
        ("wages", "en", "nómina"),
    ],
)
def test_any_form_of_a_word_finds_the_other_language(word: str, language: str, expected: str) -> None:
    assert expected in translations(word, language)


def test_words_of_one_line_are_synonyms_and_a_word_is_none_of_itself() -> None:
    assert "nomina" in synonyms("sueldo", "es")
    assert "sueldo" not in synonyms("sueldo", "es")
    assert synonyms("zyxxy", "en") == ()


def test_the_asked_word_counts_most_then_its_translation_then_its_synonyms() -> None:
    weights = {(one.language, one.word): one.weight for one in asked("sueldo", "es")}

    assert weights["es", "sueldo"] == 1.0
    assert weights["en", "salary"] == TRANSLATED
    assert weights["es", "nomina"] == SYNONYM


def test_verbs_of_any_question_and_bare_figures_count_little() -> None:
    weights = {one.word: one.weight for one in asked("use 12 extinguishers 2027", "en") if one.language == "en"}

    assert weights["use"] == weights["12"] == GENERIC
    assert weights["extinguishers"] == weights["2027"] == 1.0
