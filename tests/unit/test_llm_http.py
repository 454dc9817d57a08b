"""The OpenAI-compatible client against a server that errs, stalls and cuts on demand."""

from __future__ import annotations

import socket
import threading
import time
import traceback
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime

import httpx
import pytest

from orchestrator import catalogue
from orchestrator.engines.llm import Material, Piece
from orchestrator.engines.llm_fake_server import ANSWER, Behaviour, FakeServer
from orchestrator.engines.llm_http import MAX_ANSWER_CHARS, HttpModel
from orchestrator.engines.llm_http_errors import retry_after_ms
from orchestrator.engines.llm_timeouts import Timeouts
from orchestrator.errors import (
    DeadlineExceededError,
    DependencyDownError,
    EngineError,
    OrchestratorError,
    OverLimitError,
    SilentError,
    StoppedError,
)
from orchestrator.resilience.deadline import Deadline
from orchestrator.resilience.stop import Stop

KEY = "not-a-real-key-4711"
MATERIAL = Material(question="When does the kitchen close?", language="en", route="rag", tenant_name="Trattoria")
QUICK = Timeouts(connect_s=1.0, first_token_s=0.4, next_token_s=0.4)


@pytest.fixture
def server() -> Iterator[FakeServer]:
    with FakeServer() as running:
        yield running


def model_at(server: FakeServer, behaviour: Behaviour) -> HttpModel:
    return HttpModel(base_url=server.base_url, model=f"fake:{behaviour}", api_key=KEY, timeouts=QUICK)


def written(model: HttpModel, *, deadline_ms: int = 10_000, stop: Stop | None = None) -> list[Piece]:
    return list(model.write(MATERIAL, deadline=Deadline.after_ms(deadline_ms), stop=stop or Stop()))


def text_of(pieces: list[Piece]) -> str:
    return "".join(piece.text for piece in pieces)


def failure_of(model: HttpModel) -> OrchestratorError:
    with pytest.raises(OrchestratorError) as caught:
        written(model)
    return caught.value


def test_the_stream_arrives_whole_with_the_servers_own_count(server: FakeServer) -> None:
    pieces = written(model_at(server, Behaviour.NORMAL))

    assert text_of(pieces) == ANSWER
    assert pieces[-1].usage is not None
    assert (pieces[-1].usage.input_tokens, pieces[-1].usage.output_tokens) == (42, 16)
    assert not pieces[-1].usage.estimated


def test_a_server_that_does_not_count_gets_a_guess_that_says_so(server: FakeServer) -> None:
    usage = written(model_at(server, Behaviour.NO_USAGE))[-1].usage

    assert usage is not None
    assert usage.estimated
    assert usage.output_tokens == -(-len(ANSWER) // 4)


@pytest.mark.parametrize("behaviour", [Behaviour.EMPTY_CHOICES, Behaviour.SLOW])
def test_harmless_oddities_change_nothing(server: FakeServer, behaviour: Behaviour) -> None:
    assert text_of(written(model_at(server, behaviour))) == ANSWER


def test_an_answer_at_its_length_limit_says_so(server: FakeServer) -> None:
    text = text_of(written(model_at(server, Behaviour.LENGTH)))

    assert text.startswith(ANSWER)
    assert text.endswith("*(The answer was cut at its length limit.)*")


def test_a_model_that_never_ends_is_ended(server: FakeServer) -> None:
    text = text_of(written(model_at(server, Behaviour.HUGE)))

    assert MAX_ANSWER_CHARS < len(text) < MAX_ANSWER_CHARS + 100


@pytest.mark.parametrize(
    ("behaviour", "error", "retryable"),
    [
        (Behaviour.ERROR_500, DependencyDownError, True),
        (Behaviour.RATE_LIMITED, OverLimitError, True),
        (Behaviour.CUT, DependencyDownError, True),
        (Behaviour.CUT_CLEANLY, DependencyDownError, True),
        (Behaviour.UNFINISHED, DependencyDownError, True),
        (Behaviour.ERROR_IN_STREAM, DependencyDownError, True),
        (Behaviour.SILENT, SilentError, True),
        (Behaviour.STALL, SilentError, True),
        (Behaviour.COMMENTS, SilentError, True),
        (Behaviour.GARBAGE, EngineError, False),
        (Behaviour.ENDLESS_LINE, EngineError, False),
        (Behaviour.UNKNOWN_MODEL, EngineError, False),
        (Behaviour.UNAUTHENTICATED, EngineError, False),
    ],
)
def test_each_fault_becomes_the_error_that_says_whether_to_try_again(
    server: FakeServer, behaviour: Behaviour, error: type[OrchestratorError], retryable: bool
) -> None:
    failure = failure_of(model_at(server, behaviour))

    assert type(failure) is error
    assert failure.retryable is retryable


def test_too_many_requests_names_the_wait(server: FakeServer) -> None:
    failure = failure_of(model_at(server, Behaviour.RATE_LIMITED))

    assert isinstance(failure, OverLimitError)
    assert failure.retry_after_ms == 7_000
    assert "7 s" in catalogue.of_error(failure, "en")


@pytest.mark.parametrize(
    ("header", "wait_ms"),
    [
        ("7", 7_000),
        (" 0 ", 0),
        ("1.5", 1_500),
        ("Fri, 20 Nov 2026 12:00:30 GMT", 30_000),
        ("Fri, 20 Nov 2026 11:00:00 GMT", 0),
        ("99999999", 86_400_000),
        ("soon", None),
        ("-3", None),
        ("", None),
        ("Fri, 99 Nov 2026 12:00:30 GMT", None),
    ],
)
def test_a_wait_is_read_as_seconds_or_as_a_date(header: str, wait_ms: int | None) -> None:
    noon_s = datetime(2026, 11, 20, 12, tzinfo=UTC).timestamp()

    assert retry_after_ms(header, now_s=noon_s) == wait_ms


def test_a_request_is_sent_once_whatever_fails(server: FakeServer) -> None:
    failure_of(model_at(server, Behaviour.ERROR_500))

    assert len(server.requests) == 1


def test_nobody_listening_is_a_dependency_that_is_down() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        model = HttpModel(base_url=f"http://127.0.0.1:{taken.getsockname()[1]}/v1", model="any")

        failure = failure_of(model)

    assert isinstance(failure, DependencyDownError)
    assert failure.dependency == "llm"


def test_a_server_that_never_accepts_is_given_up_after_the_connect_limit() -> None:
    with socket.socket() as full:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        address = full.getsockname()
        # Linux lets one more in than the backlog says; from then on a connect hangs.
        waiting = [socket.socket() for _ in range(3)]
        for client in waiting:
            client.setblocking(False)
            client.connect_ex(address)
        model = HttpModel(
            base_url=f"http://127.0.0.1:{address[1]}/v1",
            model="any",
            timeouts=Timeouts(connect_s=0.3, first_token_s=5.0),
        )
        start = time.monotonic()

        failure = failure_of(model)

        took_s = time.monotonic() - start
        for client in waiting:
            client.close()
    assert isinstance(failure, DependencyDownError)
    assert took_s < 2.0


@pytest.mark.parametrize("behaviour", [Behaviour.SILENT, Behaviour.STALL, Behaviour.COMMENTS, Behaviour.SLOW])
def test_a_stop_ends_a_blocked_read_and_the_server_sees_it(server: FakeServer, behaviour: Behaviour) -> None:
    model = HttpModel(base_url=server.base_url, model=f"fake:{behaviour}")
    stop = Stop()
    stopped_at: list[float] = []

    def stop_once_reached() -> None:
        server.reached.wait(5)
        time.sleep(0.1)
        stopped_at.append(time.monotonic())
        stop.set()

    threading.Thread(target=stop_once_reached).start()

    with pytest.raises(StoppedError):
        written(model, stop=stop)
    assert time.monotonic() - stopped_at[0] < 0.5
    assert server.disconnected.wait(1)


def test_the_turns_deadline_wins_over_the_models_limits(server: FakeServer) -> None:
    model = HttpModel(base_url=server.base_url, model="fake:stall")
    start = time.monotonic()

    with pytest.raises(DeadlineExceededError) as caught:
        written(model, deadline_ms=300)
    assert 0.25 < time.monotonic() - start < 0.9
    assert caught.value.remaining_ms == 0
    assert server.disconnected.wait(1)


def test_the_server_is_told_which_effect_and_which_claim_it_is(server: FakeServer) -> None:
    asking = replace(MATERIAL, key="turn_1:1:llm", claim="a7")

    list(model_at(server, Behaviour.NORMAL).write(asking, deadline=Deadline.after_ms(10_000), stop=Stop()))

    assert [(asked.key, asked.request) for asked in server.asked] == [("turn_1:1:llm", "turn_1:1:llm:a7")]


def test_closing_the_stream_early_disconnects(server: FakeServer) -> None:
    pieces = HttpModel(base_url=server.base_url, model="fake:stall").write(
        MATERIAL, deadline=Deadline.after_ms(10_000), stop=Stop()
    )
    next(pieces)

    del pieces

    assert server.disconnected.wait(1)


def test_parameters_that_a_server_refuses_are_left_out_from_then_on(server: FakeServer) -> None:
    model = model_at(server, Behaviour.STRICT)
    written(model)
    written(model)

    assert len(server.requests) == 4
    assert "max_tokens" not in server.requests[-1]
    assert "temperature" not in server.requests[-1]
    assert server.requests[-1]["max_completion_tokens"] == 2_048


def test_a_completion_is_asked_for_at_temperature_zero(server: FakeServer) -> None:
    model = model_at(server, Behaviour.NORMAL)

    text = model.complete(
        "Write SQL.", [("user", "orders?")], max_tokens=99, deadline=Deadline.after_ms(5_000), stop=Stop()
    )

    assert text == ANSWER
    assert server.requests[0]["temperature"] == 0.0
    assert server.requests[0]["max_tokens"] == 99
    assert server.requests[0]["messages"] == [
        {"role": "system", "content": "Write SQL."},
        {"role": "user", "content": "orders?"},
    ]


def test_the_key_is_in_no_error_and_no_traceback(server: FakeServer) -> None:
    failure = failure_of(model_at(server, Behaviour.UNAUTHENTICATED))

    assert "401" in str(failure)
    assert KEY not in "".join(traceback.format_exception(failure))


def test_the_key_is_in_no_description_of_the_model(server: FakeServer) -> None:
    assert KEY not in repr(model_at(server, Behaviour.NORMAL))


def test_another_programs_key_is_not_sent_along(server: FakeServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    model = HttpModel(base_url=server.base_url, model="fake:unauthenticated")

    failure_of(model)

    assert server.keys == ["none"]


def test_a_server_of_its_own_is_told_how_to_behave_and_tells_what_it_was_asked(server: FakeServer) -> None:
    control = server.base_url.replace("/v1", "/control")
    list(HttpModel(base_url=server.base_url, model="m").write(MATERIAL, deadline=Deadline.after_ms(5_000), stop=Stop()))

    told = httpx.post(control, json={"behaviour": "error_500"}).json()

    assert told == {"behaviour": "error_500"}
    assert server.behaviour is Behaviour.ERROR_500
    assert [one["whole"] for one in httpx.get(control).json()["asked"]] == [True]
    assert httpx.get(control, params={"after": 1}).json()["asked"] == []
