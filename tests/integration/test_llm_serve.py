"""A local model directory behind the real `transformers serve`: streaming, stop, and a server that is killed."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import pytest

from orchestrator.engines.llm import Material
from orchestrator.engines.llm_choice import LlmConfig, choose
from orchestrator.engines.llm_http import HttpModel
from orchestrator.engines.llm_serve import is_healthy
from orchestrator.errors import DependencyDownError, EngineError, StoppedError
from orchestrator.resilience.deadline import Deadline
from orchestrator.resilience.stop import Stop
from tests.served_model import Served, served_tiny_model

pytestmark = pytest.mark.slow

MATERIAL = Material(question="When does the kitchen close?", language="en", route="rag", tenant_name="Trattoria")


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with served_tiny_model(tmp_path_factory.mktemp("served")) as running:
        yield running


@pytest.fixture
def doomed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with served_tiny_model(tmp_path_factory.mktemp("doomed")) as running:
        yield running


def long() -> Deadline:
    return Deadline.after_ms(60_000)


def test_the_configured_directory_answers_and_counts(served: Served) -> None:
    model = choose(LlmConfig(model_dir=served.model, serve_port=served.port))

    text = model.complete("Write.", [("user", "hello")], max_tokens=12, deadline=long(), stop=Stop())

    assert len(text.split()) >= 6


def test_the_first_text_comes_long_before_the_last(served: Served) -> None:
    model = HttpModel(base_url=served.base_url, model=served.model, answer_tokens=300)
    start = time.monotonic()
    arrivals = [time.monotonic() - start for _ in model.write(MATERIAL, deadline=long(), stop=Stop())]

    assert len(arrivals) > 50
    assert arrivals[0] < 0.5 * arrivals[-1]


def test_after_a_stop_the_next_request_is_answered(served: Served) -> None:
    # 6,000 tokens would keep it busy for many seconds.
    endless = HttpModel(base_url=served.base_url, model=served.model, answer_tokens=6_000)
    stop = Stop()
    pieces = endless.write(MATERIAL, deadline=long(), stop=stop)
    next(pieces)
    threading.Timer(0.2, stop.set).start()
    with pytest.raises(StoppedError):
        list(pieces)

    answer = endless.complete("Write.", [("user", "hello")], max_tokens=5, deadline=long(), stop=Stop())

    assert answer


def test_a_model_the_server_is_not_pinned_to_is_refused(served: Served) -> None:
    model = HttpModel(base_url=served.base_url, model="another")

    with pytest.raises(EngineError, match="pinned"):
        list(model.write(MATERIAL, deadline=long(), stop=Stop()))


def test_a_server_killed_in_the_middle_is_a_dependency_that_is_down(doomed: Served) -> None:
    pieces = HttpModel(base_url=doomed.base_url, model=doomed.model, answer_tokens=6_000).write(
        MATERIAL, deadline=long(), stop=Stop()
    )
    next(pieces)

    doomed.process.kill()

    with pytest.raises(DependencyDownError):
        list(pieces)
    assert not is_healthy(doomed.port)
