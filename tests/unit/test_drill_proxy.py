"""The drill's own proxy: a fault that is none would make a green drill worthless."""

from __future__ import annotations

import socket
import struct
import threading
import time
from collections.abc import Iterator
from contextlib import suppress

import pytest

from deploy.testservers import quiet_port
from tests.drill.proxy import Link, Proxies


class Echo:
    """Sends back what it gets, and remembers it."""

    def __init__(self) -> None:
        self.heard = b""
        self.ended = threading.Event()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listener.getsockname()[1])
        threading.Thread(target=self._run, daemon=True).start()

    def _run(self) -> None:
        with suppress(OSError):
            while True:
                end, _ = self._listener.accept()
                threading.Thread(target=self._answer, args=(end,), daemon=True).start()

    def reset(self) -> None:
        """End the connection as a killed server does."""
        self._end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        # A close alone would wait for the thread that reads.
        self._end.shutdown(socket.SHUT_RD)

    def _answer(self, end: socket.socket) -> None:
        self._end = end
        with suppress(OSError), end:
            while chunk := end.recv(65_536):
                self.heard += chunk
                end.sendall(chunk)
        self.ended.set()

    def close(self) -> None:
        self._listener.close()


@pytest.fixture
def echo() -> Iterator[Echo]:
    server = Echo()
    yield server
    server.close()


@pytest.fixture
def link(echo: Echo) -> Iterator[Link]:
    with Proxies() as proxies:
        yield proxies.link("echo", port=quiet_port(), target=echo.port)


@pytest.fixture
def client(link: Link) -> Iterator[socket.socket]:
    with socket.create_connection(("127.0.0.1", link.port), 5) as end:
        end.settimeout(5)
        yield end


def exchange(end: socket.socket, said: bytes) -> bytes:
    end.sendall(said)
    return read(end, len(said))


def read(end: socket.socket, size: int) -> bytes:
    heard = b""
    while len(heard) < size and (chunk := end.recv(65_536)):
        heard += chunk
    return heard


def hears_nothing(end: socket.socket, for_s: float = 0.3) -> bool:
    end.settimeout(for_s)
    try:
        return end.recv(10) is None
    except TimeoutError:
        return True
    finally:
        end.settimeout(5)


def test_much_is_passed_unchanged_and_counted(link: Link, client: socket.socket) -> None:
    said = bytes(range(256)) * 20_000
    threading.Thread(target=client.sendall, args=(said,), daemon=True).start()

    assert read(client, len(said)) == said
    assert link.counters().up_bytes == link.counters().down_bytes == len(said)


def test_an_end_is_passed_on(echo: Echo, client: socket.socket) -> None:
    exchange(client, b"first")

    client.shutdown(socket.SHUT_WR)

    assert client.recv(10) == b""
    assert echo.ended.wait(5)


def test_a_reset_is_passed_on(link: Link, client: socket.socket, echo: Echo) -> None:
    exchange(client, b"first")

    echo.reset()

    with pytest.raises(ConnectionResetError):
        client.recv(10)
    assert link.counters().open == 0


def test_a_reset_that_a_half_open_link_swallowed_is_told_when_it_passes(
    link: Link, client: socket.socket, echo: Echo
) -> None:
    exchange(client, b"first")
    link.half_open()
    echo.reset()
    assert hears_nothing(client)

    link.pass_()

    with pytest.raises(ConnectionResetError):
        client.recv(10)


def test_a_delayed_answer_comes_whole_and_late(link: Link, client: socket.socket) -> None:
    exchange(client, b"first")
    link.delay(100, jitter_ms=50)
    began_s = time.monotonic()

    heard = exchange(client, b"x" * 100_000)

    assert heard == b"x" * 100_000
    assert time.monotonic() - began_s >= 0.2


def test_a_cut_resets_what_is_open_and_takes_what_comes(link: Link, client: socket.socket) -> None:
    exchange(client, b"first")

    link.cut()

    with pytest.raises(ConnectionResetError):
        client.recv(10)
    with socket.create_connection(("127.0.0.1", link.port), 5) as another:
        assert exchange(another, b"again") == b"again"


def test_a_refusing_link_has_no_listener_until_it_passes(link: Link, client: socket.socket) -> None:
    exchange(client, b"first")

    link.refuse()

    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", link.port), 5)
    assert exchange(client, b"still") == b"still"
    link.pass_()
    with socket.create_connection(("127.0.0.1", link.port), 5) as another:
        assert exchange(another, b"again") == b"again"


def test_a_half_open_link_takes_all_gives_nothing_and_resets_once_it_passes(
    echo: Echo, link: Link, client: socket.socket
) -> None:
    exchange(client, b"first")

    link.half_open()

    client.sendall(b"lost")
    with socket.create_connection(("127.0.0.1", link.port), 5) as another:
        another.sendall(b"lost too")
        assert hears_nothing(another)
    assert hears_nothing(client)
    link.pass_()
    with pytest.raises(ConnectionResetError):
        client.recv(10)
    assert echo.heard == b"first"


def test_in_one_direction_the_request_arrives_and_its_answer_does_not(
    echo: Echo, link: Link, client: socket.socket
) -> None:
    exchange(client, b"first")

    link.half_open("down")

    client.sendall(b"second")
    assert hears_nothing(client)
    assert echo.heard == b"firstsecond"


def test_what_was_held_arrives_later(echo: Echo, link: Link, client: socket.socket) -> None:
    exchange(client, b"first")
    link.hold()
    client.sendall(b"second")
    assert hears_nothing(client)
    assert echo.heard == b"first"

    link.pass_()

    assert read(client, 6) == b"second"


def test_a_trickle_takes_its_time(link: Link, client: socket.socket) -> None:
    exchange(client, b"first")
    link.trickle(20_000)
    began_s = time.monotonic()

    heard = exchange(client, b"x" * 10_000)

    assert heard == b"x" * 10_000
    assert time.monotonic() - began_s >= 0.4


def test_a_link_to_nobody_resets() -> None:
    with Proxies() as proxies:
        dead = proxies.link("dead", port=quiet_port(), target=quiet_port())

        with (
            pytest.raises(ConnectionResetError),
            socket.create_connection(("127.0.0.1", dead.port), 5) as end,
        ):
            end.recv(10)
