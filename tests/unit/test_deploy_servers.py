import socket
from pathlib import Path

import pytest

from deploy.servers import ServerStartError, free_port, wait_until
from deploy.servers_postgres import serves
from deploy.servers_redis import RedisServer


def test_the_port_of_the_last_start_is_taken_again() -> None:
    port = free_port()

    assert free_port(port) == port


def test_a_taken_port_is_replaced_by_another_one() -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        taken = other.getsockname()[1]

        assert free_port(taken) != taken


def test_a_server_that_does_not_start_is_told_with_the_end_of_its_log(tmp_path: Path) -> None:
    log = tmp_path / "redis.log"
    log.write_text("something before\nbind: Address already in use\n")

    with pytest.raises(ServerStartError, match="Address already in use"):
        wait_until(lambda: False, server="Redis", log=log, limit_s=5, gone=lambda: True)


def test_the_redis_configuration_never_evicts_and_appends_everything(tmp_path: Path) -> None:
    server = RedisServer(home=tmp_path / 'a "b" c', port=1, password="secret", log=tmp_path / "log")

    server.prepare()

    lines = (server.home / "redis.conf").read_text().splitlines()
    assert {"maxmemory-policy noeviction", "appendonly yes", 'save ""', "bind 127.0.0.1"} <= set(lines)
    assert (server.home / "redis.conf").stat().st_mode & 0o777 == 0o600


def test_the_password_of_redis_is_in_no_argument(tmp_path: Path) -> None:
    server = RedisServer(home=tmp_path, port=1, password="hush-hush", log=tmp_path / "log")

    command = server.process().command

    assert "hush-hush" not in " ".join(command)


def test_a_process_id_of_some_other_program_is_not_taken_for_our_postgresql(tmp_path: Path) -> None:
    assert not serves(1, tmp_path)
