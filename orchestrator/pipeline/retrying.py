"""Try again, in place, what may pass."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from typing import TypeVar

import structlog

from orchestrator.chat.plan import Hop
from orchestrator.errors import BreakerOpenError, DependencyDownError, EngineError, StoppedError
from orchestrator.events import Reached
from orchestrator.pipeline.context import Context
from orchestrator.resilience.retry import next_delay_s, until_answered

_T = TypeVar("_T")

TRIES = 3
#: A dependency that asks for a longer wait is not waited for: the place is needed, and the user is told.
TOLD_MOST_S = 10.0
#: What a try must have left after the wait before it.
_LEAST_S = 1.0
#: What a stop that met this hop has reached.
REACHED: Mapping[Hop, Reached] = {"classify": "gpu", "embed": "gpu", "sql": "sql", "rag": "sql", "llm": "llm"}
_logger = structlog.get_logger(__name__)


def with_retries(context: Context, work: Callable[[], _T]) -> _T:
    """Do `work`, trying again after a passing failure of a dependency while time and the process' budget last.

    In place, holding the slot: waits are short, and a message with a countdown would leave the row's claim behind.

    Raises:
        OrchestratorError: what `work` raised the last time, or at once when trying again can't help.
    """
    rng, delay_s = random.Random(), 0.2
    context.runtime.retries.earn()
    for attempt in range(1, TRIES + 1):
        try:
            return work()
        except (DependencyDownError, EngineError) as exc:
            delay_s = next_delay_s(delay_s, base_s=0.2, cap_s=2.0, rng=rng)
            wait_s = wait_before_next(exc, attempt=attempt, delay_s=delay_s, left_s=context.deadline.remaining_s())
            if wait_s is None:
                raise
            if not context.runtime.retries.spend(_dependency_of(exc)):
                _logger.warning("not tried again: the budget of retries is spent", error=str(exc))
                raise
            _logger.warning("trying again", attempt=attempt, delay_s=round(wait_s, 2), error=str(exc))
            if context.stop.wait(wait_s):
                raise StoppedError(REACHED[context.hop]) from exc
    raise AssertionError("unreachable: the last try returns or raises")


def patiently(context: Context, call: Callable[[], _T]) -> _T:
    """Make a call on the platform's own database, again while it does not answer and the deadline lasts.

    A restart of PostgreSQL costs a stage seconds, never its turn; only for calls whose repeat is harmless.

    Raises:
        StoreDownError: it did not answer before the deadline.
    """
    return until_answered(call, limit_s=context.deadline.remaining_s())


def wait_before_next(
    error: DependencyDownError | EngineError, *, attempt: int, delay_s: float, left_s: float
) -> float | None:
    """Return how long to wait before the next try, or None when there should be none.

    `delay_s` is our own wait; what the dependency told us to wait is the floor under it. `left_s` is the deadline's.
    """
    if isinstance(error, EngineError):
        passing, told_ms = error.transient, None
    else:
        # An open breaker has said no for everyone.
        passing, told_ms = error.retryable and not isinstance(error, BreakerOpenError), error.retry_after_ms
    told_s = (told_ms or 0) / 1000
    # A little later than told, each by another bit: those who were told the same must not come back together.
    wait_s = max(delay_s, told_s + delay_s / 4 if told_s else 0.0)
    if not passing or attempt >= TRIES or told_s > TOLD_MOST_S or left_s < wait_s + _LEAST_S:
        return None
    return wait_s


def _dependency_of(error: DependencyDownError | EngineError) -> str:
    return error.engine if isinstance(error, EngineError) else error.dependency
