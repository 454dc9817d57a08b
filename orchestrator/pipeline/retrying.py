"""Try again, in place, what may pass."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from typing import TypeVar

import structlog

from orchestrator.chat.plan import Hop
from orchestrator.errors import DependencyDownError, EngineError, StoppedError
from orchestrator.events import Reached
from orchestrator.pipeline.context import Context
from orchestrator.resilience.retry import next_delay_s

_T = TypeVar("_T")

TRIES = 3
#: What a stop that met this hop has reached.
REACHED: Mapping[Hop, Reached] = {"classify": "gpu", "embed": "gpu", "sql": "sql", "rag": "sql", "llm": "llm"}
_logger = structlog.get_logger(__name__)


def with_retries(context: Context, work: Callable[[], _T]) -> _T:
    """Do `work`, trying again after a passing failure of a dependency while time is left.

    In place, holding the slot: waits are short, and a message with a countdown would leave the row's claim behind.

    Raises:
        OrchestratorError: what `work` raised the last time, or at once when trying again can't help.
    """
    rng, delay_s = random.Random(), 0.2
    for attempt in range(1, TRIES + 1):
        try:
            return work()
        except (DependencyDownError, EngineError) as exc:
            passing = exc.transient if isinstance(exc, EngineError) else exc.retryable
            delay_s = next_delay_s(delay_s, base_s=0.2, cap_s=2.0, rng=rng)
            if not passing or attempt == TRIES or context.deadline.remaining_s() < delay_s + 1:
                raise
            _logger.warning("trying again", attempt=attempt, delay_s=round(delay_s, 2), error=str(exc))
            if context.stop.wait(delay_s):
                raise StoppedError(REACHED[context.hop]) from exc
    raise AssertionError("unreachable: the last try returns or raises")
