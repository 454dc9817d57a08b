"""Signals that only hasten what a row already says; losing one costs a poll's wait, never a turn."""

from __future__ import annotations

from redis import Redis
from redis.exceptions import RedisError

from orchestrator.log.keys import Keys


def wake_dispatcher(redis: Redis, keys: Keys) -> bool:
    """Tell the dispatcher that something waits; False when Redis is away, and its poll will find it."""
    try:
        redis.publish(keys.wake(), b"1")
    except RedisError:
        return False
    return True


def signal_cancel(redis: Redis, keys: Keys, turn: str) -> bool:
    """Tell the workers that a turn or job is to stop; False when Redis is away, and their heartbeat will find it."""
    try:
        redis.publish(keys.cancel(), turn.encode())
    except RedisError:
        return False
    return True
