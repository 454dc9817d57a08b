"""The leader's second thread: ends, takes over, puts back and tells, once a second.

It publishes nothing: what is to run again is left waiting for the release.
"""

from __future__ import annotations

import random
import threading
import time

import structlog
from redis import Redis
from redis.exceptions import RedisError

from orchestrator.automation.ingestion import give_up
from orchestrator.chat.wake import wake_dispatcher
from orchestrator.control.judge import Judge
from orchestrator.control.leader import Leader
from orchestrator.control.relay import relay
from orchestrator.control.sweep import close_left_over, end_overdue, put_back_unclaimed, recover_jobs, take_over
from orchestrator.control.waiting import Waiting
from orchestrator.errors import DependencyDownError
from orchestrator.log.keys import Keys
from orchestrator.log.writer import LogWriter

SWEEP_S = 1.0
_logger = structlog.get_logger(__name__)


class Sweeper:
    """Sweeps while its leader leads."""

    def __init__(self, leader: Leader, writer: LogWriter, redis: Redis, keys: Keys) -> None:
        self._leader = leader
        self._writer = writer
        self._redis = redis
        self._keys = keys
        self._waiting = Waiting(writer)
        self.judge = Judge()
        self._rng = random.Random()
        self._leave = threading.Event()
        self._thread = threading.Thread(target=self._run, name="sweeper", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """End after the sweep that runs."""
        self._leave.set()
        if self._thread.is_alive():
            self._thread.join(timeout=5)

    def _run(self) -> None:
        while not self._leave.wait(SWEEP_S):
            if not self._leader.leading:
                self.judge.lose_sight()
                continue
            try:
                self.sweep()
            except (DependencyDownError, RedisError, OSError) as exc:
                _logger.warning("sweep failed", error=type(exc).__name__, reason=str(exc)[:200])
            except Exception:  # a background loop must survive
                _logger.exception("sweep failed")

    def sweep(self) -> None:
        """End what is overdue, free and take over what the dead hold, tell who waits, relay endings.

        What PostgreSQL alone can do comes first: deadlines pass whether or not Redis answers.

        Raises:
            DependencyDownError, redis.exceptions.RedisError: a store does not answer.
        """
        try:
            judge = self.judge.may_judge(time.monotonic())
            end_overdue(self._writer, judge=judge)
            close_left_over()
            again = take_over(self._writer) if judge else 0
            again += put_back_unclaimed()
            if judge:
                recover_jobs()
                give_up()
            self.judge.saw(time.monotonic())
        except BaseException:
            self.judge.lose_sight()
            raise
        if again:
            wake_dispatcher(self._redis, self._keys)
        relay(self._writer, self._rng)
        self._waiting.tell()
