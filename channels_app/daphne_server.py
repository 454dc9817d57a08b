"""daphne without its rough edges: bounds in both directions, real close codes, no lost applications.

Each override answers something that daphne 4.2.3 does and that was reproduced:
`send` never waits, so a slow reader fills the memory; frames are queued without
bound, so a flooding client does; at shutdown applications are not always
cancelled; a failed listen ends with exit code 0. Twisted's private buffer
fields are touched, so the versions are pinned and tests hold the behaviour.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, MutableMapping
from typing import Any

import structlog
from daphne.http_protocol import WebRequest
from daphne.server import Server
from daphne.ws_protocol import WebSocketProtocol
from twisted.internet import defer, reactor

from channels_app.protocol import HARD_MAX_BYTES
from channels_app.readiness import READINESS

#: Bytes a transport may hold before `send` waits, and until it goes on.
_OUT_HIGH, _OUT_LOW = 262_144, 65_536
#: Frames an application may leave unread before the transport is paused, and until it goes on.
_IN_HIGH, _IN_LOW = 32, 8
#: A transport that takes nothing for this long is cut.
_STALL_S = 30.0
_POLL_S = 0.02
#: Time for a client to read what is under way and to answer a close frame.
_CLOSE_HANDSHAKE_S = 10
_TOO_LARGE = b"HTTP/1.1 413 Content Too Large\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"

log = structlog.get_logger(__name__)


class GatewayProtocol(WebSocketProtocol):
    """A WebSocket that is paused while its application doesn't keep up."""

    _paused = False

    def onMessage(self, payload: bytes, isBinary: bool) -> None:
        """Queue a message; pause the transport when too many wait."""
        super().onMessage(payload, isBinary)
        if not self._paused and self.application_queue.qsize() >= _IN_HIGH:
            self._paused = True
            self.transport.pauseProducing()
            asyncio.get_running_loop().call_later(_POLL_S, self._resume)

    def _resume(self) -> None:
        # While it closes it must read on, or the client's answer to the close frame would never be seen.
        if self.state == self.STATE_OPEN and self.application_queue.qsize() > _IN_LOW:
            asyncio.get_running_loop().call_later(_POLL_S, self._resume)
            return
        self._paused = False
        if self.state != self.STATE_CLOSED and self.transport is not None:
            self.transport.resumeProducing()

    def handle_reply(self, message: MutableMapping[str, Any]) -> None:
        """Write a frame that was encoded once for many sockets, or do what daphne does.

        Through `sendFrame`: `sendMessage` would apply the limit for incoming messages to ours.
        """
        encoded = message.get("encoded")
        if encoded is None:
            super().handle_reply(message)
        elif self.state == self.STATE_OPEN:
            self.sendFrame(opcode=1, payload=encoded)


class GatewayRequest(WebRequest):
    """An HTTP request whose body has an end: daphne itself would write any upload to the disk, however large."""

    most_bytes = 0
    _got_bytes = 0
    _refused = False

    def gotLength(self, length: int | None) -> None:
        """Refuse a body that announces itself as too large, before its first byte."""
        super().gotLength(length)
        if length is not None and length > self.most_bytes:
            self._refuse()

    def handleContentChunk(self, data: bytes) -> None:
        """Take a piece of the body, as long as all of it is within bounds; a chunked one announces no length."""
        self._got_bytes += len(data)
        if self._got_bytes > self.most_bytes:
            self._refuse()
        else:
            super().handleContentChunk(data)

    def process(self) -> Any:
        """Have the application answer, unless the body was refused."""
        return None if self._refused else super().process()

    def _refuse(self) -> None:
        if not self._refused and self.channel is not None:
            self._refused = True
            self.channel.transport.write(_TOO_LARGE)
            self.channel.loseConnection()


def transport_of(protocol: Any) -> Any:
    """Return the TCP transport under a WebSocket or HTTP protocol; None when there is none any more."""
    if isinstance(protocol, WebRequest):
        # Twisted deletes the attribute once the request is finished.
        return getattr(getattr(protocol, "channel", None), "transport", None)
    return protocol.transport


def pending_bytes(transport: Any) -> int:
    """Return what is written but not yet taken by the kernel."""
    if transport is None or not hasattr(transport, "dataBuffer"):
        return 0  # TLS and unix transports buffer elsewhere
    return int(len(transport.dataBuffer) - transport.offset + transport._tempDataLen)


class GatewayServer(Server):
    """The server with our bounds; `failed` tells that it could not listen."""

    def __init__(self, application: Any, *, endpoint: str, most_body_bytes: int) -> None:
        super().__init__(
            application,
            endpoints=[endpoint],
            signal_handlers=False,
            action_logger=log_action,
            websocket_timeout=-1,
            websocket_max_message_size=HARD_MAX_BYTES,
            websocket_max_frame_size=HARD_MAX_BYTES,
            application_close_timeout=15,
            ready_callable=self._prepare,
            server_name="",
            verbosity=1,
        )
        self.failed = False
        self._request = type("BoundedRequest", (GatewayRequest,), {"most_bytes": most_body_bytes})
        self._on_ready: list[Callable[[], None]] = []
        self._ports: list[Any] = []

    @property
    def loop(self) -> asyncio.AbstractEventLoop:
        """Return the event loop that the reactor runs on."""
        loop: asyncio.AbstractEventLoop = reactor._asyncioEventloop
        return loop

    def on_ready(self, callback: Callable[[], None]) -> None:
        """Call back once the server listens, before the first event."""
        self._on_ready.append(callback)

    def soon(self, callback: Callable[[], object]) -> None:
        """Call back inside the event loop, as soon as it turns."""
        self.loop.call_soon(callback)

    def _prepare(self) -> None:
        self.ws_factory.protocol = GatewayProtocol
        # With `failByDrop` clients would see 1006 where 1009 and 1007 belong.
        # A null Origin is let through, as daphne does, for the application to refuse like any other foreign one.
        self.ws_factory.setProtocolOptions(
            failByDrop=False, closeHandshakeTimeout=_CLOSE_HANDSHAKE_S, allowNullOrigin=True
        )
        build = self.http_factory.buildProtocol

        def with_our_requests(address: Any) -> Any:
            channel = build(address)
            channel.requestFactory = self._request
            return channel

        self.http_factory.buildProtocol = with_our_requests
        for callback in self._on_ready:
            callback()
        log.info("listening", addresses=[f"{host}:{port}" for host, port in self.listening_addresses])

    def create_application(self, protocol: Any, scope: dict[str, Any]) -> Any:
        """Run the application for a protocol, and tell it what our protocol can do."""
        if scope["type"] == "websocket":
            scope["extensions"] = {"switchyard.encoded": {}}
        return super().create_application(protocol, scope)

    async def handle_reply(self, protocol: Any, message: MutableMapping[str, Any]) -> None:
        """Hand a message to the transport, then wait while it holds too much."""
        if READINESS.draining and message["type"] == "http.response.start":
            # The next request on this connection would find nobody; Twisted ends it after this answer.
            message = {**message, "headers": [*message.get("headers", ()), (b"connection", b"close")]}
            if protocol.channel is not None:
                protocol.channel.persistent = False
        await super().handle_reply(protocol, message)
        transport = transport_of(protocol)
        held, moved_at = pending_bytes(transport), time.monotonic()
        if held <= _OUT_HIGH:
            return
        while (pending := pending_bytes(transport)) > _OUT_LOW and not getattr(transport, "disconnected", True):
            await asyncio.sleep(_POLL_S)
            if pending < held:
                held, moved_at = pending, time.monotonic()
            elif time.monotonic() - moved_at > _STALL_S:
                log.warning("slow reader cut", pending_bytes=pending)
                transport.abortConnection()
                return

    def listen_success(self, port: Any) -> None:
        """Remember the port: daphne's own listeners forget it, so that they could never be closed again."""
        super().listen_success(port)
        self._ports.append(port)

    def listen_error(self, failure: Any) -> None:
        """Remember that the port could not be had."""
        self.failed = True
        log.critical("cannot listen", reason=failure.getErrorMessage())
        self.stop()

    def kill_all_applications(self) -> defer.Deferred[Any] | None:
        """Cancel what still runs when the reactor stops."""
        waiting = []
        for details in self.connections.values():
            # Missing while a handshake is refused; daphne itself fails here with a KeyError.
            application = details.get("application_instance")
            if application is not None and not application.done():
                application.cancel()
                waiting.append(application)
        if not waiting:
            return None
        ended = defer.Deferred.fromFuture(asyncio.gather(*waiting, return_exceptions=True))
        ended.addErrback(lambda _: None)
        return ended

    def stop_listening(self) -> None:
        """Take no new connections."""
        for port in self._ports:
            port.stopListening()
        self._ports.clear()

    @property
    def busy(self) -> bool:
        """Return whether a connection is still being served."""
        return any("disconnected" not in details for details in self.connections.values())


def log_action(protocol: str, action: str, details: dict[str, Any]) -> None:
    """Log what a connection did; never its query string, which may hold a ticket."""
    facts = {name: value for name, value in details.items() if name in ("status", "method", "client", "size")}
    facts["path"] = str(details.get("path", "")).split("?", 1)[0]
    if "time_taken" in details:
        facts["duration_ms"] = round(details["time_taken"] * 1000, 1)
    if protocol == "http":
        log.info("http", **facts)
    else:
        log.debug(f"websocket {action}", **facts)
