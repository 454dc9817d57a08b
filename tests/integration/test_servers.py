"""The private servers, started for real."""

from collections.abc import Iterator
from pathlib import Path

import psycopg2
import pytest
import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from deploy.servers_postgres import PostgresServer
from deploy.testservers import EmbeddedServers, Handle, embedded_servers


@pytest.fixture(scope="module")
def throwaway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedServers]:
    with embedded_servers(tmp_path_factory.mktemp("a folder with blanks")) as running:
        yield running


@pytest.fixture
def client(throwaway: EmbeddedServers) -> Iterator["redis.Redis"]:
    with redis.Redis.from_url(throwaway.redis_url, decode_responses=True) as connected:
        yield connected


def ask(url: str, statement: str) -> object:
    connection = psycopg2.connect(url)
    try:
        with connection.cursor() as cursor:
            cursor.execute(statement)
            return cursor.fetchone()
    finally:
        connection.close()


def test_postgresql_18_with_vectors_answers_the_product_role(throwaway: EmbeddedServers) -> None:
    answer = ask(throwaway.database_url, "select version() like 'PostgreSQL 18%', '[1,2]'::vector::text")

    assert answer == (True, "[1,2]")


def test_the_product_role_is_no_superuser_but_may_make_databases_and_roles(throwaway: EmbeddedServers) -> None:
    answer = ask(
        throwaway.database_url,
        "select rolsuper, rolcreatedb, rolcreaterole from pg_roles where rolname = current_user",
    )

    assert answer == (False, True, True)


def test_a_database_that_the_product_makes_has_vectors_too(throwaway: EmbeddedServers) -> None:
    connection = psycopg2.connect(throwaway.database_url)
    connection.autocommit = True
    with connection.cursor() as cursor:
        cursor.execute("create database made_later")
    connection.close()

    answer = ask(throwaway.database_url.removesuffix("switchyard") + "made_later", "select '[3]'::vector::text")

    assert answer == ("[3]",)


def test_letters_beyond_ascii_have_a_lower_case(throwaway: EmbeddedServers) -> None:
    answer = ask(throwaway.database_url, "select lower('ÑANDÚ'), 'CAFÉ' ilike 'café'")

    assert answer == ("ñandú", True)


def test_nobody_gets_in_without_the_password(throwaway: EmbeddedServers) -> None:
    address, _, place = throwaway.database_url.partition("@")
    wrong = address.rpartition(":")[0] + ":guess@" + place

    with pytest.raises(psycopg2.OperationalError, match="password authentication failed"):
        psycopg2.connect(wrong)


def test_redis_asks_for_its_password(throwaway: EmbeddedServers) -> None:
    port = int(throwaway.redis_url.rpartition(":")[2].split("/")[0])
    stranger = redis.Redis(port=port, retry=Retry(NoBackoff(), 0))

    with pytest.raises(redis.AuthenticationError):
        stranger.ping()


def test_redis_never_evicts(client: "redis.Redis") -> None:
    policy = client.config_get("maxmemory-policy")

    assert policy == {"maxmemory-policy": "noeviction"}


def test_redis_comes_back_with_what_it_had_written(throwaway: EmbeddedServers, client: "redis.Redis") -> None:
    client.set("kept", "yes")

    throwaway.redis.stop()
    throwaway.redis.start()

    assert client.get("kept") == "yes"


def test_redis_can_come_back_with_older_data(throwaway: EmbeddedServers, client: "redis.Redis") -> None:
    client.set("counter", 1)
    client.config_set("appendfsync", "always")
    client.set("counter", 2)
    kept = throwaway.redis.keep()
    client.set("counter", 3)

    throwaway.redis.restart_with(kept)

    assert client.get("counter") == "2"


def test_redis_can_come_back_with_nothing(throwaway: EmbeddedServers, client: "redis.Redis") -> None:
    client.set("counter", 1)

    throwaway.redis.restart_with(None)

    assert client.dbsize() == 0


def test_postgresql_starts_again_after_a_crash(throwaway: EmbeddedServers) -> None:
    throwaway.postgres.kill()

    throwaway.postgres.start()

    assert ask(throwaway.database_url, "select 1") == (1,)


def test_a_server_left_running_by_a_killed_start_is_stopped_first(throwaway: EmbeddedServers) -> None:
    heir = Handle(throwaway.postgres.server)

    heir.start()
    left_behind_runs = throwaway.postgres.running
    heir.stop()
    throwaway.postgres.start()

    assert not left_behind_runs
    assert ask(throwaway.database_url, "select 1") == (1,)


def test_a_note_of_a_server_that_is_gone_does_not_keep_postgresql_from_starting(throwaway: EmbeddedServers) -> None:
    assert isinstance(throwaway.postgres.server, PostgresServer)
    throwaway.postgres.stop()
    # Process 1 exists, as some other program may after a reboot: PostgreSQL by itself would refuse to start.
    note: Path = throwaway.postgres.server.cluster / "postmaster.pid"
    note.write_text(f"1\n{throwaway.postgres.server.cluster}\n1\n1\n\n\n")

    throwaway.postgres.start()

    assert ask(throwaway.database_url, "select 1") == (1,)


def test_a_cluster_of_another_installation_is_moved_aside(throwaway: EmbeddedServers) -> None:
    assert isinstance(throwaway.postgres.server, PostgresServer)
    server = throwaway.postgres.server
    throwaway.postgres.stop()
    (server.cluster / "switchyard-install").write_text("another")

    throwaway.postgres.start()

    assert (server.home / "cluster.of-a-deleted-folder").is_dir()
    assert server.answers()
