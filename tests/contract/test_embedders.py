"""What every embedder promises: unit vectors of one length, near for texts that are alike."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache

import numpy as np
import pytest

from orchestrator.engines.embedder import Embedder
from orchestrator.engines.embedder_bert import BertEmbedder
from orchestrator.engines.embedder_scripted import ScriptedEmbedder
from orchestrator.engines.encoder_bert import load_encoder
from tests.tiny_router import NgramEncoder

TEXTS = (
    "Tips are pooled at the end of every shift.",
    "hola",
    "",
    "La salsa lleva apio y leche 🍝.",
    "word " * 2_000,
    "The tips are pooled when a shift ends.",
)


@cache
def scripted() -> Embedder:
    return ScriptedEmbedder()


@cache
def over_an_encoder() -> Embedder:
    return BertEmbedder(NgramEncoder())


@cache
def minilm() -> Embedder:
    return BertEmbedder(load_encoder(None))


@pytest.fixture(params=[scripted, over_an_encoder, pytest.param(minilm, marks=pytest.mark.slow)])
def embedder(request: pytest.FixtureRequest) -> Embedder:
    make: Callable[[], Embedder] = request.param
    return make()


def test_no_texts_give_an_empty_matrix_of_the_right_width(embedder: Embedder) -> None:
    rows = embedder.embed([])

    assert rows.shape == (0, embedder.dim)


def test_each_text_gets_a_unit_vector(embedder: Embedder) -> None:
    rows = embedder.embed(TEXTS)

    assert rows.shape == (len(TEXTS), embedder.dim)
    assert rows.dtype == np.float32
    assert np.linalg.norm(rows, axis=1) == pytest.approx(np.ones(len(TEXTS)), abs=1e-5)


def test_a_text_has_the_same_vector_whoever_shares_its_batch(embedder: Embedder) -> None:
    together = embedder.embed(TEXTS)

    alone = np.vstack([embedder.embed([text]) for text in TEXTS])

    assert together == pytest.approx(alone, abs=1e-5)


def test_many_texts_come_back_in_order(embedder: Embedder) -> None:
    texts = [f"order {number} " * (1 + number % 7) for number in range(40)]

    rows = embedder.embed(texts)

    assert rows[::-1] == pytest.approx(embedder.embed(texts[::-1]), abs=1e-5)


def test_alike_texts_are_nearer_than_others(embedder: Embedder) -> None:
    rows = embedder.embed(TEXTS)

    likeness = rows @ rows[0]
    assert int(np.argsort(-likeness)[1]) == len(TEXTS) - 1


def test_threads_may_share_an_embedder(embedder: Embedder) -> None:
    expected = embedder.embed(TEXTS)

    with ThreadPoolExecutor(4) as threads:
        found = list(threads.map(lambda _: embedder.embed(TEXTS), range(8)))

    assert np.stack(found) == pytest.approx(np.stack([expected] * 8), abs=1e-5)


def test_an_embedder_is_named_by_model_and_precision(embedder: Embedder) -> None:
    assert embedder.name.strip()
