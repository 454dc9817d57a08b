"""A breaker of this process alone: before PostgreSQL and Redis, and in place of a shared one while Redis is away.

A frozen server fails no call for seconds: it holds it. So a call that has been out for longer than `silent_s`, with no
answer to anybody since it began, makes the next call the probe, and further ones are refused until one of them comes
back.
"""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from orchestrator.errors import BreakerOpenError
from orchestrator.resilience.breaker import Breaker, Permit, chance, log_change
from orchestrator.resilience.breaker_states import Policy, Record, Report, Verdict, ask, probing, tell

_ALWAYS = Verdict(allowed=True, state="closed")
#: Silence is believed when it is still there so much later: a process that was frozen itself finds old calls whose
#: answers have long come, and must read these first.
_SURE_S = 0.25
_vital: ContextVar[bool] = ContextVar("vital", default=False)


class LocalBreaker(Breaker):
    """Keeps its record in memory; thread-safe, and cheap enough for every statement."""

    def __init__(
        self,
        name: str,
        *,
        dependency: str,
        policy: Policy,
        silent_s: float | None = None,
        logs: bool = True,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        super().__init__(name, dependency=dependency)
        self._policy = policy
        self._silent_s = silent_s
        self._logs = logs
        self._clock = clock
        self._lock = threading.Lock()
        self._record = Record()
        self._numbers = itertools.count(1)
        #: Calls that are out, by number, the oldest first, with their beginnings.
        self._flying: dict[int, float] = {}
        self._answered_at_s = float("-inf")
        #: The call whose silence was noticed first, and when.
        self._suspect = (0, 0.0)

    @property
    def record(self) -> Record:
        """Return what is kept now."""
        return self._record

    def since_s(self) -> float | None:
        """Return how many seconds it has been in its state; None when it has never changed."""
        since_ms = self._record.since_ms
        return max(0.0, self._clock() - since_ms / 1000) if since_ms else None

    def next_probe_s(self) -> float:
        """Return in how many seconds a probe may go; 0 when it may now, or when none is needed."""
        with self._lock:
            if self._record.state == "closed":
                return 0.0
            return max(0.0, self._record.until_ms / 1000 - self._clock())

    def ask(self) -> tuple[Verdict, int]:
        """Return whether a call may go now; no waiting, no I/O."""
        with self._lock:
            now_s = self._clock()
            number = next(self._numbers)
            before = self._record
            if _vital.get():
                verdict = _ALWAYS
            elif before.state == "closed" and self._is_silent(now_s):
                self._record = probing(before, now_ms=int(now_s * 1000), token=str(number), policy=self._policy)
                verdict = Verdict(allowed=True, state="half_open", token=str(number))
            else:
                self._record, verdict = ask(before, now_ms=int(now_s * 1000), token=str(number), policy=self._policy)
            after = self._record
            if verdict.allowed:
                self._flying[number] = now_s
        self._log(before, after)
        return verdict, number

    def tell(self, report: Report, *, flight: int = 0) -> None:
        """Take note of how a call ended."""
        with self._lock:
            now_s = self._clock()
            self._flying.pop(flight, None)
            if report.ok:
                self._answered_at_s = now_s
            before = self._record
            self._record = after = tell(before, report, now_ms=int(now_s * 1000), policy=self._policy, chance=chance())
        self._log(before, after)

    def _log(self, before: Record, after: Record) -> None:
        if self._logs:
            wait_ms = after.until_ms - after.since_ms if after.state == "open" else 0
            log_change(self.name, before.state, after.state, streak=after.streak, wait_ms=wait_ms)

    def _is_silent(self, now_s: float) -> bool:
        if self._silent_s is None or not self._flying:
            return False
        number, began_s = next(iter(self._flying.items()))
        if self._answered_at_s >= began_s or now_s - began_s < self._silent_s:
            return False
        if self._suspect[0] != number:
            self._suspect = (number, now_s)
        return now_s - self._suspect[1] >= _SURE_S


#: For stores: soon open, soon asked again, since heartbeats and claims wait behind it.
STORE_POLICY = Policy(
    failures=3, rate=1.1, cool_ms=250, cool_most_ms=1_000, probe_ms=5_000, any_answer_closes=True
)  # a share above 1 is never reached: only failures in a row say that a store is away
_lock = threading.Lock()
_of_stores: dict[str, LocalBreaker] = {}


def of_store(name: str, *, dependency: str, silent_s: float) -> LocalBreaker:
    """Return this process' breaker before one server, made at first use."""
    with _lock:
        found = _of_stores.get(name)
        if found is None:
            found = _of_stores[name] = LocalBreaker(name, dependency=dependency, policy=STORE_POLICY, silent_s=silent_s)
        return found


def of_stores() -> list[LocalBreaker]:
    """Return the breakers before this process' servers."""
    with _lock:
        return list(_of_stores.values())


@contextmanager
def vital() -> Iterator[None]:
    """Let the block's calls pass whatever the stores' breakers say, and count: for the one heartbeat of a process.

    Its silence would have others take the process for dead, and its next success closes the breaker for all.
    """
    token = _vital.set(True)
    try:
        yield
    finally:
        _vital.reset(token)


def permitted(breaker: LocalBreaker) -> Permit | BreakerOpenError:
    """Return the permit, or why there is none, for callers that raise an error of their own kind."""
    try:
        return breaker.enter()
    except BreakerOpenError as exc:
        return exc
