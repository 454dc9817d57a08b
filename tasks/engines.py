"""The engines of this worker process, each made once: at start where that is slow, else at first use."""

from __future__ import annotations

import threading
from functools import cache

from orchestrator.engines.gpu import GpuEngines, configured, load
from orchestrator.engines.llm import LanguageModel
from orchestrator.engines.llm_choice import choose, configured_llm
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
    return choose(configured_llm())


@cache
def retriever() -> Retriever:
    """Return the passages' index."""
    return PgRetriever(rw())


@cache
def warehouses() -> Warehouses:
    """Return the tenants' databases."""
    return Warehouses()
