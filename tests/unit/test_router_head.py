from __future__ import annotations

from datetime import date
from pathlib import Path

import numpy as np
import pytest

from orchestrator.engines.classifier_head import BertRouter
from orchestrator.engines.router_head import Head, load_card, load_head, route_scores, save_head
from orchestrator.engines.router_training import train
from orchestrator.errors import EngineError
from tests.tiny_router import NgramEncoder, a_few_questions

ENCODER = NgramEncoder()


@pytest.fixture(scope="module")
def head() -> Head:
    return train(a_few_questions(), ENCODER, today=date(2026, 11, 20))


def test_a_saved_head_scores_as_before(head: Head, tmp_path: Path) -> None:
    texts = ["total sales today", "hola", "weather"]
    save_head(tmp_path, head)

    loaded = load_head(tmp_path, encoder_sha256=ENCODER.sha256)

    assert loaded.scores(texts, ENCODER.encode(texts)) == head.scores(texts, ENCODER.encode(texts))
    assert loaded.card == head.card


def test_a_saved_head_is_small_and_holds_no_pickle(head: Head, tmp_path: Path) -> None:
    save_head(tmp_path, head)

    assert sorted(file.suffix for file in tmp_path.iterdir()) == [".json", ".safetensors"]
    assert sum(file.stat().st_size for file in tmp_path.iterdir()) < 2_000_000


def test_a_new_head_replaces_the_old_one(head: Head, tmp_path: Path) -> None:
    other = train(a_few_questions()[:-1], ENCODER, today=date(2026, 11, 21))
    save_head(tmp_path, head)

    save_head(tmp_path, other)

    assert load_head(tmp_path, encoder_sha256=ENCODER.sha256).card == other.card
    assert len(list(tmp_path.iterdir())) == 2


def test_a_missing_head_names_the_command_that_makes_one(tmp_path: Path) -> None:
    with pytest.raises(EngineError, match="train_router"):
        load_head(tmp_path, encoder_sha256=ENCODER.sha256)


def test_a_head_over_another_encoder_is_refused_by_name(head: Head, tmp_path: Path) -> None:
    save_head(tmp_path, head)

    with pytest.raises(EngineError) as caught:
        load_head(tmp_path, encoder_sha256="b" * 64)

    assert "b" * 64 in str(caught.value)
    assert ENCODER.sha256 in str(caught.value)


def test_a_router_refuses_a_head_over_another_encoder(head: Head) -> None:
    with pytest.raises(EngineError, match="expects encoder"):
        BertRouter(NgramEncoder("b" * 64), head)


def test_damaged_weights_are_refused(head: Head, tmp_path: Path) -> None:
    save_head(tmp_path, head)
    file = tmp_path / head.card.weights
    file.write_bytes(file.read_bytes()[:-1] + b"\xff")

    with pytest.raises(EngineError, match="sha256"):
        load_head(tmp_path, encoder_sha256=ENCODER.sha256)


def test_a_card_that_can_not_be_read_counts_as_none(tmp_path: Path) -> None:
    (tmp_path / "head.json").write_text('{"format": 1}')

    card = load_card(tmp_path)

    assert card is None


def test_what_belongs_nowhere_is_shared_out_evenly() -> None:
    logits = np.array([[0, 0, 0, 0, 50]], dtype=np.float32)

    scores = route_scores(logits, 1.0)

    assert scores[0] == pytest.approx([0.25] * 4)


def test_a_higher_temperature_makes_scores_less_sure() -> None:
    logits = np.array([[3, 1, 0, 0, 0]], dtype=np.float32)

    cold, warm = route_scores(logits, 0.5), route_scores(logits, 2.0)

    assert cold[0].max() > warm[0].max()
