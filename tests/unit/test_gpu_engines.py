from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import date
from pathlib import Path

import numpy as np
import pytest

from orchestrator.engines.classifier_head import BertRouter
from orchestrator.engines.embedder_scripted import ScriptedEmbedder
from orchestrator.engines.gpu import GpuConfig, GpuEngines, assemble, configured, estimated_tokens, load
from orchestrator.engines.router_training import train
from orchestrator.errors import EngineError, NoCapacityError, StoppedError
from orchestrator.resilience.stop import Stop
from tests.tiny_router import NgramEncoder, a_few_questions

CONFIG = GpuConfig(data_dir=Path("unused"), scripted=True)


@pytest.fixture
def engines() -> Iterator[GpuEngines]:
    loaded = load(CONFIG)
    yield loaded
    loaded.close()


def test_a_question_gets_its_route_and_its_embedding(engines: GpuEngines) -> None:
    found = engines.classify("How many orders yesterday?")

    assert found.ranked()[0][0] == "sql"
    assert found.embedding == pytest.approx(engines.embedder.embed(["How many orders yesterday?"])[0])


def test_many_texts_are_embedded_in_order(engines: GpuEngines) -> None:
    texts = [f"chunk {number} " * (1 + number % 50) for number in range(100)]

    rows = engines.embed(texts)

    assert np.array_equal(rows, engines.embedder.embed(texts))


def test_no_texts_give_no_rows(engines: GpuEngines) -> None:
    rows = engines.embed([])

    assert rows.shape == (0, engines.embedder.dim)


def test_questions_and_chunks_may_come_at_once(engines: GpuEngines) -> None:
    with ThreadPoolExecutor(8) as callers:
        chunks = callers.submit(engines.embed, [f"chunk {number}" for number in range(200)])
        routes = list(callers.map(lambda _: engines.classify("hola").ranked()[0][0], range(50)))

    assert routes == ["chat"] * 50
    assert chunks.result().shape[0] == 200


def test_a_stopped_question_never_reaches_the_model(engines: GpuEngines) -> None:
    stop = Stop()
    stop.set()

    with pytest.raises(StoppedError):
        engines.classify("How many?", stop=stop)

    assert engines.batcher.items == 0


def test_closed_engines_refuse_new_questions(engines: GpuEngines) -> None:
    engines.close()

    with pytest.raises(NoCapacityError):
        engines.classify("How many?")


def test_a_head_shares_its_encoder_with_its_own_embedder_only() -> None:
    encoder = NgramEncoder()
    router = BertRouter(encoder, train(a_few_questions(), encoder, today=date(2026, 11, 20)))

    shared = assemble(router, router.embedder, threshold=0.5, config=CONFIG)
    apart = assemble(router, ScriptedEmbedder(), threshold=0.5, config=CONFIG)

    shared.close()
    apart.close()
    assert (shared.shares_encoder, apart.shares_encoder) == (True, False)


def test_the_threshold_of_the_settings_wins() -> None:
    engines = load(replace(CONFIG, router_threshold=0.9))

    engines.close()
    assert engines.threshold == 0.9


def test_a_worker_without_weights_does_not_start(tmp_path: Path) -> None:
    with pytest.raises(EngineError, match=r"no \*\.safetensors"):
        load(GpuConfig(data_dir=tmp_path, encoder_dir=tmp_path))


def test_the_settings_of_the_deployment_are_taken_over() -> None:
    config = configured()

    assert (config.device, config.max_batch) == ("cpu", 16)


@pytest.mark.parametrize(("text", "tokens"), [("", 2), ("hola", 3), ("x" * 30_000, 256)])
def test_tokens_are_estimated_within_the_window(text: str, tokens: int) -> None:
    assert estimated_tokens(text) == tokens
