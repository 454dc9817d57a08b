"""A language model that is down: the person who asked reads it in plain words, and the server is left alone."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest
from redis import Redis

from orchestrator.engines.llm import LanguageModel
from orchestrator.engines.llm_fake_server import Behaviour, FakeServer
from orchestrator.engines.llm_guarded import GuardedModel
from orchestrator.engines.llm_http import HttpModel
from orchestrator.log.keys import Keys
from orchestrator.pipeline import stage_llm
from orchestrator.pipeline.run_stage import run_stage
from orchestrator.pipeline.runtime import Runtime
from orchestrator.resilience.breaker_registry import shared_ones
from orchestrator.resilience.breaker_shared import SharedBreaker
from orchestrator.resilience.breaker_states import Policy
from orchestrator.resilience.retry_budget import RetryBudgets
from tests.integration.core import kit
from tests.integration.core.kit import Person


@pytest.fixture
def server() -> Iterator[FakeServer]:
    with FakeServer() as running:
        yield running


@pytest.fixture
def answered_by(runtime: Runtime, anna: Person) -> Callable[..., str]:
    """Return what asks Anna's question of a model and returns the turn."""

    def answer(model: LanguageModel, runtime: Runtime = runtime, **more: Any) -> str:
        turn = kit.released(anna, **more)
        body = lambda context: stage_llm.write(context, model, None)  # noqa: E731 - as the task has it
        run_stage("llm", body, runtime=runtime, turn=turn, fence=1, dispatch_no=1)
        return turn

    return answer


def at(server: FakeServer, behaviour: Behaviour) -> HttpModel:
    return HttpModel(base_url=server.base_url, model=f"fake:{behaviour}")


def guarded(runtime: Runtime, model: LanguageModel, *, failures: int = 3) -> GuardedModel:
    policy = Policy(failures=failures, cool_ms=30_000, cool_most_ms=30_000)
    return GuardedModel(model, SharedBreaker(runtime.redis, runtime.keys, "llm x", dependency="llm", policy=policy))


@pytest.mark.parametrize(
    ("language", "subject", "when"),
    [("en", "The language model", "in 30 s"), ("es", "El modelo de lenguaje", "en 30 s")],
)
def test_while_the_breaker_is_open_a_turn_ends_in_plain_words_and_the_server_is_not_asked(
    runtime: Runtime, server: FakeServer, answered_by: Callable[..., str], language: str, subject: str, when: str
) -> None:
    model = guarded(runtime, at(server, Behaviour.ERROR_500))
    answered_by(model)
    asked = len(server.requests)

    turn = answered_by(model, language=language)

    row = kit.turn_row(turn)
    assert (row["state"], row["error_code"], row["error_retryable"]) == ("failed", "dependency_down", True)
    assert row["error_message"].startswith(subject)
    assert when in row["error_message"]
    assert (asked, len(server.requests)) == (3, 3)


def test_refusals_of_questions_never_open_it(
    runtime: Runtime, server: FakeServer, answered_by: Callable[..., str]
) -> None:
    model = guarded(runtime, at(server, Behaviour.UNKNOWN_MODEL), failures=1)
    for _ in range(4):
        answered_by(model)

    assert len(server.requests) == 4


def test_a_server_that_recovers_is_used_again_by_the_probe(
    runtime: Runtime, server: FakeServer, answered_by: Callable[..., str], redis: Redis, keys: Keys
) -> None:
    server.behaviour = Behaviour.ERROR_500
    model = guarded(runtime, HttpModel(base_url=server.base_url, model="any"))
    answered_by(model)
    server.behaviour = Behaviour.NORMAL
    redis.hset(keys.breaker("llm x"), "until", "0")  # as if its cool-down were over
    model = guarded(runtime, HttpModel(base_url=server.base_url, model="any"))

    states = [kit.turn_row(answered_by(model))["state"] for _ in range(2)]

    assert states == ["completed", "completed"]
    assert [(b.name, b.state) for b in shared_ones(redis, keys)] == [("llm x", "closed")]


def test_nothing_is_tried_again_once_the_reader_has_seen_a_word(
    server: FakeServer, answered_by: Callable[..., str]
) -> None:
    turn = answered_by(at(server, Behaviour.CUT))

    assert kit.turn_row(turn)["error_code"] == "dependency_down"
    assert len(server.requests) == 1


def test_without_a_budget_a_failure_is_not_multiplied(
    runtime: Runtime, server: FakeServer, answered_by: Callable[..., str]
) -> None:
    answered_by(at(server, Behaviour.ERROR_500), replace(runtime, retries=RetryBudgets(share=0, reserve=1)))

    assert len(server.requests) == 2


def test_a_server_that_asks_for_a_longer_wait_than_is_left_is_told_to_the_user_at_once(
    server: FakeServer, answered_by: Callable[..., str]
) -> None:
    # The server says 7 s.
    turn = answered_by(at(server, Behaviour.RATE_LIMITED), deadline_ms=6_000)

    row = kit.turn_row(turn)
    assert (row["error_code"], len(server.requests)) == ("dependency_down", 1)
    assert "7 s" in row["error_message"]
