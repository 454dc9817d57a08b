"""A TCP proxy whose links can be slowed, cut and half-opened while they carry traffic.

All links of a `Proxies` live on one event loop in a thread of its own, so that what the drill itself does never
delays them by more than the interpreter's lock. Methods may be called from any thread and have taken effect when they
return.
"""

from __future__ import annotations

import asyncio
import random
import socket
import struct
import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from types import TracebackType
from typing import Final, Literal, Self, TypeVar

#: `up`: what the client sends to the server; `down`: the answers.
Direction = Literal["up", "down"]
BOTH: Final[tuple[Direction, ...]] = ("up", "down")
_T = TypeVar("_T")
#: Bytes that wait in one direction before the sender is held up, as a router's buffer would.
_HIGH_WATER = 256 * 1024
_TICK_S = 0.05
#: SO_LINGER with no time: closing sends RST instead of FIN.
_RESET = struct.pack("ii", 1, 0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """What a link does to the bytes; the default passes them at once."""

    delay_s: float = 0.0
    jitter_s: float = 0.0
    #: 0: as fast as it goes.
    bytes_per_s: int = 0
    #: Directions that pass nothing now and everything later: a router that comes back.
    holds: frozenset[Direction] = frozenset()
    #: Directions that lose what is sent while connections stay open: a router that has forgotten them.
    swallows: frozenset[Direction] = frozenset()
    refuses: bool = False


PASS = Shape()


@dataclass(slots=True)
class Counters:
    """What went over one link so far."""

    accepted: int = 0
    open: int = 0
    #: Connections ended by a fault.
    reset: int = 0
    up_bytes: int = 0
    down_bytes: int = 0
    swallowed_bytes: int = 0


class Link:
    """One listening port and where it leads."""

    def __init__(self, loop: asyncio.AbstractEventLoop, name: str, port: int, target: int, seed: int) -> None:
        self.name, self.port = name, port
        self._loop, self._target = loop, target
        self._rng = random.Random(seed)
        self._shape = PASS
        self._counters = Counters()
        self._connections: set[_Connection] = set()
        self._listener: socket.socket | None = None

    @property
    def shape(self) -> Shape:
        """What it does now."""
        return self._shape

    def counters(self) -> Counters:
        """Return the counters as they are now."""
        return self._call(lambda: replace(self._counters, open=len(self._connections)))

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
            self._counters.accepted += 1
            connection = _Connection(self, near)
            self._connections.add(connection)
            connection.begin()

    def _change(self, shape: Shape) -> None:
        self._shape = shape
        if shape.refuses:
            self._stop_listening()
        elif self._listener is None:
            self._listen()
        for connection in list(self._connections):
            if connection.lost_bytes and not shape.swallows:
                self._counters.reset += 1
                connection.reset()
            else:
                connection.pump()

    def _reset_all(self) -> int:
        count = len(self._connections)
        for connection in list(self._connections):
            connection.reset()
        self._counters.reset += count
        return count

    def _close(self) -> None:
        self._stop_listening()
        self._reset_all()


class _Connection:
    """A client's socket, the server's, and the two directions between them."""

    def __init__(self, link: Link, near: socket.socket) -> None:
        self.link = link
        #: Some bytes, or the end, were swallowed: the two peers no longer agree.
        self.lost_bytes = False
        self.pipes: dict[Direction, _Pipe] = {way: _Pipe(self, way) for way in BOTH}
        self._near = near
        self._opening: asyncio.Task[None] | None = None
        self._ended = False

    def begin(self) -> None:
        self._opening = self.link._loop.create_task(self._open())

    async def _open(self) -> None:
        loop = self.link._loop
        up, down = self.pipes["up"], self.pipes["down"]
        try:
            if not self.link.shape.swallows:
                far, _ = await loop.create_connection(lambda: _End(down, up), "127.0.0.1", self.link._target)
                down.source = up.sink = far
            else:
                self.lost_bytes = True
            near, _ = await loop.connect_accepted_socket(lambda: _End(up, down), self._near)
        except OSError:
            self.reset()
            return
        up.source = down.sink = near
        self.pump()

    def pump(self) -> None:
        for pipe in self.pipes.values():
            pipe.pump()

    def reset(self) -> None:
        """End both sides with RST."""
        if self._ended:
            return
        self._ended = True
        self.link._connections.discard(self)
        if self._opening is not None and not self._opening.done():
            self._opening.cancel()
        for pipe in self.pipes.values():
            pipe.close()
        _abort(self._near)
        if self.pipes["up"].source is None:
            self._near.close()
        for pipe in self.pipes.values():
            if pipe.source is not None:
                _abort(pipe.source.get_extra_info("socket"))
                pipe.source.abort()

    def finish(self) -> None:
        """End in order once both directions have passed their end on."""
        if not self._ended and all(pipe.finished for pipe in self.pipes.values()):
            self._ended = True
            self.link._connections.discard(self)
            for pipe in self.pipes.values():
                pipe.close()
                if pipe.source is not None:
                    pipe.source.close()


@dataclass(slots=True, eq=False)
class _Pipe:
    """One direction of one connection."""

    connection: _Connection
    way: Direction
    source: asyncio.Transport | None = None
    sink: asyncio.Transport | None = None
    finished: bool = False
    #: (when it is due, the bytes); None for the end.
    _queue: deque[tuple[float, bytes | None]] = field(default_factory=deque)
    _queued_bytes: int = 0
    _last_due: float = 0.0
    _timer: asyncio.TimerHandle | None = None
    _held_up: bool = False
    sink_full: bool = False

    def feed(self, chunk: bytes | None) -> None:
        """Take what the source sent; None is its end."""
        link, shape = self.connection.link, self.connection.link.shape
        size = len(chunk) if chunk else 0
        if self.way in shape.swallows:
            link._counters.swallowed_bytes += size
            self.connection.lost_bytes = True
            return
        if self.way == "up":
            link._counters.up_bytes += size
        else:
            link._counters.down_bytes += size
        now = link._loop.time()
        wanted = now + shape.delay_s + (link._rng.uniform(0, shape.jitter_s) if shape.jitter_s else 0.0)
        self._last_due = max(wanted, self._last_due)
        self._queue.append((self._last_due, chunk))
        self._queued_bytes += size
        self.pump()

    def pump(self) -> None:
        """Pass on what is due."""
        if self.sink is None or self.finished:
            return
        self._cancel_timer()
        link, shape = self.connection.link, self.connection.link.shape
        while self._queue and self.way not in shape.holds:
            due, chunk = self._queue[0]
            if due > link._loop.time() and shape.delay_s:
                self._timer = link._loop.call_at(due, self.pump)
                break
            if chunk is None:
                self._queue.popleft()
                self._end()
                return
            if shape.bytes_per_s:
                most = max(1, int(shape.bytes_per_s * _TICK_S))
                self._take(chunk[:most], rest=chunk[most:])
                self._timer = link._loop.call_later(_TICK_S, self.pump)
                break
            self._take(chunk, rest=b"")
        self.hold_up()

    def hold_up(self) -> None:
        """Stop or go on reading, by how much waits."""
        wanted = self._queued_bytes > _HIGH_WATER or self.sink_full
        if self.source is not None and wanted is not self._held_up and not self.source.is_closing():
            self._held_up = wanted
            (self.source.pause_reading if wanted else self.source.resume_reading)()

    def close(self) -> None:
        self.finished = True
        self._queue.clear()
        self._cancel_timer()

    def _take(self, chunk: bytes, *, rest: bytes) -> None:
        due, _ = self._queue.popleft()
        if rest:
            self._queue.appendleft((due, rest))
        self._queued_bytes -= len(chunk)
        if self.sink is not None and not self.sink.is_closing():
            self.sink.write(chunk)

    def _end(self) -> None:
        self.finished = True
        try:
            if self.sink is not None and not self.sink.is_closing():
                self.sink.write_eof()
        except OSError:  # the other side is gone too, and nobody has told us yet
            self.connection.reset()
        self.connection.finish()

    def _cancel_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


class _End(asyncio.Protocol):
    """One socket: what it reads goes into one pipe, what it writes comes from the other."""

    def __init__(self, reads_into: _Pipe, writes_from: _Pipe) -> None:
        self._out, self._back = reads_into, writes_from
        self._said_end = False

    def data_received(self, data: bytes) -> None:
        self._out.feed(data)

    def eof_received(self) -> bool:
        self._say_end()
        return True

    def connection_lost(self, exc: Exception | None) -> None:
        link = self._out.connection.link
        if exc is not None and self._out.way not in link.shape.swallows | link.shape.holds:
            self._out.connection.reset()  # a reset is passed on as one
            return
        self._say_end()
        # Nothing more can be written here either.
        if not self._back.finished:
            self._back.close()
            self._back.connection.finish()

    def pause_writing(self) -> None:
        self._back.sink_full = True
        self._back.hold_up()

    def resume_writing(self) -> None:
        self._back.sink_full = False
        self._back.hold_up()

    def _say_end(self) -> None:
        if not self._said_end:
            self._said_end = True
            self._out.feed(None)


def _abort(end: socket.socket) -> None:
    try:
        end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
    except OSError:
        return


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
