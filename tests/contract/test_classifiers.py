"""What every classifier promises: four scores a question, the same whoever shares the batch."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import date
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from orchestrator.engines.classifier import Classifier
from orchestrator.engines.classifier_head import BertRouter
from orchestrator.engines.classifier_scripted import ScriptedClassifier
from orchestrator.engines.classifier_sequence import SequenceClassifier
from orchestrator.engines.embedder_scripted import ScriptedEmbedder
from orchestrator.engines.encoder_bert import Encoder, load_encoder
from orchestrator.engines.router_training import train
from orchestrator.events import ROUTES
from tests.tiny_router import NgramEncoder, a_few_questions, make_tiny_classifier

TEXTS = (
    "How many orders did we have in October?",
    "hola",
    "What does the handbook say about holidays, tips and everything else that a new waiter should know by heart?",
    "",
    "¿Qué lleva el pesto? 🍝",
    "word " * 2_000,
)


@cache
def scripted() -> Classifier:
    return ScriptedClassifier()


@cache
def scripted_with_embedding() -> Classifier:
    return ScriptedClassifier(embedder=ScriptedEmbedder())


def a_head_over(encoder: Encoder) -> Classifier:
    return BertRouter(encoder, train(a_few_questions(), encoder, today=date(2026, 11, 20)))


@cache
def head_without_a_model() -> Classifier:
    return a_head_over(NgramEncoder())


@cache
def head_over_minilm() -> Classifier:
    return a_head_over(load_encoder(None))


@pytest.fixture(
    scope="module",
    params=[
        scripted,
        scripted_with_embedding,
        head_without_a_model,
        pytest.param(head_over_minilm, marks=pytest.mark.slow),
        pytest.param(None, id="sequence", marks=pytest.mark.slow),
    ],
)
def classifier(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Classifier:
    make: Callable[[], Classifier] | None = request.param
    folder: Path = tmp_path_factory.mktemp("sequence")
    return make() if make is not None else SequenceClassifier(make_tiny_classifier(folder))


def best(classifier: Classifier, texts: tuple[str, ...]) -> list[dict[str, float]]:
    return [{route: score for route, score in one.scores.items()} for one in classifier.classify(texts)]


def test_nothing_asked_gives_nothing(classifier: Classifier) -> None:
    found = classifier.classify([])

    assert found == []


def test_each_text_gets_a_score_for_each_of_the_four_routes(classifier: Classifier) -> None:
    found = classifier.classify(TEXTS)

    assert [set(one.scores) for one in found] == [set(ROUTES)] * len(TEXTS)


def test_scores_are_shares_that_sum_to_one(classifier: Classifier) -> None:
    found = classifier.classify(TEXTS)

    assert [sum(one.scores.values()) for one in found] == pytest.approx([1.0] * len(TEXTS), abs=1e-5)
    assert min(min(one.scores.values()) for one in found) >= 0


def test_an_embedding_is_a_unit_vector_or_absent(classifier: Classifier) -> None:
    found = classifier.classify(TEXTS)

    rows = [one.embedding for one in found if one.embedding is not None]
    assert len(rows) in (0, len(TEXTS))
    assert [float(np.linalg.norm(row)) for row in rows] == pytest.approx([1.0] * len(rows), abs=1e-5)
    assert {row.dtype for row in rows} <= {np.dtype(np.float32)}


def test_a_text_scores_the_same_whoever_shares_its_batch(classifier: Classifier) -> None:
    together = best(classifier, TEXTS)

    alone = [best(classifier, (text,))[0] for text in TEXTS]

    assert together == [pytest.approx(one, abs=1e-4) for one in alone]


def test_the_order_of_texts_is_the_order_of_answers(classifier: Classifier) -> None:
    forward = best(classifier, TEXTS)

    backward = best(classifier, TEXTS[::-1])

    assert forward == [pytest.approx(one, abs=1e-4) for one in backward[::-1]]


def test_threads_may_share_a_classifier(classifier: Classifier) -> None:
    expected = best(classifier, TEXTS)

    with ThreadPoolExecutor(4) as threads:
        found = list(threads.map(lambda _: best(classifier, TEXTS), range(8)))

    assert found == [[pytest.approx(one, abs=1e-4) for one in expected]] * 8


def test_a_classifier_has_a_name_to_show(classifier: Classifier) -> None:
    assert classifier.name.strip()
