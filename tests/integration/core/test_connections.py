"""The pool: a statement costs its own round trip, and a connection that died at rest costs nobody a statement."""

from __future__ import annotations

import os
import socket
import struct
import time

import psycopg2
import pytest

from deploy.testservers import EmbeddedServers
from orchestrator.store import engine
from orchestrator.store.engine import rw
from orchestrator.store.rows import one_row

pytestmark = pytest.mark.usefixtures("own")
STATEMENTS = 200


def messages() -> int:
    """Return how many segments with data the pool's one connection has sent, by the kernel's own count."""
    with rw().connect() as connection:
        wire = connection.connection.dbapi_connection
        assert wire is not None
        with socket.socket(fileno=os.dup(wire.fileno())) as end:
            info = end.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 160)
    # The last field of these 160 bytes is `tcpi_data_segs_out`.
    return int(struct.unpack("I", info[156:160])[0])


def backend() -> int:
    """Return the server's process behind the pool's connection."""
    row = one_row(rw(), "SELECT pg_backend_pid() AS pid")
    assert row is not None
    return int(row["pid"])


def test_a_statement_costs_one_round_trip() -> None:
    before = messages()

    for _ in range(STATEMENTS):
        one_row(rw(), "SELECT 1 AS one")

    assert messages() - before < 1.2 * STATEMENTS


def test_a_connection_that_the_server_ended_is_replaced_unseen(own: EmbeddedServers) -> None:
    first = backend()
    connection = psycopg2.connect(own.database_url)
    connection.autocommit = True
    connection.cursor().execute("SELECT pg_terminate_backend(%s, 5000)", [first])
    connection.close()

    second = backend()

    assert second != first


def test_a_server_that_came_back_is_used_at_once(own: EmbeddedServers) -> None:
    backend()
    own.postgres.kill()
    own.postgres.start()

    assert one_row(rw(), "SELECT 1 AS one") == {"one": 1}


def test_a_connection_is_asked_after_a_rest_whether_it_lives(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine, "REST_S", 0.0)
    before = messages()

    for _ in range(STATEMENTS):
        one_row(rw(), "SELECT 1 AS one")
        time.sleep(0.001)

    assert messages() - before > 1.8 * STATEMENTS
