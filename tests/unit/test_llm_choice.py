"""Which model a configuration means, and what its description hides."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from orchestrator.engines.llm import LanguageModel, Material, Piece
from orchestrator.engines.llm_choice import LlmConfig, choose
from orchestrator.engines.llm_fake_server import FakeServer
from orchestrator.engines.llm_http import HttpModel
from orchestrator.engines.llm_scripted import ScriptedModel
from orchestrator.engines.llm_serve import serve_command
from orchestrator.errors import DeadlineExceededError
from orchestrator.events import Route
from orchestrator.resilience.deadline import Deadline
from orchestrator.resilience.stop import Stop

ADDRESS = "http://127.0.0.1:9/v1"
ROUTES_ASKED: tuple[Route, ...] = ("chat", "sql")


def written(model: LanguageModel, route: Route) -> Iterator[Piece]:
    material = Material(question="?", language="en", route=route, tenant_name="T")
    return model.write(material, deadline=Deadline.after_ms(5_000), stop=Stop())


@pytest.mark.parametrize(
    ("config", "name"),
    [
        (LlmConfig(), "builtin"),
        (LlmConfig(base_url=ADDRESS), "builtin"),
        (LlmConfig(model="gpt"), "builtin"),
        (LlmConfig(base_url=ADDRESS, model="gpt"), "gpt"),
        (LlmConfig(base_url=ADDRESS, model="gpt", model_dir="/models/tiny"), "gpt"),
        (LlmConfig(model_dir="/models/tiny/"), "tiny"),
        (LlmConfig(scripted="pieces=3", base_url=ADDRESS, model="gpt"), "scripted"),
    ],
)
def test_the_most_explicit_setting_wins(config: LlmConfig, name: str) -> None:
    assert choose(config).name == name


def test_the_served_directory_is_named_exactly_as_the_server_was_started() -> None:
    config = LlmConfig(model_dir="/models/tiny/", serve_port=27_050)

    chosen = choose(config)

    assert isinstance(chosen, HttpModel)
    assert chosen.model in serve_command(config.model_dir, config.serve_port)


def test_the_key_is_in_no_description() -> None:
    config = LlmConfig(base_url=ADDRESS, model="gpt", api_key="not-a-real-key-4711")

    assert "4711" not in repr(config)
    assert "4711" not in repr(choose(config))


def test_an_address_with_a_password_is_not_shown() -> None:
    assert "pw" not in repr(HttpModel(base_url="http://user:pw@127.0.0.1:9/v1", model="gpt"))


def test_a_script_is_played_to_its_failure() -> None:
    model = ScriptedModel.from_script("pieces=9 fail_after=2 failure=stall")
    pieces = model.write(
        Material(question="?", language="en", route="chat", tenant_name="T"),
        deadline=Deadline.after_ms(5_000),
        stop=Stop(),
    )

    heard = [next(pieces).text, next(pieces).text]

    assert heard == ["word1 ", "word2 "]
    with pytest.raises(DeadlineExceededError):
        next(pieces)


def test_a_script_may_leave_some_routes_to_a_server() -> None:
    with FakeServer(answer="From the server.") as server:
        model = choose(LlmConfig(scripted="pieces=2 http_routes=sql", base_url=server.base_url, model="fake:normal"))

        texts = ["".join(piece.text for piece in written(model, route)) for route in ROUTES_ASKED]

    assert texts == ["word1 word2 ", "From the server."]


@pytest.mark.parametrize("script", ["http_routes=sql", "http_routes=dinner", "http_routes="])
def test_routes_that_no_server_could_write_for_are_refused(script: str) -> None:
    with pytest.raises(ValueError, match="http_routes"):
        choose(LlmConfig(scripted=script))


@pytest.mark.parametrize("script", ["speed=3", "pieces", "failure=fire"])
def test_a_script_that_cannot_be_read_is_refused(script: str) -> None:
    with pytest.raises(ValueError, match=r"script|invalid literal"):
        ScriptedModel.from_script(script)
