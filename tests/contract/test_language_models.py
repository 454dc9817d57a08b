"""What every language model promises: pieces and one usage, a stop and a deadline that end it, safety among threads."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from orchestrator.engines.llm import LanguageModel, Material, Piece
from orchestrator.engines.llm_builtin import BuiltinModel
from orchestrator.engines.llm_fake_server import Behaviour, FakeServer
from orchestrator.engines.llm_guarded import GuardedModel
from orchestrator.engines.llm_http import HttpModel
from orchestrator.engines.llm_scripted import ScriptedModel
from orchestrator.errors import DeadlineExceededError, EngineError, StoppedError
from orchestrator.resilience.breaker_local import LocalBreaker
from orchestrator.resilience.breaker_states import Policy
from orchestrator.resilience.deadline import Deadline
from orchestrator.resilience.stop import Stop
from tests.served_model import served_tiny_model

MATERIAL = Material(
    question="What can you do?",
    language="en",
    route="chat",
    tenant_name="Trattoria",
    abilities=("net sales by branch and month", "orders by hour", "the staff handbook", "the allergen sheets"),
)


@pytest.fixture(scope="module")
def fake_server() -> Iterator[FakeServer]:
    with FakeServer(behaviour=Behaviour.SLOW, pace_s=0.02) as server:
        yield server


@pytest.fixture(scope="module")
def builtin() -> LanguageModel:
    return BuiltinModel(pace_s=0.03)


@pytest.fixture(scope="module")
def scripted() -> LanguageModel:
    return ScriptedModel(40, pace_s=0.02)


@pytest.fixture(scope="module")
def http(fake_server: FakeServer) -> LanguageModel:
    return HttpModel(base_url=fake_server.base_url, model="fake:slow")


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LanguageModel]:
    with served_tiny_model(tmp_path_factory.mktemp("served")) as server:
        yield HttpModel(base_url=server.base_url, model=server.model, answer_tokens=150)


@pytest.fixture
def guarded(http: LanguageModel) -> LanguageModel:
    return GuardedModel(http, LocalBreaker("llm", dependency="llm", policy=Policy()))


@pytest.fixture(params=["builtin", "scripted", "http", "guarded", pytest.param("served", marks=pytest.mark.slow)])
def model(request: pytest.FixtureRequest) -> LanguageModel:
    found: LanguageModel = request.getfixturevalue(request.param)
    return found


def long() -> Deadline:
    return Deadline.after_ms(60_000)


def written(model: LanguageModel) -> list[Piece]:
    return list(model.write(MATERIAL, deadline=long(), stop=Stop()))


def test_it_has_a_name(model: LanguageModel) -> None:
    assert model.name


def test_an_answer_is_pieces_of_text_and_then_one_usage(model: LanguageModel) -> None:
    pieces = written(model)

    assert len(pieces) > 5
    assert all(piece.text and piece.usage is None for piece in pieces[:-1])
    assert pieces[-1].text == ""
    assert pieces[-1].usage is not None
    assert pieces[-1].usage.model == model.name


def test_a_stop_that_came_before_keeps_it_from_starting(model: LanguageModel) -> None:
    stop = Stop()
    stop.set()

    with pytest.raises(StoppedError):
        list(model.write(MATERIAL, deadline=long(), stop=stop))


def test_a_stop_from_another_thread_ends_it_at_once(model: LanguageModel) -> None:
    stop = Stop()
    pieces = model.write(MATERIAL, deadline=long(), stop=stop)
    first = next(pieces)
    threading.Timer(0.05, stop.set).start()
    start = time.monotonic()

    with pytest.raises(StoppedError) as caught:
        list(pieces)
    assert time.monotonic() - start < 0.5
    assert caught.value.reached == "llm"
    assert first.text


def test_a_passed_deadline_keeps_it_from_starting(model: LanguageModel) -> None:
    with pytest.raises(DeadlineExceededError) as caught:
        list(model.write(MATERIAL, deadline=Deadline.after_ms(0), stop=Stop()))
    assert caught.value.stage == "llm"


def test_a_deadline_in_the_middle_ends_it(model: LanguageModel) -> None:
    start = time.monotonic()

    with pytest.raises(DeadlineExceededError) as caught:
        list(model.write(MATERIAL, deadline=Deadline.after_ms(150), stop=Stop()))
    assert time.monotonic() - start < 0.65
    assert caught.value.stage == "llm"


def test_leaving_in_the_middle_leaves_no_thread_behind(model: LanguageModel) -> None:
    pieces = model.write(MATERIAL, deadline=long(), stop=Stop())
    next(pieces)

    del pieces

    assert within(2.0, lambda: "llm-stream" not in {thread.name for thread in threading.enumerate()})


def test_many_threads_each_get_a_whole_answer(model: LanguageModel) -> None:
    with ThreadPoolExecutor(6) as pool:
        answers = list(pool.map(lambda _: written(model), range(6)))

    assert all(answer[-1].usage is not None for answer in answers)
    assert all(len(answer) > 5 for answer in answers)


def test_a_completion_is_text_or_an_honest_refusal(model: LanguageModel) -> None:
    assert completed(model) == model.completes


def completed(model: LanguageModel) -> bool:
    try:
        text = model.complete("Write.", [("user", "hello")], max_tokens=20, deadline=long(), stop=Stop())
    except EngineError:
        return False
    return bool(text)


def within(limit_s: float, holds: Callable[[], bool]) -> bool:
    until = time.monotonic() + limit_s
    while not holds() and time.monotonic() < until:
        time.sleep(0.01)
    return holds()
