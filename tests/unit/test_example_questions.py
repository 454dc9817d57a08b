"""The labelled question sets keep their sizes, their balance and their distance from each other."""

import json
from collections import Counter
from typing import Any

import pytest
import yaml

from deploy.example.router_templates import (
    LANGUAGES,
    QUESTIONS,
    ROUTES,
    normalised,
    own_words,
    pattern,
    training_questions,
    wordings,
)

HELD_OUT = ("router_heldout_en", "router_heldout_es")


def read_lines(name: str) -> list[dict[str, str]]:
    """Return the questions of a `.jsonl` file."""
    return [json.loads(line) for line in (QUESTIONS / f"{name}.jsonl").read_text("utf-8").splitlines()]


def read_yaml(name: str) -> list[dict[str, Any]]:
    """Return the questions of a `.yaml` file."""
    loaded: list[dict[str, Any]] = yaml.safe_load((QUESTIONS / f"{name}.yaml").read_text("utf-8"))
    return loaded


def test_the_training_set_is_large_and_balanced() -> None:
    cells = Counter((line["route"], line["language"]) for line in read_lines("router_train"))

    assert sum(cells.values()) >= 800
    assert set(cells) == {(route, language) for route in ROUTES for language in LANGUAGES}
    assert len(set(cells.values())) == 1


def test_the_training_set_is_what_its_templates_give() -> None:
    assert read_lines("router_train") == list(training_questions())


@pytest.mark.parametrize("name", HELD_OUT)
def test_a_held_out_set_is_large_enough_and_balanced(name: str) -> None:
    routes = Counter(line["route"] for line in read_lines(name))

    assert sum(routes.values()) >= 120
    assert set(routes) == set(ROUTES)
    assert max(routes.values()) - min(routes.values()) <= 1


def test_the_out_of_scope_set_names_no_route() -> None:
    lines = read_lines("router_out_of_scope")

    assert len(lines) >= 60
    assert {line["route"] for line in lines} == {"none"}


def test_no_held_out_question_is_trained_on() -> None:
    trained = {normalised(line["text"]) for line in read_lines("router_train")}
    held_out = {normalised(line["text"]) for name in (*HELD_OUT, "router_out_of_scope") for line in read_lines(name)}

    assert trained & held_out == set()


def test_no_held_out_question_fills_a_training_template() -> None:
    templates = [
        text for route in ROUTES for language in LANGUAGES for text in wordings()["templates"][route][language]
    ]
    # "{measure} by {dimension}" fits half of all sentences: a template counts once it has two words of its own.
    patterns = [pattern(text) for text in templates if len(own_words(text)) > 1]
    held_out = [normalised(line["text"]) for name in HELD_OUT for line in read_lines(name)]

    assert [text for text in held_out if any(shape.fullmatch(text) for shape in patterns)] == []


@pytest.mark.parametrize("name", ["sql_heldout", "sql_dev"])
def test_an_sql_set_has_forty_questions_in_two_languages(name: str) -> None:
    questions = read_yaml(name)

    assert Counter(question["language"] for question in questions) == {"en": 28, "es": 12}
    assert {frozenset(question) for question in questions} == {frozenset({"question", "language", "sql", "ordered"})}
    assert len({normalised(question["question"]) for question in questions}) == 40


def test_the_sql_sets_share_no_question() -> None:
    development, held_out = (
        {normalised(question["question"]) for question in read_yaml(name)} for name in ("sql_dev", "sql_heldout")
    )

    assert development & held_out == set()
