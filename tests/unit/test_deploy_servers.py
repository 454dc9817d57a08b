import os
import socket
from pathlib import Path

import pytest

from deploy.servers import ServerStartError, free_port, wait_until
from deploy.servers_postgres import ROOTS_HOME, PostgresServer, home_for, serves
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


def test_an_ordinary_users_cluster_lies_in_the_data_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)

    assert home_for(Path("/home/eva/data"), "abc", "") == Path("/home/eva/data/postgres")


def test_roots_cluster_lies_where_its_system_user_can_reach_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 0)

    assert home_for(Path("/root/data"), "abc", "") == ROOTS_HOME / "abc"


def test_a_moved_data_folder_keeps_its_cluster(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 0)

    assert home_for(Path("/root/moved"), "new", str(ROOTS_HOME / "old")) == ROOTS_HOME / "old"


def test_root_leaves_the_cluster_of_an_ordinary_user_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 0)

    assert home_for(Path("/home/eva/data"), "abc", "/home/eva/data/postgres") == ROOTS_HOME / "abc"


def test_a_socket_is_left_out_where_its_path_would_be_too_long(tmp_path: Path) -> None:
    long, short = a_postgres(tmp_path / ("x" * 120)), a_postgres(Path("/tmp/x"))

    assert "unix_socket_directories=" in long.process().command
    assert "unix_socket_directories=/tmp/x" in short.process().command


def a_postgres(home: Path) -> PostgresServer:
    return PostgresServer(home=home, port=1, superuser_password="s", password="p", log=home / "log", install_id="test")
