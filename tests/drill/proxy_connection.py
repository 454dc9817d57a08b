"""One connection over a bent link: what of it is passed on, when, and how it ends."""

from __future__ import annotations

import asyncio
import random
import socket
import struct
from collections import deque
from dataclasses import dataclass, field
from typing import Final, Literal

#: `up`: what the client sends to the server; `down`: the answers.
Direction = Literal["up", "down"]
BOTH: Final[tuple[Direction, ...]] = ("up", "down")
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


@dataclass(slots=True, kw_only=True)
class Road:
    """What all connections of a link share."""

    loop: asyncio.AbstractEventLoop
    target: int
    rng: random.Random
    shape: Shape = PASS
    counters: Counters = field(default_factory=Counters)
    connections: set[Connection] = field(default_factory=set)


class Connection:
    """A client's socket, the server's, and the two directions between them."""

    def __init__(self, road: Road, near: socket.socket) -> None:
        self.road = road
        #: Some bytes, or the end, were swallowed: the two peers no longer agree.
        self.lost_bytes = False
        self.pipes: dict[Direction, _Pipe] = {way: _Pipe(self, way) for way in BOTH}
        self._near = near
        self._opening: asyncio.Task[None] | None = None
        self._ended = False

    def begin(self) -> None:
        self._opening = self.road.loop.create_task(self._open())

    async def _open(self) -> None:
        loop = self.road.loop
        up, down = self.pipes["up"], self.pipes["down"]
        try:
            if not self.road.shape.swallows:
                far, _ = await loop.create_connection(lambda: _End(down, up), "127.0.0.1", self.road.target)
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
        self.road.connections.discard(self)
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
            self.road.connections.discard(self)
            for pipe in self.pipes.values():
                pipe.close()
                if pipe.source is not None:
                    pipe.source.close()


@dataclass(slots=True, eq=False)
class _Pipe:
    """One direction of one connection."""

    connection: Connection
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
        road, shape = self.connection.road, self.connection.road.shape
        size = len(chunk) if chunk else 0
        if self.way in shape.swallows:
            road.counters.swallowed_bytes += size
            self.connection.lost_bytes = True
            return
        if self.way == "up":
            road.counters.up_bytes += size
        else:
            road.counters.down_bytes += size
        now = road.loop.time()
        wanted = now + shape.delay_s + (road.rng.uniform(0, shape.jitter_s) if shape.jitter_s else 0.0)
        self._last_due = max(wanted, self._last_due)
        self._queue.append((self._last_due, chunk))
        self._queued_bytes += size
        self.pump()

    def pump(self) -> None:
        """Pass on what is due."""
        if self.sink is None or self.finished:
            return
        self._cancel_timer()
        road, shape = self.connection.road, self.connection.road.shape
        while self._queue and self.way not in shape.holds:
            due, chunk = self._queue[0]
            if due > road.loop.time() and shape.delay_s:
                self._timer = road.loop.call_at(due, self.pump)
                break
            if chunk is None:
                self._queue.popleft()
                self._end()
                return
            if shape.bytes_per_s:
                most = max(1, int(shape.bytes_per_s * _TICK_S))
                self._take(chunk[:most], rest=chunk[most:])
                self._timer = road.loop.call_later(_TICK_S, self.pump)
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
        road = self._out.connection.road
        if exc is not None and self._out.way not in road.shape.swallows | road.shape.holds:
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
