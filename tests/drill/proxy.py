"""A TCP proxy whose links can be slowed, cut and half-opened while they carry traffic.

All links of a `Proxies` live on one event loop in a thread of its own, so that what the drill itself does never
delays them by more than the interpreter's lock. Methods may be called from any thread and have taken effect when they
return.
"""

from __future__ import annotations

import asyncio
import random
import socket
import threading
from collections.abc import Callable
from dataclasses import replace
from types import TracebackType
from typing import Self, TypeVar

from tests.drill.proxy_connection import BOTH, PASS, Connection, Counters, Direction, Road, Shape

_T = TypeVar("_T")


class Link:
    """One listening port and where it leads."""

    def __init__(self, loop: asyncio.AbstractEventLoop, name: str, port: int, target: int, seed: int) -> None:
        self.name, self.port = name, port
        self._loop = loop
        self._road = Road(loop=loop, target=target, rng=random.Random(seed))
        self._listener: socket.socket | None = None

    @property
    def shape(self) -> Shape:
        """What it does now."""
        return self._road.shape

    def counters(self) -> Counters:
        """Return the counters as they are now."""
        return self._call(lambda: replace(self._road.counters, open=len(self._road.connections)))

    def pass_(self) -> None:
        """Pass everything at once again; connections that lost bytes are reset, as their peers would reset them."""
        self._call(lambda: self._change(PASS))

    def delay(self, delay_ms: float, jitter_ms: float = 0.0) -> None:
        """Let every piece arrive later by `delay_ms` and at most `jitter_ms` more, in order."""
        self._call(lambda: self._change(Shape(delay_s=delay_ms / 1000, jitter_s=jitter_ms / 1000)))

    def trickle(self, bytes_per_s: int) -> None:
        """Pass so little in each direction of each connection."""
        self._call(lambda: self._change(Shape(bytes_per_s=bytes_per_s)))

    def half_open(self, *directions: Direction) -> None:
        """Take connections and bytes and pass on nothing, in both directions or the one named."""
        self._call(lambda: self._change(Shape(swallows=frozenset(directions or BOTH))))

    def hold(self, *directions: Direction) -> None:
        """Pass nothing now; what was sent arrives after `pass_`."""
        self._call(lambda: self._change(Shape(holds=frozenset(directions or BOTH))))

    def refuse(self) -> None:
        """Refuse new connections, as a port without a listener; those there are live on."""
        self._call(lambda: self._change(Shape(refuses=True)))

    def cut(self) -> int:
        """Reset every connection there is and return how many; new ones are taken as before."""
        return self._call(self._reset_all)

    def _call(self, act: Callable[[], _T]) -> _T:
        async def run() -> _T:
            return act()

        return asyncio.run_coroutine_threadsafe(run(), self._loop).result(10)

    def _listen(self) -> None:
        listener = socket.create_server(("127.0.0.1", self.port), backlog=256)
        listener.setblocking(False)
        self._listener = listener
        self._loop.add_reader(listener, self._accept)

    def _stop_listening(self) -> None:
        if self._listener is not None:
            self._loop.remove_reader(self._listener)
            self._listener.close()
            self._listener = None

    def _accept(self) -> None:
        while self._listener is not None:
            try:
                near, _ = self._listener.accept()
            except OSError:
                return
            near.setblocking(False)
            near.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._road.counters.accepted += 1
            connection = Connection(self._road, near)
            self._road.connections.add(connection)
            connection.begin()

    def _change(self, shape: Shape) -> None:
        self._road.shape = shape
        if shape.refuses:
            self._stop_listening()
        elif self._listener is None:
            self._listen()
        for connection in list(self._road.connections):
            if connection.lost_bytes and not shape.swallows:
                self._road.counters.reset += 1
                connection.reset()
            else:
                connection.pump()

    def _reset_all(self) -> int:
        count = len(self._road.connections)
        for connection in list(self._road.connections):
            connection.reset()
        self._road.counters.reset += count
        return count

    def _close(self) -> None:
        self._stop_listening()
        self._reset_all()


class Proxies:
    """The links of one world and the thread they live in; a context manager."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="proxies", daemon=True)
        self._links: dict[str, Link] = {}

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for link in self._links.values():
            link._call(link._close)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(5)

    def link(self, name: str, *, port: int, target: int) -> Link:
        """Open a link from `port` to `target`, both of this machine."""
        made = Link(self._loop, name, port, target, seed=len(self._links))
        made._call(made._listen)
        self._links[name] = made
        return made
