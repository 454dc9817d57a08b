"""A breaker as callers see it: ask before a call, say how it ended, wait a little where that is worth it."""

from __future__ import annotations

import random
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager

import structlog

from orchestrator.errors import (
    BreakerOpenError,
    DependencyDownError,
    EngineError,
    GuardRefusedError,
    NoAnswerError,
    OverLimitError,
    SilentError,
    StoppedError,
)
from orchestrator.resilience.breaker_states import Report, Verdict
from orchestrator.resilience.deadline import Deadline
from orchestrator.resilience.stop import Stop

#: Longest wait for an open breaker, and the share of what is left of the deadline that it may take.
WAIT_MOST_S = 1.0
WAIT_SHARE = 0.25
#: While somebody's probe is out, its end is looked for so often.
_LOOK_S = 0.1
_logger = structlog.get_logger(__name__)


class Permit:
    """One call that may go; the first word about its end counts."""

    def __init__(self, breaker: Breaker, verdict: Verdict, flight: int = 0) -> None:
        self._breaker = breaker
        self._token = verdict.token
        self._flight = flight
        self._said = False

    @property
    def is_probe(self) -> bool:
        """Return whether others wait for how this call ends."""
        return bool(self._token)

    def ok(self) -> None:
        """Say that the dependency answered."""
        self._say(Report(ok=1, token=self._token))

    def failed(self, *, limited: bool = False, told_ms: int = 0) -> None:
        """Say that the dependency failed; `told_ms`: how long it asked to be left alone."""
        if self._said:
            # A stream that broke off after its first token: it was a good probe, and yet it is a failure.
            self._breaker.tell(Report(failed=1))
            return
        self._say(Report(failed=int(not limited), limited=int(limited), told_ms=told_ms, token=self._token))

    def dropped(self) -> None:
        """Say that the call ended without telling anything about the dependency."""
        self._say(Report(token=self._token))

    def _say(self, report: Report) -> None:
        if not self._said:
            self._said = True
            self._breaker.tell(report, flight=self._flight)


class Breaker(ABC):
    """Stands before one dependency; thread-safe."""

    def __init__(self, name: str, *, dependency: str) -> None:
        #: For operators, for example `llm 10.0.0.7:8000`.
        self.name = name
        #: What people call it, by the catalogue's `dependency.<name>`.
        self.dependency = dependency
        self._one_waits = threading.Semaphore(1)

    @abstractmethod
    def ask(self) -> tuple[Verdict, int]:
        """Return whether a call may go now, and the number under which it flies."""

    @abstractmethod
    def tell(self, report: Report, *, flight: int = 0) -> None:
        """Take note of how a call ended."""

    def enter(self) -> Permit:
        """Return the permit for one call, at once.

        Raises:
            BreakerOpenError: the dependency is left alone for now.
        """
        verdict, flight = self.ask()
        if verdict.allowed:
            return Permit(self, verdict, flight)
        raise self._refusal(verdict)

    def enter_within(self, deadline: Deadline, stop: Stop, *, stopped: StoppedError) -> Permit:
        """Return the permit for one call, waiting for it where it may soon be had.

        One call of a process waits, for at most `WAIT_MOST_S` and a quarter of what is left: more of them would hold
        places and meet the same probe.

        Raises:
            BreakerOpenError: as `enter`.
            StoppedError: `stopped`, as the stop came meanwhile.
        """
        verdict, flight = self.ask()
        if verdict.allowed:
            return Permit(self, verdict, flight)
        until_s = time.monotonic() + min(WAIT_MOST_S, deadline.remaining_s() * WAIT_SHARE)
        if not self._worth_waiting(verdict, until_s) or not self._one_waits.acquire(blocking=False):
            raise self._refusal(verdict)
        try:
            while self._worth_waiting(verdict, until_s):
                wait_s = verdict.wait_ms / 1000 if verdict.state == "open" else _LOOK_S
                if stop.wait(wait_s + 0.001):
                    raise stopped
                verdict, flight = self.ask()
                if verdict.allowed:
                    return Permit(self, verdict, flight)
            raise self._refusal(verdict)
        finally:
            self._one_waits.release()

    @contextmanager
    def call(self, deadline: Deadline, stop: Stop, *, stopped: StoppedError) -> Iterator[Permit]:
        """Guard the block: it is entered as by `enter_within`, and how it ends is told by the error it raises."""
        permit = self.enter_within(deadline, stop, stopped=stopped)
        try:
            yield permit
        except BaseException as exc:
            settle(permit, exc)
            raise
        permit.ok()

    def _worth_waiting(self, verdict: Verdict, until_s: float) -> bool:
        wait_s = verdict.wait_ms / 1000 if verdict.state == "open" else _LOOK_S
        return time.monotonic() + wait_s < until_s

    def _refusal(self, verdict: Verdict) -> BreakerOpenError:
        return BreakerOpenError(
            f"the breaker of {self.name} is {verdict.state}",
            dependency=self.dependency,
            retry_after_ms=max(1, verdict.wait_ms),
        )


def settle(permit: Permit, error: BaseException) -> None:
    """Say how a call ended that raised `error`: only what the dependency itself did counts against it."""
    match error:
        case OverLimitError():
            permit.failed(limited=True, told_ms=error.retry_after_ms or 0)
        case DependencyDownError():
            permit.failed(told_ms=error.retry_after_ms or 0)
        case SilentError():
            permit.failed()
        case GuardRefusedError() | NoAnswerError():
            permit.ok()
        case EngineError() if not error.transient:
            # It answered, if only that the request was wrong.
            permit.ok()
        case _:
            # A stop, a deadline of the user's own, a mistake of ours, an answer that can't be read.
            permit.dropped()


def chance() -> float:
    """Return what spreads a cool-down."""
    return random.random()


def log_change(name: str, before: str, after: str, *, streak: int = 0, wait_ms: int = 0) -> None:
    """Log that a breaker has another state."""
    if before == after:
        return
    if after == "open":
        _logger.warning("breaker opened", breaker=name, before=before, failures=streak, probe_in_ms=wait_ms)
    elif after == "closed":
        _logger.info("breaker closed", breaker=name)
    else:
        _logger.info("breaker lets a probe through", breaker=name)
