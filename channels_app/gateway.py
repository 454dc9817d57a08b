"""What all sockets of one process share, and what runs beside them.

Made at the first use inside the event loop, as daphne knows no start-up hook;
the launcher begins, drains and closes it.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections import defaultdict
from collections.abc import Coroutine
from typing import TYPE_CHECKING, Any

import structlog
from django.conf import settings
from redis.asyncio import BlockingConnectionPool, Redis

from channels_app import frames
from channels_app.auth import Authenticator
from channels_app.commands import Caller, Commands
from channels_app.delivery import Hub
from channels_app.executor import Executor
from channels_app.presence import RENEW_S, Presence
from orchestrator.errors import OrchestratorError
from orchestrator.log.clients import async_guarded
from orchestrator.log.keys import Keys
from orchestrator.log.reader import LogReader
from orchestrator.resilience.rate_limit import RateLimiter
from orchestrator.store.watching import watch_orm
from orchestrator.tenants import revocations

if TYPE_CHECKING:
    from channels_app.api.streaming import TurnStream
    from channels_app.consumer import Socket

#: Contract: user tokens are checked again every 5 minutes.
RECHECK_S = 300.0
#: While nobody can tell us of revocations, ask: a revoked token's sockets close within 5 s.
_ASK_S = 3.0
_ORM_THREADS = 2
#: The hubs of all gateways are back within this, once Redis is.
_JUDGE_AFTER_S = 10.0
_SLICE = 200
_CANCELS = 4

log = structlog.get_logger(__name__)


class Gateway:
    """The process' clients, threads, hub and timers, and its sockets."""

    def __init__(self, *, replica: str) -> None:
        environment = settings.SWITCHYARD
        self.replica = replica
        self.keys = Keys(environment.key_prefix)
        self.redis = _client(environment.redis_url.get_secret_value())
        self.reader = LogReader(self.redis, self.keys)
        self.executor = Executor("rows", threads=environment.database_pool)
        #: For calls through Django's ORM: each of its threads holds a connection.
        self.orm = Executor("orm", threads=_ORM_THREADS)
        self.commands = Commands(self.reader, self.redis, self.keys, self.executor)
        self.hub = Hub(self.redis, self.reader, self.keys)
        self.limiter = RateLimiter(self.redis, environment.key_prefix)
        self.presence = Presence(self.redis, environment.key_prefix)
        self.authenticator = Authenticator(self.redis, environment.key_prefix, self.orm)
        self.sockets: set[Socket] = set()
        #: Answers that are under way as Server-Sent Events.
        self.streams: set[TurnStream] = set()
        #: Set when the process is told to stop.
        self.draining = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()
        self._ask_at = 0.0
        self._judge_at = float("inf")

    def start(self) -> None:
        """Begin to listen, tick and look after leases; called inside the event loop."""
        watch_orm()
        self.hub.listen(revocations.channel(self.keys.prefix), self._on_revoked)
        self.hub.after_connecting(lambda: self.spawn(self._ask_revoked()))
        self.hub.after_connecting(self._claim_leases)
        for loop in (self.hub.run(), self._tick_for_ever(), self._renew_for_ever(), self._desert_for_ever()):
            self.spawn(loop)

    def spawn(self, work: Coroutine[Any, Any, None]) -> None:
        """Run `work` beside the sockets; it is cancelled with the gateway."""
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def close(self) -> None:
        """Cancel what runs, give the connections back."""
        # redis-py sends through `asyncio.wait_for`, which up to Python 3.11 swallows a cancellation now and then.
        for _ in range(_CANCELS):
            for task in list(self._tasks):
                task.cancel()
            if not self._tasks or not (await asyncio.wait(list(self._tasks), timeout=0.5))[1]:
                break
        else:
            log.warning("left running", tasks=[task.get_name() for task in self._tasks])
        self.executor.close()
        self.orm.close()
        await self.redis.aclose(close_connection_pool=True)

    # --- time ---

    async def _tick_for_ever(self) -> None:
        while True:
            await asyncio.sleep(1.0)
            now = time.monotonic()
            try:
                due = [socket for socket in self.sockets if socket.recheck_at <= now]
                for number, socket in enumerate(list(self.sockets)):
                    socket.tick(now)
                    if number % _SLICE == _SLICE - 1:
                        await asyncio.sleep(0)
                for socket in due:
                    socket.recheck_at = now + RECHECK_S * random.uniform(0.9, 1.1)
                    self.spawn(self._recheck(socket))
                if not self.hub.connected and now >= self._ask_at:
                    self._ask_at = now + _ASK_S
                    self.spawn(self._ask_revoked())
            except Exception:  # a background loop must survive what nobody thought of
                log.exception("tick failed")

    async def _recheck(self, socket: Socket) -> None:
        if not await self.authenticator.check(socket.identity):
            socket.end(frames.TOKEN_INVALID)

    # --- revocations ---

    def _on_revoked(self, body: bytes) -> None:
        jti = body.decode("ascii", "replace")
        for socket in list(self.sockets):
            if socket.identity.claims.jti == jti:
                socket.end(frames.TOKEN_INVALID)

    async def _ask_revoked(self) -> None:
        by_jti: defaultdict[str, list[Socket]] = defaultdict(list)
        for socket in self.sockets:
            by_jti[socket.identity.claims.jti].append(socket)
        jtis = list(by_jti)
        try:
            for start in range(0, len(jtis), _SLICE):
                for jti in await self.authenticator.revoked_among(jtis[start : start + _SLICE]):
                    for socket in by_jti[jti]:
                        socket.end(frames.TOKEN_INVALID)
        except OrchestratorError as exc:
            log.warning("revocations unknown", reason=str(exc))

    # --- presence ---

    def _claim_leases(self) -> None:
        # Redis may have been away for longer than a lease: before anybody is taken for gone, all say who is here.
        self._judge_at = time.monotonic() + _JUDGE_AFTER_S
        self.spawn(self._renew())

    async def _renew_for_ever(self) -> None:
        while True:
            await asyncio.sleep(RENEW_S * random.uniform(0.8, 1.0))
            await self._renew()

    async def _renew(self) -> None:
        try:
            sockets = list(self.sockets)
            places = [(s.identity.claims.user, s.id, s.place) for s in sockets if s.place is not None]
            await self.presence.renew(places, [seat for socket in sockets for seat in socket.seats.values()])
        except Exception:  # a background loop must survive what nobody thought of
            log.exception("leases not renewed")

    async def _desert_for_ever(self) -> None:
        while True:
            await asyncio.sleep(random.uniform(0.8, 1.2))
            if not self.hub.connected or time.monotonic() < self._judge_at:
                continue
            try:
                for left in await self.presence.deserted():
                    caller = Caller(tenant=left.tenant, user=left.user, language="en")
                    try:
                        stopped = await self.commands.cancel_open_turns(caller, left.conversation)
                        log.info("deserted", conversation=left.conversation, stopped=stopped)
                    except OrchestratorError as exc:
                        log.warning("turns not stopped", conversation=left.conversation, reason=exc.code)
                        if exc.retryable:
                            continue
                    await self.presence.settled(left)
            except Exception:  # a background loop must survive what nobody thought of
                log.exception("deserted conversations not looked at")


def _client(url: str) -> Redis:
    pool = BlockingConnectionPool.from_url(
        url,
        max_connections=64,
        timeout=2,
        protocol=2,  # the hub reads replies itself
        socket_timeout=5,
        socket_connect_timeout=2,
        socket_keepalive=True,
        health_check_interval=30,
    )
    return async_guarded(pool)


_current: dict[asyncio.AbstractEventLoop, Gateway] = {}


def gateway() -> Gateway:
    """Return this event loop's gateway, started at the first call."""
    loop = asyncio.get_running_loop()
    found = _current.get(loop)
    if found is None:
        found = _current[loop] = Gateway(replica=REPLICA.name)
        found.start()
    return found


async def close_gateway() -> None:
    """Close this event loop's gateway, if there is one."""
    found = _current.pop(asyncio.get_running_loop(), None)
    if found is not None:
        await found.close()


class _Replica:
    """How this process calls itself; the launcher sets it."""

    name = "gateway-0"


REPLICA = _Replica()
