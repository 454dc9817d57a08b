"""What one worker process shares between its stages: the log, the stops, its own identity."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field

from django.conf import settings
from redis import Redis

from orchestrator import ids
from orchestrator.log.clients import sync_client
from orchestrator.log.flusher import Flusher
from orchestrator.log.keys import Keys
from orchestrator.log.writer import LogWriter
from orchestrator.resilience.retry_budget import RetryBudgets
from orchestrator.resilience.stop_registry import StopRegistry


@dataclass(frozen=True, slots=True, kw_only=True)
class Runtime:
    """Made once a process, after any fork."""

    #: Random at each start; stages are owned under it.
    incarnation: str
    #: What users and operators read, for example `worker-sql-0@host`.
    worker: str
    redis: Redis
    keys: Keys
    writer: LogWriter
    flusher: Flusher
    stops: StopRegistry = field(default_factory=StopRegistry)
    retries: RetryBudgets = field(default_factory=RetryBudgets)


_lock = threading.Lock()
_runtime: Runtime | None = None


def start(worker: str) -> Runtime:
    """Make this process' runtime; a second call gives the first one's."""
    global _runtime  # noqa: PLW0603 - one runtime a process is the point
    with _lock:
        if _runtime is None:
            environment = settings.SWITCHYARD
            redis = sync_client(environment.redis_url.get_secret_value())
            keys = Keys(environment.key_prefix)
            _runtime = Runtime(
                incarnation=ids.new_id("inc"),
                worker=worker,
                redis=redis,
                keys=keys,
                writer=LogWriter(redis, keys),
                flusher=Flusher(environment.delta_ms / 1000),
            )
        return _runtime


def current() -> Runtime:
    """Return the runtime that `start` made.

    Raises:
        RuntimeError: nobody called `start`.
    """
    if _runtime is None:
        raise RuntimeError("runtime.start() was not called in this process")
    return _runtime
