"""How often somebody may try a password: buckets per name and address, per name, and per address."""

from __future__ import annotations

import asyncio
import hashlib
import time

from channels_app.api.shared import shared
from orchestrator.errors import RateLimitedError
from orchestrator.resilience.rate_limit import Rate

#: Tries at once and one more every so many seconds: a person who mistypes is let in, a list of passwords is not.
_FROM_HERE = (10, 6.0)
#: A name over all addresses: wide, or anybody could lock anybody out.
_NAME = (100, 1.0)
_ADDRESS = (100, 0.5)
#: Passwords checked at once in this process. A check is a slow hash on one of the few threads that every call's
#: credentials need: without a bound a hundred wrong names held up everybody for nine seconds.
checking = asyncio.Semaphore(1)


async def within_rate(username: str, address: str) -> None:
    """Count a try.

    Raises:
        RateLimitedError: there were too many.
    """
    # Names are secrets of a kind, and of any length: only their digest becomes a key.
    name = hashlib.sha256(username.casefold().encode()).hexdigest()[:24]
    verdict = await shared().limiter.take(
        _rate(f"signin:{name}:{address}", _FROM_HERE),
        _rate(f"signin:{name}", _NAME),
        _rate(f"signin-from:{address}", _ADDRESS),
        now=time.monotonic(),
    )
    if not verdict.allowed:
        raise RateLimitedError("too many tries to sign in", retry_after_ms=verdict.retry_after_ms)


def _rate(name: str, bound: tuple[int, float]) -> Rate:
    burst, every_s = bound
    return Rate(name=name, per_s=1 / every_s, burst=burst)
