"""Which language model a configuration means."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import PurePath
from typing import Final

import structlog

from orchestrator.engines import llm_serve
from orchestrator.engines.llm import LanguageModel
from orchestrator.engines.llm_builtin import BuiltinModel
from orchestrator.engines.llm_http import HttpModel
from orchestrator.engines.llm_http_stream import Timeouts
from orchestrator.engines.llm_routed import RoutedModel
from orchestrator.engines.llm_scripted import ScriptedModel
from orchestrator.events import ROUTES

log = structlog.get_logger(__name__)
_HTTP_ROUTES: Final = "http_routes="


@dataclass(frozen=True, slots=True, kw_only=True)
class LlmConfig:
    """What the settings say about the language model; empty texts are what nobody set."""

    base_url: str = ""
    api_key: str = field(default="", repr=False)
    model: str = ""
    #: A directory that `transformers serve` serves on `serve_port`.
    model_dir: str = ""
    serve_port: int = 8090
    #: `ScriptedModel.from_script`'s text; tests only, wins over everything. `http_routes=sql,rag` in it leaves these
    #: routes to the server at `base_url`.
    scripted: str = ""
    #: The built-in writer's pause between pieces.
    pace_s: float = 0.0
    timeouts: Timeouts = field(default_factory=Timeouts)


Guard = Callable[[HttpModel], LanguageModel]


def choose(config: LlmConfig, *, guard: Guard = lambda model: model) -> LanguageModel:
    """Return the model: a script, a server at an address, a served directory, else the built-in writer.

    `guard` puts something before a model that is a server, which may be down.

    Nothing is contacted. An address without a model's name can't be used and is logged:
    `OPENAI_BASE_URL` may stand in the environment for another program.

    Raises:
        ValueError: the script can't be read.
    """
    if config.scripted:
        return _scripted(config, guard)
    if config.base_url and config.model:
        return guard(_http(config))
    if config.model_dir:
        # The server is pinned to the very text it was started with. No key: it asks for none.
        served = HttpModel(
            base_url=llm_serve.base_url(config.serve_port),
            model=config.model_dir,
            # A folder's place is the operator's business alone.
            name=PurePath(config.model_dir).name,
            timeouts=config.timeouts,
        )
        return guard(served)
    if config.base_url:
        log.warning("llm.no_model_named", missing="SWITCHYARD_LLM_MODEL", used="builtin")
    return BuiltinModel(pace_s=config.pace_s)


def _http(config: LlmConfig) -> HttpModel:
    return HttpModel(base_url=config.base_url, model=config.model, api_key=config.api_key, timeouts=config.timeouts)


def _scripted(config: LlmConfig, guard: Guard) -> LanguageModel:
    words = config.scripted.split()
    handed = [word.removeprefix(_HTTP_ROUTES).split(",") for word in words if word.startswith(_HTTP_ROUTES)]
    model = ScriptedModel.from_script(" ".join(word for word in words if not word.startswith(_HTTP_ROUTES)))
    if not handed:
        return model
    routes = [route for route in ROUTES if route in handed[-1]]
    if len(routes) != len(handed[-1]) or not (config.base_url and config.model):
        raise ValueError("the script's http_routes needs names of routes, and a server's address and model")
    return RoutedModel(usual=model, other=guard(_http(config)), routes=frozenset(routes))
