"""The engines of this worker process, each made once: at start where that is slow, else at first use."""

from __future__ import annotations

import threading
from functools import cache
from typing import TYPE_CHECKING

from django.conf import settings

from orchestrator.engines.gpu import GpuEngines, configured, load
from orchestrator.engines.llm import LanguageModel
from orchestrator.engines.llm_choice import LlmConfig, choose
from orchestrator.engines.llm_guarded import GuardedModel
from orchestrator.engines.llm_timeouts import Timeouts
from orchestrator.engines.retriever import Retriever
from orchestrator.engines.retriever_pg import PgRetriever
from orchestrator.engines.warehouse import Warehouse
from orchestrator.engines.warehouse_guarded import GuardedWarehouse
from orchestrator.pipeline import runtime
from orchestrator.pipeline.figure_names import FigureNames
from orchestrator.pipeline.labelled_routes import LabelledRoutes
from orchestrator.pipeline.warehouses import Warehouses
from orchestrator.resilience.breaker_registry import Breakers
from orchestrator.resilience.breaker_states import Policy
from orchestrator.store.engine import rw

if TYPE_CHECKING:
    from orchestrator.engines.llm_http import HttpModel

_lock = threading.Lock()


def gpu() -> GpuEngines:
    """Return the models; only the gpu worker calls it, and calls it once before it takes work."""
    # `cache` alone would load twice if two threads came first together.
    with _lock:
        return _gpu()


@cache
def _gpu() -> GpuEngines:
    return load(configured())


@cache
def llm() -> LanguageModel:
    """Return the writer this deployment is configured for."""
    chosen = settings.SWITCHYARD
    timeouts = Timeouts(first_token_s=chosen.llm_first_token_s, next_token_s=chosen.llm_next_token_s)
    # A probe that connects and writes takes no longer.
    probe_s = timeouts.connect_s + timeouts.first_token_s + 1

    def guarded(model: HttpModel) -> LanguageModel:
        return GuardedModel(model, breakers().of("llm", model.address, probe_s=probe_s))

    return choose(
        LlmConfig(
            base_url=chosen.llm_base_url,
            api_key=chosen.llm_api_key.get_secret_value(),
            model=chosen.llm_model,
            model_dir=str(chosen.llm_model_dir or ""),
            serve_port=chosen.llm_port,
            scripted=chosen.llm_script,
            pace_s=chosen.llm_pace_s,
            timeouts=timeouts,
        ),
        guard=guarded,
    )


@cache
def retriever(model: str | None = None) -> Retriever:
    """Return the passages' index, over the vectors of one embedder when it is named."""
    return PgRetriever(rw(), model=model)


@cache
def warehouses() -> Warehouses:
    """Return the tenants' databases, each behind its breaker."""
    # A connection takes 5 s at most, then the statement its own limit.
    probe_s = settings.SWITCHYARD.sql_timeout_s + 6

    def guarded(tenant: str, warehouse: Warehouse) -> Warehouse:
        return GuardedWarehouse(warehouse, breakers().of("warehouse", tenant, probe_s=probe_s))

    return Warehouses(guard=guarded)


@cache
def labelled_routes() -> LabelledRoutes:
    """Return what people have said of questions, kept for a minute."""
    return LabelledRoutes()


@cache
def figure_names() -> FigureNames:
    """Return what each company calls its figures, kept for a minute."""
    return FigureNames()


@cache
def breakers() -> Breakers:
    """Return the breakers that all workers share."""
    here, chosen = runtime.current(), settings.SWITCHYARD
    policy = Policy(
        failures=chosen.breaker_failures,
        cool_ms=round(chosen.breaker_cool_s * 1000),
        cool_most_ms=round(max(chosen.breaker_cool_s, chosen.breaker_cool_most_s) * 1000),
    )
    return Breakers(here.redis, here.keys, policy)
