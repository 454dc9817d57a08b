from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import pytest

from deploy.example.router_templates import QUESTIONS, normalised
from orchestrator.engines.router_questions import Question, questions_sha256, read_held_out, read_training
from orchestrator.errors import EngineError


def words(questions: Iterable[Question]) -> set[frozenset[str]]:
    """Return each question as the set of its words."""
    return {frozenset(normalised(one.text).split()) for one in questions}


def test_questions_are_read_with_route_and_language(tmp_path: Path) -> None:
    (tmp_path / "router_train.jsonl").write_text('{"text": "¿Ventas?", "route": "sql", "language": "es"}\n\n')
    (tmp_path / "router_train_out_of_scope.jsonl").write_text('{"text": "Who?", "language": "en"}\n')

    questions = read_training(tmp_path)

    assert questions == [
        Question(text="¿Ventas?", route="sql", language="es"),
        Question(text="Who?", route=None, language="en"),
    ]


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(EngineError, match=r"router_train\.jsonl"):
        read_training(tmp_path)


@pytest.mark.parametrize("line", ['{"text": "x", "route": "tea", "language": "en"}', '{"text": "x"}', "{", "[]"])
def test_a_malformed_line_is_named_by_its_number(tmp_path: Path, line: str) -> None:
    (tmp_path / "router_train.jsonl").write_text(f'{{"text": "x", "route": "sql", "language": "en"}}\n{line}\n')

    with pytest.raises(EngineError, match=r"router_train\.jsonl, line 2"):
        read_training(tmp_path)


def test_the_hash_of_a_set_does_not_depend_on_its_order() -> None:
    questions = read_training(QUESTIONS)

    assert questions_sha256(questions) == questions_sha256(questions[::-1])
    assert questions_sha256(questions) != questions_sha256(questions[1:])


def test_no_training_question_resembles_a_held_out_one() -> None:
    trained, held_out = words(read_training(QUESTIONS)), words(read_held_out(QUESTIONS))

    nearest = max(len(one & other) / len(one | other) for one in trained for other in held_out)

    assert nearest < 0.67


def test_the_example_trains_both_languages_and_what_belongs_nowhere() -> None:
    questions = read_training(QUESTIONS)

    assert len([one for one in questions if one.route is not None]) >= 600
    assert {(one.route, one.language) for one in questions} == {
        (route, language) for route in ("sql", "rag", "chat", "job", None) for language in ("en", "es")
    }
