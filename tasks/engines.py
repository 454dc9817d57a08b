"""The engines of this worker process, each made once: at start where that is slow, else at first use."""

from __future__ import annotations

import threading
from functools import cache

from django.conf import settings

from orchestrator.engines.gpu import GpuEngines, configured, load
from orchestrator.engines.llm import LanguageModel
from orchestrator.engines.llm_choice import LlmConfig, choose
from orchestrator.engines.llm_http_stream import Timeouts
from orchestrator.engines.retriever import Retriever
from orchestrator.engines.retriever_pg import PgRetriever
from orchestrator.pipeline.warehouses import Warehouses
from orchestrator.store.engine import rw

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
    return choose(
        LlmConfig(
            base_url=chosen.llm_base_url,
            api_key=chosen.llm_api_key.get_secret_value(),
            model=chosen.llm_model,
            model_dir=str(chosen.llm_model_dir or ""),
            serve_port=chosen.llm_port,
            scripted=chosen.llm_script,
            pace_s=chosen.llm_pace_s,
            timeouts=Timeouts(first_token_s=chosen.llm_first_token_s, next_token_s=chosen.llm_next_token_s),
        )
    )


@cache
def retriever(model: str | None = None) -> Retriever:
    """Return the passages' index, over the vectors of one embedder when it is named."""
    return PgRetriever(rw(), model=model)


@cache
def warehouses() -> Warehouses:
    """Return the tenants' databases."""
    return Warehouses()
