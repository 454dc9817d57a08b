"""Dispatchers at work, and what they have sent, read from the broker."""

from __future__ import annotations

import base64
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import orjson
from redis import Redis

from orchestrator.control.dispatcher import Dispatcher
from orchestrator.log.keys import Keys
from tests.integration.core import kit
from tests.integration.core.kit import Person


@contextmanager
def at_work(*dispatchers: Dispatcher) -> Iterator[None]:
    """Let dispatchers run on threads of their own until the block ends."""
    threads = [threading.Thread(target=dispatcher.run) for dispatcher in dispatchers]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        for dispatcher in dispatchers:
            dispatcher.stop()
        for thread in threads:
            thread.join(timeout=30)


def until(true: Callable[[], object], limit_s: float = 10) -> float:
    """Wait until something holds and return the seconds it took.

    Raises:
        AssertionError: it did not in time.
    """
    began_s = time.monotonic()
    while not true():
        assert time.monotonic() - began_s < limit_s, "it did not happen in time"
        time.sleep(0.05)
    return time.monotonic() - began_s


def sent(redis: Redis, keys: Keys, queue: str) -> list[dict[str, Any]]:
    """Return the arguments of the messages in a queue, the oldest first."""
    raw: Any = redis.lrange(f"{keys.prefix}:broker:{queue}", 0, -1)
    bodies = [orjson.loads(base64.b64decode(orjson.loads(message)["body"])) for message in reversed(raw)]
    return [body[1] for body in bodies]


def listeners(redis: Redis, keys: Keys) -> int:
    """Return how many hear the wake-ups."""
    counted: Any = redis.pubsub_numsub(keys.wake())  # redis-py types replies as possibly awaitable
    return int(counted[0][1])


def sent_turns(redis: Redis, keys: Keys, queue: str) -> list[str]:
    """Return the turns whose messages are in a queue, the oldest first."""
    return [arguments["turn"] for arguments in sent(redis, keys, queue)]


def waiting_rest(anna: Person, *hops: str) -> str:
    """Return a turn that is classified and waits for room."""
    turn = kit.released(anna, route=None)
    kit.plan_rest(turn, kit.running(turn, "classify")["stage"], *hops, admitted=0)
    return turn
