"""One request to a language model's server: its socket can be cut from another thread, its bytes are counted."""

from __future__ import annotations

import ipaddress
import socket
import threading
from collections.abc import Iterator, Mapping

import httpx2
import openai
from httpcore2 import NetworkStream

#: A stream of tokens is far below this; a broken server that sends one endless line is not.
MAX_RESPONSE_BYTES = 8_000_000


class ResponseTooBigError(Exception):
    """The server sent more than `MAX_RESPONSE_BYTES` for one answer."""


class Call:
    """The socket of one request, from its connect on."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._sockets: list[socket.socket] = []
        self._cut = False
        #: The response's body was read to its end.
        self.ended = False

    def attach(self, stream: NetworkStream) -> None:
        """Take note of a freshly opened connection; one that was cut meanwhile is closed at once."""
        found = stream.get_extra_info("socket")
        if not isinstance(found, socket.socket):
            return
        with self._lock:
            self._sockets.append(found)
            if self._cut:
                _shut(found)

    def cut(self) -> None:
        """End the request now, from any thread; the server sees the disconnect. Repeating it does nothing."""
        with self._lock:
            self._cut = True
            for found in self._sockets:
                _shut(found)
            self._sockets.clear()


def _shut(found: socket.socket) -> None:
    try:
        # `close` would not wake a thread that is blocked in `recv` on it, `shutdown` does. The base class's method,
        # because SSLSocket's own also drops the TLS object under the reading thread's feet.
        socket.socket.shutdown(found, socket.SHUT_RDWR)
    except OSError:
        # Closed or never connected: what was wanted.
        return


class _Counted(httpx2.SyncByteStream):
    """A response's body that refuses to grow without end and says when it ended."""

    def __init__(self, body: httpx2.SyncByteStream, call: Call) -> None:
        self._body = body
        self._call = call

    def __iter__(self) -> Iterator[bytes]:
        seen = 0
        for part in self._body:
            seen += len(part)
            if seen > MAX_RESPONSE_BYTES:
                raise ResponseTooBigError(f"more than {MAX_RESPONSE_BYTES} bytes")
            yield part
        self._call.ended = True

    def close(self) -> None:
        self._body.close()


#: The call that the current thread is making: the HTTP client offers no other way from a request to its socket.
_current = threading.local()


def enter(call: Call) -> None:
    """Make `call` the one that this thread's next request belongs to."""
    _current.call = call


def _before(request: httpx2.Request) -> None:
    call: Call | None = getattr(_current, "call", None)
    if call is None:
        return

    def trace(name: str, info: Mapping[str, object]) -> None:
        opened = info.get("return_value")
        if name.endswith((".connect_tcp.complete", ".start_tls.complete")) and isinstance(opened, NetworkStream):
            call.attach(opened)

    request.extensions = {**request.extensions, "trace": trace}


def _after(response: httpx2.Response) -> None:
    call: Call | None = getattr(_current, "call", None)
    if call is not None and isinstance(response.stream, httpx2.SyncByteStream):
        response.stream = _Counted(response.stream, call)


def http_client(base_url: str, *, connect_s: float, read_s: float) -> httpx2.Client:
    """Return a client that opens one connection a request, so that cutting one can hurt no other.

    A proxy from the environment is used except for addresses of this machine.
    """
    return openai.DefaultHttpxClient(
        timeout=httpx2.Timeout(connect=connect_s, read=read_s, write=10.0, pool=None),
        limits=httpx2.Limits(max_connections=None, max_keepalive_connections=0),
        event_hooks={"request": [_before], "response": [_after]},
        trust_env=not is_local(base_url),
    )


def is_local(base_url: str) -> bool:
    """Return whether the address names this machine."""
    host = httpx2.URL(base_url).host
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
