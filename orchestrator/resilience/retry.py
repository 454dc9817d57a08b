"""How long to wait before trying again."""

from __future__ import annotations

import random


def next_delay_s(previous_s: float, *, base_s: float, cap_s: float, rng: random.Random) -> float:
    """Return the next wait by decorrelated jitter, in [base_s, cap_s].

    Source: M. Brooker, "Exponential Backoff and Jitter" (AWS, 2015): `min(cap, uniform(base, 3 * previous))`.
    Celery's own full jitter may return 0 s, which is no wait at all.
    """
    return min(cap_s, rng.uniform(base_s, max(base_s, 3 * previous_s)))
