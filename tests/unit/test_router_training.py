from __future__ import annotations

from dataclasses import replace
from datetime import date
from pathlib import Path

import numpy as np
import pytest

from orchestrator.engines.classifier_head import BertRouter
from orchestrator.engines.router_head import save_head
from orchestrator.engines.router_questions import Question
from orchestrator.engines.router_training import choose_threshold, fit_temperature, is_current, train, train_to
from orchestrator.errors import EngineError
from tests.tiny_router import NgramEncoder, a_few_questions

ENCODER = NgramEncoder()
TODAY = date(2026, 11, 20)


def write_questions(folder: Path, questions: list[Question]) -> Path:
    names = {True: "router_train.jsonl", False: "router_train_out_of_scope.jsonl"}
    for in_scope, name in names.items():
        lines = [
            f'{{"text": "{one.text}", "route": "{one.route}", "language": "{one.language}"}}'
            for one in questions
            if (one.route is not None) is in_scope
        ]
        (folder / name).write_text("\n".join(lines), encoding="utf-8")
    return folder


def test_the_same_questions_give_the_same_head() -> None:
    one = train(a_few_questions(), ENCODER, today=TODAY)

    other = train(a_few_questions(), ENCODER, today=TODAY)

    assert one.card == other.card
    assert np.array_equal(one.weights.matrix, other.weights.matrix)


def test_a_head_learns_its_questions() -> None:
    questions = [one for one in a_few_questions() if one.route is not None]
    router = BertRouter(ENCODER, train(a_few_questions(), ENCODER, today=TODAY))

    found = router.classify([one.text for one in questions])

    assert [one.ranked()[0][0] for one in found] == [one.route for one in questions]


def test_a_card_says_where_the_head_comes_from() -> None:
    card = train(a_few_questions(), ENCODER, today=TODAY).card

    assert (card.encoder, card.trained_on, card.trained_at) == ("ngrams", 120, "2026-11-20")
    assert set(card.cross_validated) == {"all", "en", "es"}
    assert 0 < card.threshold < 1


def test_a_route_without_questions_is_an_error() -> None:
    questions = [one for one in a_few_questions() if one.route != "job"]

    with pytest.raises(EngineError, match="0 training questions for 'job'"):
        train(questions, ENCODER, today=TODAY)


def test_a_head_is_current_until_its_questions_or_encoder_change(tmp_path: Path) -> None:
    questions = write_questions(tmp_path, a_few_questions())
    router = tmp_path / "router"
    assert not is_current(router, questions, encoder_sha256=ENCODER.sha256)

    train_to(router, questions, encoder=ENCODER, today=TODAY)

    assert is_current(router, questions, encoder_sha256=ENCODER.sha256)
    assert not is_current(router, questions, encoder_sha256="b" * 64)
    write_questions(tmp_path, [*a_few_questions(), Question(text="new one", route="sql", language="en")])
    assert not is_current(router, questions, encoder_sha256=ENCODER.sha256)


def test_a_head_whose_weights_are_gone_is_not_current(tmp_path: Path) -> None:
    questions = write_questions(tmp_path, a_few_questions())
    card = train_to(tmp_path / "router", questions, encoder=ENCODER, today=TODAY)
    (tmp_path / "router" / card.weights).unlink()

    current = is_current(tmp_path / "router", questions, encoder_sha256=ENCODER.sha256)

    assert not current


def test_a_head_of_another_format_is_not_current(tmp_path: Path) -> None:
    questions = write_questions(tmp_path, a_few_questions())
    head = train(a_few_questions(), ENCODER, today=TODAY)
    save_head(tmp_path / "router", replace(head, card=head.card.model_copy(update={"format": 0})))

    current = is_current(tmp_path / "router", questions, encoder_sha256=ENCODER.sha256)

    assert not current


def test_overconfident_scores_get_a_high_temperature() -> None:
    logits = np.array([[9, 0, 0, 0, 0], [9, 0, 0, 0, 0], [0, 9, 0, 0, 0], [0, 9, 0, 0, 0]], dtype=np.float32)

    temperature = fit_temperature(logits, np.array([0, 1, 1, 0]))

    assert temperature > 5


def test_the_threshold_asks_back_on_one_in_twenty_that_belong() -> None:
    scores = np.array([[0.5 + row / 1000, 0, 0, 0] for row in range(400)], dtype=np.float32)

    threshold = choose_threshold(scores, np.zeros(400, dtype=np.int64))

    assert threshold == pytest.approx(0.52, abs=0.001)
