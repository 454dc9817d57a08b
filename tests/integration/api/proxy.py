"""A TCP proxy that a test can cut, hold and refuse through, as networks do."""

from __future__ import annotations

import socket
import threading
from contextlib import suppress


class Proxy:
    """Forwards to a port of this machine."""

    def __init__(self, target: int) -> None:
        self._target = target
        self._pairs: list[tuple[socket.socket, socket.socket]] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        #: How many connections came.
        self.accepted = 0
        #: New connections are ended as they come.
        self.refusing = False
        #: Set while what clients say is passed on, and what the server says; both keep what they hold back.
        self.requests, self.answers = threading.Event(), threading.Event()
        self.requests.set()
        self.answers.set()
        self._lost: set[socket.socket] = set()
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def port(self) -> int:
        """Return where to connect."""
        return int(self._listener.getsockname()[1])

    def cut(self) -> None:
        """End every connection there is; new ones are taken."""
        for pair in self._pairs:
            for end in pair:
                with suppress(OSError):
                    end.shutdown(socket.SHUT_RDWR)
        self._pairs.clear()

    def lose(self) -> None:
        """Swallow, from now on, whatever comes over the connections there are, without ending them; new ones work."""
        self._lost.update(end for pair in self._pairs for end in pair)

    def close(self) -> None:
        """End for good."""
        self._listener.close()
        self.cut()

    def _accept(self) -> None:
        while True:
            try:
                near, _ = self._listener.accept()
                if self.refusing:
                    near.close()
                    continue
                far = socket.create_connection(("127.0.0.1", self._target), timeout=5)
            except OSError:
                return
            far.settimeout(None)
            self.accepted += 1
            self._pairs.append((near, far))
            for source, sink, gate in ((near, far, self.requests), (far, near, self.answers)):
                threading.Thread(target=self._pump, args=(source, sink, gate), daemon=True).start()

    def _pump(self, source: socket.socket, sink: socket.socket, gate: threading.Event) -> None:
        with suppress(OSError):
            while chunk := source.recv(65_536):
                gate.wait()
                if source not in self._lost:
                    sink.sendall(chunk)
        with suppress(OSError):
            sink.shutdown(socket.SHUT_RDWR)
