"""Redis clients with bounded waits: a dead peer costs seconds, never for ever."""

from __future__ import annotations

from redis import Redis
from redis.asyncio import Redis as AsyncRedis
from redis.asyncio.retry import Retry as AsyncRetry
from redis.backoff import ConstantBackoff
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.retry import Retry

CONNECT_S, ANSWER_S = 1.0, 3.0


def sync_client(url: str) -> Redis:
    """Return a client for worker threads; one silent reconnect, as a pooled connection may be stale.

    Repeating a command is safe here: every append is idempotent by key or index.
    """
    return Redis.from_url(
        url,
        socket_timeout=ANSWER_S,
        socket_connect_timeout=CONNECT_S,
        socket_keepalive=True,
        retry=Retry(ConstantBackoff(0.02), 1),
        retry_on_error=[RedisConnectionError],
    )


def async_client(url: str) -> AsyncRedis:
    """Return a client for the gateway's loop, with the same bounds."""
    return AsyncRedis.from_url(
        url,
        socket_timeout=ANSWER_S,
        socket_connect_timeout=CONNECT_S,
        socket_keepalive=True,
        retry=AsyncRetry(ConstantBackoff(0.02), 1),
        retry_on_error=[RedisConnectionError],
    )
