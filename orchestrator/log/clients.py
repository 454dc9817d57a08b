"""Redis clients with bounded waits: a dead peer costs seconds, never for ever, and then only one call at a time.

Each command passes the breaker of this process before that server. While it is open commands fail at once with
`RedisRestsError`, which every caller already takes for a Redis that does not answer. Pipelines and subscriptions, which
few use, go without.
"""

from __future__ import annotations

from typing import Any, cast

from redis import Redis
from redis.asyncio import Redis as AsyncRedis
from redis.asyncio.connection import ConnectionPool as AsyncConnectionPool
from redis.asyncio.retry import Retry as AsyncRetry
from redis.backoff import ConstantBackoff
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import MaxConnectionsError, RedisError
from redis.exceptions import TimeoutError as RedisTimeoutError
from redis.retry import Retry

from orchestrator.errors import BreakerOpenError
from orchestrator.resilience.breaker import Permit
from orchestrator.resilience.breaker_local import LocalBreaker, of_store

CONNECT_S, ANSWER_S = 1.0, 3.0
#: A call that is out for so long while nobody gets an answer means that Redis is frozen or cut off.
SILENT_S = 1.0


class RedisRestsError(RedisConnectionError):
    """Redis was not asked: it failed too often just now."""


class _Guarded(Redis):
    """A client whose commands pass the breaker."""

    breaker: LocalBreaker

    def execute_command(self, *args: Any, **options: Any) -> Any:  # Any: as redis-py has it
        """Send one command.

        Raises:
            RedisRestsError: Redis is left alone for a moment.
            redis.exceptions.RedisError: it does not answer, or refuses.
        """
        permit = _permit(self.breaker)
        try:
            reply = super().execute_command(*args, **options)  # type: ignore[no-untyped-call]  # redis-py's
        except BaseException as exc:
            _settle(permit, exc)
            raise
        permit.ok()
        return reply


class _AsyncGuarded(AsyncRedis):
    """The same for an event loop."""

    breaker: LocalBreaker

    async def execute_command(self, *args: Any, **options: Any) -> Any:  # Any: as redis-py has it
        """Send one command; errors as for threads."""
        permit = _permit(self.breaker)
        try:
            reply = await super().execute_command(*args, **options)  # type: ignore[no-untyped-call]  # redis-py's
        except BaseException as exc:
            _settle(permit, exc)
            raise
        permit.ok()
        return reply


def sync_client(url: str) -> Redis:
    """Return a client for worker threads; one silent reconnect, as a pooled connection may be stale.

    Repeating a command is safe here: every append is idempotent by key or index. A command without an answer is not
    repeated: it has cost `ANSWER_S` already.
    """
    client = cast(  # redis-py promises its own class
        _Guarded,
        _Guarded.from_url(
            url,
            socket_timeout=ANSWER_S,
            socket_connect_timeout=CONNECT_S,
            socket_keepalive=True,
            retry=Retry(ConstantBackoff(0.02), 1, supported_errors=(RedisConnectionError,)),
        ),
    )
    client.breaker = _breaker(client.connection_pool.connection_kwargs)
    return client


def async_client(url: str) -> AsyncRedis:
    """Return a client for the gateway's loop, with the same bounds."""
    return async_guarded(
        AsyncConnectionPool.from_url(
            url,
            socket_timeout=ANSWER_S,
            socket_connect_timeout=CONNECT_S,
            socket_keepalive=True,
            retry=AsyncRetry(ConstantBackoff(0.02), 1, supported_errors=(RedisConnectionError,)),
        )
    )


def async_guarded(pool: AsyncConnectionPool) -> AsyncRedis:
    """Return a client over a pool of the caller's own making, which it closes with it."""
    client = cast(_AsyncGuarded, _AsyncGuarded.from_pool(pool))  # as above
    client.breaker = _breaker(pool.connection_kwargs)
    return client


def _breaker(where: dict[str, Any]) -> LocalBreaker:
    place = where.get("path") or f"{where.get('host', 'localhost')}:{where.get('port', 6379)}"
    return of_store(f"redis {place}", dependency="redis", silent_s=SILENT_S)


def _permit(breaker: LocalBreaker) -> Permit:
    try:
        return breaker.enter()
    except BreakerOpenError as exc:
        raise RedisRestsError(str(exc)) from exc


def _settle(permit: Permit, error: BaseException) -> None:
    match error:
        case MaxConnectionsError() | RedisConnectionError(args=("No connection available.",)):
            # Our own pool, which says nothing about the server. The one that waits has no class for it.
            permit.dropped()
        case RedisConnectionError() | RedisTimeoutError() | OSError():
            permit.failed()
        case RedisError():
            permit.ok()
        case _:
            permit.dropped()
