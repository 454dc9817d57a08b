"""One thread a worker: hears cancel signals within milliseconds."""

from __future__ import annotations

import random
import threading

import structlog
from redis import Redis
from redis.exceptions import RedisError

from orchestrator.log.keys import Keys
from orchestrator.resilience.retry import next_delay_s
from orchestrator.resilience.stop_registry import StopRegistry

_logger = structlog.get_logger(__name__)


class CancelListener:
    """Subscribes to the cancel channel and stops what it names; what it misses, the heartbeat hears."""

    def __init__(self, redis: Redis, keys: Keys, stops: StopRegistry) -> None:
        self._redis = redis
        self._keys = keys
        self._stops = stops
        self._leave = threading.Event()
        self._thread = threading.Thread(target=self._run, name="cancel-listener", daemon=True)

    def start(self) -> None:
        """Begin to listen."""
        self._thread.start()

    def stop(self) -> None:
        """End the thread within a second."""
        self._leave.set()
        if self._thread.is_alive():
            self._thread.join(timeout=3)

    def _run(self) -> None:
        delay_s, rng = 0.1, random.Random()
        while not self._leave.is_set():
            try:
                self._listen()
                delay_s = 0.1
            except (RedisError, OSError) as exc:
                delay_s = next_delay_s(delay_s, base_s=0.1, cap_s=5, rng=rng)
                _logger.warning("cancel signals unheard", error=type(exc).__name__, retry_s=round(delay_s, 2))
                self._leave.wait(delay_s)
            except Exception:  # a background loop must survive
                _logger.exception("cancel listener failed")
                self._leave.wait(1)

    def _listen(self) -> None:
        # redis-py leaves `pubsub` untyped.
        with self._redis.pubsub(  # type: ignore[no-untyped-call]
            ignore_subscribe_messages=True
        ) as pubsub:
            pubsub.subscribe(self._keys.cancel())
            while not self._leave.is_set():
                message = pubsub.get_message(timeout=1.0)
                if message is not None and self._stops.stop(message["data"].decode()):
                    _logger.info("stop signalled", turn=message["data"].decode())
