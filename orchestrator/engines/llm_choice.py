"""Which language model a configuration means."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import PurePath
from typing import TYPE_CHECKING, Final

import structlog

from orchestrator.engines import llm_serve
from orchestrator.engines.llm import LanguageModel
from orchestrator.engines.llm_builtin import BuiltinModel
from orchestrator.engines.llm_routed import RoutedModel
from orchestrator.engines.llm_scripted import ScriptedModel
from orchestrator.engines.llm_timeouts import Timeouts
from orchestrator.events import ROUTES

if TYPE_CHECKING:
    from orchestrator.engines.llm_http import HttpModel

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


Guard = Callable[["HttpModel"], LanguageModel]


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
        base_url = llm_serve.base_url(config.serve_port)
        # A folder's place is the operator's business alone.
        name = PurePath(config.model_dir).name
        return guard(_served(base_url, config.model_dir, config.timeouts, name=name))
    if config.base_url:
        log.warning("llm.no_model_named", missing="SWITCHYARD_LLM_MODEL", used="builtin")
    return BuiltinModel(pace_s=config.pace_s)


def _http(config: LlmConfig) -> HttpModel:
    return _served(config.base_url, config.model, config.timeouts, api_key=config.api_key)


def _served(base_url: str, model: str, timeouts: Timeouts, *, api_key: str = "", name: str = "") -> HttpModel:
    # Not above: the client costs every process a second of processor time at its start, and most need none.
    from orchestrator.engines.llm_http import HttpModel

    return HttpModel(base_url=base_url, model=model, api_key=api_key, name=name, timeouts=timeouts)


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
