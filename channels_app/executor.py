"""The gateway's own threads for synchronous calls, bounded: the event loop never waits for a row."""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import ParamSpec, TypeVar

from django.db import DatabaseError, InterfaceError, close_old_connections

from orchestrator.errors import StoreDownError

P = ParamSpec("P")
R = TypeVar("R")

#: Calls that may wait for a thread; one more is refused, as its caller would have given up before its turn.
_WAITING = 512
_LIMIT_S = 20.0


class Executor:
    """Runs synchronous calls in a fixed number of threads, with the caller's context variables."""

    def __init__(self, name: str, *, threads: int, limit_s: float = _LIMIT_S) -> None:
        self._pool = ThreadPoolExecutor(max_workers=threads, thread_name_prefix=name)
        self._limit_s = limit_s
        self._pending = 0

    async def run(self, call: Callable[P, R], /, *args: P.args, **kwargs: P.kwargs) -> R:
        """Return what `call` returns.

        A caller that gives up leaves the call running: what it commits is found again by its idempotency key.

        Raises:
            StoreDownError: too many calls wait, or this one took too long.
        """
        if self._pending >= _WAITING:
            raise StoreDownError("too many calls wait for a thread", dependency="database")
        self._pending += 1
        context = contextvars.copy_context()
        future = asyncio.get_running_loop().run_in_executor(
            self._pool, partial(context.run, partial(call, *args, **kwargs))
        )
        future.add_done_callback(self._done)
        try:
            async with asyncio.timeout(self._limit_s):
                return await asyncio.shield(future)
        except TimeoutError as exc:
            raise StoreDownError(f"no answer in {self._limit_s:g} s", dependency="database") from exc

    def _done(self, future: asyncio.Future[R]) -> None:
        self._pending -= 1
        # Whoever gave up doesn't ask for the exception, and asyncio would complain about that.
        if not future.cancelled():
            future.exception()

    async def run_orm(self, call: Callable[P, R], /, *args: P.args, **kwargs: P.kwargs) -> R:
        """Return what `call` returns, for calls that use Django's ORM and so its connection of the thread.

        Raises:
            StoreDownError: PostgreSQL does not answer, or as for `run`.
        """
        return await self.run(partial(_with_orm, partial(call, *args, **kwargs)))

    def close(self) -> None:
        """Let the threads end; what is running is not waited for."""
        self._pool.shutdown(wait=False, cancel_futures=True)


def _with_orm(call: Callable[[], R]) -> R:
    close_old_connections()
    try:
        return call()
    except (DatabaseError, InterfaceError) as exc:
        raise StoreDownError(f"PostgreSQL: {type(exc).__name__}", dependency="database") from exc
