"""How often somebody may do something: token buckets in Redis, and in the process when Redis is away."""

from __future__ import annotations

import asyncio
import math
import time
from collections import OrderedDict
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import structlog
from redis.exceptions import RedisError

if TYPE_CHECKING:
    from redis.asyncio import Redis

_SCRIPT = Path(__file__).with_suffix(".lua").read_text()
#: Added to what a local bucket tells to wait, besides the longest of the last round trips.
_SLACK_MS = 10
#: How much of a long round trip is remembered after the next one.
_FADE = 0.9
#: After Redis failed to answer, the local buckets decide alone for this long.
_REST_S = 1.0
_LOCAL_BUCKETS = 20_000

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """Whether something may happen now, and if not, when."""

    allowed: bool
    retry_after_ms: int = 0


ALLOWED = Verdict(allowed=True)


@dataclass(slots=True, kw_only=True)
class Bucket:
    """A token bucket as GCRA keeps it: one instant. Pure; `now` is any clock that doesn't go back."""

    rate_per_s: float
    burst: int
    _arrival_s: float = 0.0

    def look(self, now: float) -> Verdict:
        """Say whether there is a token, without taking it."""
        gap_s = 1 / self.rate_per_s
        wait_s = max(self._arrival_s, now) + gap_s - now - gap_s * self.burst
        return ALLOWED if wait_s <= 1e-9 else Verdict(allowed=False, retry_after_ms=math.ceil(wait_s * 1000))

    def take(self, now: float) -> Verdict:
        """Take a token if there is one."""
        verdict = self.look(now)
        if verdict.allowed:
            self._arrival_s = max(self._arrival_s, now) + 1 / self.rate_per_s
        return verdict


@dataclass(frozen=True, slots=True, kw_only=True)
class Rate:
    """A bucket's name and size; without `burst` it holds one second's worth."""

    name: str
    per_s: float
    burst: int | None = None

    @property
    def size(self) -> int:
        """Return how many tokens a full bucket holds."""
        return self.burst if self.burst is not None else max(1, math.floor(self.per_s))


class RateLimiter:
    """Checks several buckets at once: each gives a token, or none does."""

    def __init__(self, redis: Redis, prefix: str, *, timeout_s: float = 0.5) -> None:
        self._prefix = prefix
        self._timeout_s = timeout_s
        self._script = redis.register_script(_SCRIPT)
        self._local: OrderedDict[Rate, Bucket] = OrderedDict()
        self._rest_until = 0.0
        self._trip_s = 0.0

    async def take(self, *rates: Rate, now: float) -> Verdict:
        """Return whether one more is within all of `rates`; one round trip, none for whoever is far over.

        `now` is monotonic and serves the local buckets; those in Redis go by Redis' own clock.
        """
        # What passes is counted here, too: who floods is refused without asking, and when Redis goes away nobody
        # starts with full buckets.
        local = self._take_local(rates, now)
        if not local.allowed:
            # Redis counted the same tokens a round trip later: whoever waits as told must be let in there, too.
            behind_ms = math.ceil(self._trip_s * 1000) + _SLACK_MS
            return Verdict(allowed=False, retry_after_ms=local.retry_after_ms + behind_ms)
        if now < self._rest_until:
            return local
        began_s = time.monotonic()
        try:
            async with asyncio.timeout(self._timeout_s):
                wait_ms = int(
                    await self._script(
                        keys=[f"{self._prefix}:rate:{rate.name}" for rate in rates],
                        args=[figure for rate in rates for figure in (rate.per_s, rate.size)],
                    )
                )
        except (RedisError, OSError, TimeoutError) as exc:
            self._rest_until = now + _REST_S
            log.warning("rate limit goes by this process alone", reason=type(exc).__name__)
            return local
        self._trip_s = max(time.monotonic() - began_s, self._trip_s * _FADE)
        return ALLOWED if wait_ms == 0 else Verdict(allowed=False, retry_after_ms=wait_ms)

    def _take_local(self, rates: tuple[Rate, ...], now: float) -> Verdict:
        buckets = [self._bucket(rate) for rate in rates]
        worst = max((bucket.look(now) for bucket in buckets), key=lambda verdict: verdict.retry_after_ms)
        if worst.allowed:
            for bucket in buckets:
                bucket.take(now)
        return worst

    def _bucket(self, rate: Rate) -> Bucket:
        bucket = self._local.get(rate)
        if bucket is None:
            bucket = self._local[rate] = Bucket(rate_per_s=rate.per_s, burst=rate.size)
            if len(self._local) > _LOCAL_BUCKETS:
                self._local.popitem(last=False)
        self._local.move_to_end(rate)
        return bucket
