"""How long to wait before trying again."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from typing import TypeVar

import structlog

from orchestrator.errors import StoreDownError

_T = TypeVar("_T")
_logger = structlog.get_logger(__name__)


def next_delay_s(previous_s: float, *, base_s: float, cap_s: float, rng: random.Random) -> float:
    """Return the next wait by decorrelated jitter, in [base_s, cap_s].

    Source: M. Brooker, "Exponential Backoff and Jitter" (AWS, 2015): `min(cap, uniform(base, 3 * previous))`.
    Celery's own full jitter may return 0 s, which is no wait at all.
    """
    return min(cap_s, rng.uniform(base_s, max(base_s, 3 * previous_s)))


def until_answered(call: Callable[[], _T], *, limit_s: float) -> _T:
    """Make a call on a store again while the store does not answer; for calls whose repeat is harmless.

    Raises:
        StoreDownError: it did not answer in `limit_s`.
    """
    rng, delay_s, until_s = random.Random(), 0.1, time.monotonic() + limit_s
    while True:
        try:
            return call()
        except StoreDownError as exc:
            delay_s = next_delay_s(delay_s, base_s=0.1, cap_s=2.0, rng=rng)
            if time.monotonic() + delay_s > until_s:
                raise
            _logger.warning("store does not answer", error=str(exc), retry_s=round(delay_s, 2))
            time.sleep(delay_s)
