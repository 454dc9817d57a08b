"""A breaker of all workers: its record is in Redis, one script decides, and exactly one probe goes at a time.

A closed breaker costs at most one round trip each `FRESH_S`, with which the successes since the last one are told; an
open one costs none until its cool-down ends. While Redis is away each process decides by what it has seen itself.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import structlog
from redis import Redis
from redis.exceptions import RedisError

from orchestrator import ids
from orchestrator.log.keys import Keys
from orchestrator.resilience.breaker import Breaker, chance, log_change
from orchestrator.resilience.breaker_local import LocalBreaker
from orchestrator.resilience.breaker_states import Policy, Report, State, Verdict

SCRIPT = Path(__file__).with_name("breaker.lua").read_text()
#: A state that was read is believed for so long.
FRESH_S = 0.25
#: After Redis failed to answer, this process decides alone for so long.
_REST_S = 1.0
#: A breaker that nobody uses is forgotten.
TTL_MS = 86_400_000
_logger = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class _Seen:
    """What the last round trip said, on this process' clock."""

    state: State
    at_s: float
    until_s: float


class SharedBreaker(Breaker):
    """Stands before one dependency of all workers."""

    def __init__(
        self,
        redis: Redis,
        keys: Keys,
        name: str,
        *,
        dependency: str,
        policy: Policy,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        super().__init__(name, dependency=dependency)
        self._script = redis.register_script(SCRIPT)
        self._names = [keys.breaker(name), keys.breakers()]
        self._policy = policy
        self._clock = clock
        self._lock = threading.Lock()
        self._seen = _Seen("closed", float("-inf"), 0.0)
        self._ok_untold = 0
        self._rest_until_s = float("-inf")
        # A process that decides alone sees few calls, so any answer is good news.
        own = replace(policy, any_answer_closes=True)
        self._own = LocalBreaker(name, dependency=dependency, policy=own, logs=False, clock=clock)
        #: How often Redis was asked.
        self.round_trips = 0

    def ask(self) -> tuple[Verdict, int]:
        """Return whether a call may go now; at most one round trip."""
        now_s = self._clock()
        with self._lock:
            seen = self._seen
            if now_s < self._rest_until_s:
                return self._own.ask()
            if seen.state == "closed" and now_s - seen.at_s < FRESH_S:
                return Verdict(allowed=True, state="closed"), 0
            left_s = seen.until_s - now_s
            if left_s > 0 and (seen.state == "open" or (seen.state == "half_open" and now_s - seen.at_s < FRESH_S)):
                return Verdict(allowed=False, state=seen.state, wait_ms=max(1, round(left_s * 1000))), 0
            report = Report(ok=self._ok_untold)
            self._ok_untold = 0
        verdict = self._run(report, asks=True)
        return self._own.ask() if verdict is None else (verdict, 0)

    def tell(self, report: Report, *, flight: int = 0) -> None:
        """Take note of how a call ended; one round trip for a failure or a probe, none for a success."""
        self._own.tell(report, flight=flight)
        with self._lock:
            if not report.token and not report.failed and not report.limited:
                self._ok_untold += report.ok
                return
            if self._clock() < self._rest_until_s:
                return
            if not report.token:
                # What succeeded came before, and ends a row of failures.
                report = replace(report, ok=self._ok_untold)
                self._ok_untold = 0
        self._run(report, asks=False)

    def _run(self, report: Report, *, asks: bool) -> Verdict | None:
        """Run the script; None when Redis does not answer, and its news are lost: they were told to our own, too."""
        policy, token = self._policy, ids.new_id("prb") if asks else ""
        self.round_trips += 1
        try:
            reply: Any = self._script(  # redis-py types replies as possibly awaitable
                keys=self._names,
                args=[
                    self.name,
                    "ask" if asks else "",
                    "",
                    repr(chance()),
                    token,
                    *(report.ok, report.failed, report.limited, report.told_ms, report.token),
                    *(policy.failures, policy.rate, policy.least_calls, policy.window_ms),
                    *(policy.cool_ms, policy.cool_most_ms, policy.probe_ms, TTL_MS),
                ],
            )
        except (RedisError, OSError) as exc:
            with self._lock:
                self._rest_until_s = self._clock() + _REST_S
            _logger.warning("breaker goes by this process alone", breaker=self.name, reason=type(exc).__name__)
            return None
        before, state, allowed, given, wait_ms, streak, _ = reply
        now_s = self._clock()
        with self._lock:
            self._seen = _Seen(state.decode(), now_s, now_s + wait_ms / 1000)
        log_change(self.name, before.decode(), state.decode(), streak=streak, wait_ms=wait_ms)
        return Verdict(allowed=bool(allowed), state=state.decode(), token=given.decode(), wait_ms=wait_ms)
