"""The facts behind the checks, taken from real servers in a bad state; and real processes that refuse to start."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from pathlib import Path
from typing import Any

import psycopg2
import pytest
from django.conf import settings
from pydantic import SecretStr
from redis import Redis

from deploy.servers import free_port
from deploy.servers_postgres import PostgresServer
from deploy.testservers import EmbeddedServers, embedded_servers
from orchestrator.admin.diagnosis import broker_queues, live, machine, postgres_facts, redis_server, start
from orchestrator.admin.diagnosis import servers as standing
from orchestrator.admin.diagnosis.celery_facts import celery_settings
from orchestrator.admin.diagnosis.findings import EVERY, AwayError
from orchestrator.admin.diagnosis.postgres_session import pooled
from orchestrator.celery import app
from orchestrator.control.leader import Leader
from orchestrator.queues import PROCESSES, command
from orchestrator.store import engine
from tests.integration import pooler

CHECKOUT = Path(__file__).resolve().parents[2]
STARTERS = ("gateway", "dispatcher", "worker-sql", "beat")
needs_pgbouncer = pytest.mark.skipif(pooler.BINARY is None, reason="no pgbouncer here: apt-get install pgbouncer")


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedServers]:
    with embedded_servers(tmp_path_factory.mktemp("own")) as servers:
        yield servers


@pytest.fixture
def redis(own: EmbeddedServers) -> Iterator[Redis]:
    client = Redis.from_url(own.redis_url, socket_timeout=5)
    yield client
    client.config_set("maxmemory-policy", "noeviction")
    client.flushall()
    client.close()


@pytest.fixture
def here(own: EmbeddedServers, monkeypatch: pytest.MonkeyPatch) -> Iterator[pytest.MonkeyPatch]:
    """Point the settings at this module's servers."""
    point(monkeypatch, database_url=own.database_url, redis_url=own.redis_url)
    yield monkeypatch
    engine.close()


def point(monkeypatch: pytest.MonkeyPatch, **urls: str) -> None:
    none = {"database_direct_url": SecretStr(""), "database_read_url": SecretStr(""), "broker_url": SecretStr("")}
    changes: dict[str, Any] = none | {name: SecretStr(url) for name, url in urls.items()}
    monkeypatch.setattr(settings, "SWITCHYARD", settings.SWITCHYARD.model_copy(update=changes))


def as_superuser(own: EmbeddedServers, statement: str) -> None:
    assert isinstance(own.postgres.server, PostgresServer)
    connection = psycopg2.connect(own.postgres.server.superuser_url)
    connection.autocommit = True
    with connection.cursor() as cursor:
        cursor.execute(statement)
    connection.close()


def found(*, direct: bool = True) -> dict[str, str]:
    """Return id -> text of what is wrong with the servers that the settings name."""
    findings = standing.servers(standing.ask(direct=direct))
    return {finding.check.id: finding.text for finding in findings if finding.level != "ok"}


def test_a_server_tells_what_it_is(own: EmbeddedServers) -> None:
    server = postgres_facts.ask(own.database_url)

    assert (server.version, server.role, server.name) == (18, "switchyard", "switchyard")
    assert (server.fsync, server.synchronous_commit, server.full_page_writes) == (False, False, False)
    assert (server.standby, server.read_only, server.super, server.vector is None) == (False, False, False, False)
    assert server.statement_ms == postgres_facts.STATEMENT_LIMIT_MS
    assert abs(server.ahead_s) < 1
    assert not pooled(server)


def test_an_empty_database_lacks_every_migration(here: pytest.MonkeyPatch) -> None:
    assert "migrations missing: admin.0001_initial" in found()["migrations-missing"]


@pytest.mark.parametrize(
    ("bad", "good", "check"),
    [
        (
            "ALTER ROLE switchyard SET idle_session_timeout = '5s'",
            "ALTER ROLE switchyard RESET idle_session_timeout",
            "postgres-idle-limit",
        ),
        (
            "ALTER ROLE switchyard SET default_transaction_read_only = on",
            "ALTER ROLE switchyard RESET default_transaction_read_only",
            "postgres-read-only",
        ),
        (
            "ALTER ROLE switchyard CONNECTION LIMIT 20",
            "ALTER ROLE switchyard CONNECTION LIMIT -1",
            "connection-sum",
        ),
    ],
)
def test_what_a_role_was_given_is_seen(
    own: EmbeddedServers, here: pytest.MonkeyPatch, bad: str, good: str, check: str
) -> None:
    before = found()
    as_superuser(own, bad)

    after = found()
    as_superuser(own, good)

    assert check not in before
    assert check in after


def test_a_standby_is_no_place_to_accept_turns(own: EmbeddedServers, here: pytest.MonkeyPatch) -> None:
    assert isinstance(own.postgres.server, PostgresServer)
    mark = own.postgres.server.cluster / "standby.signal"
    own.postgres.stop()
    mark.touch()
    own.postgres.start()

    told = found().get("postgres-read-only", "")
    own.postgres.stop()
    mark.unlink()
    own.postgres.start()

    assert told == "DATABASE_URL leads to a server that is a standby"
    assert "postgres-read-only" not in found()


def test_a_direct_address_that_leads_to_another_database_is_seen(
    own: EmbeddedServers, here: pytest.MonkeyPatch
) -> None:
    elsewhere = own.database_url.rpartition("/")[0] + "/postgres"
    point(here, database_url=own.database_url, redis_url=own.redis_url, database_direct_url=elsewhere)

    assert found()["direct-elsewhere"].endswith("DATABASE_DIRECT_URL to postgres")


@needs_pgbouncer
def test_a_pooler_of_transactions_before_the_leaders_session_is_seen(
    own: EmbeddedServers, here: pytest.MonkeyPatch
) -> None:
    with pooler.pgbouncer(own.database_url, mode="transaction") as url:
        point(here, database_url=url, redis_url=own.redis_url)
        both = found()
        point(here, database_url=url, redis_url=own.redis_url, database_direct_url=own.database_url)
        past_it = found()

    assert {"pooler-shares-sessions", "postgres-limits-dropped"} <= both.keys()
    assert "pooler-shares-sessions" not in past_it
    assert "pooler-before-direct" not in past_it


@needs_pgbouncer
def test_a_pooler_without_a_second_session_to_give_is_seen(own: EmbeddedServers) -> None:
    with pooler.pgbouncer(own.database_url, mode="transaction", size=1) as url:
        assert postgres_facts.moves(url)


@needs_pgbouncer
def test_a_pooler_of_sessions_is_only_a_warning(own: EmbeddedServers, here: pytest.MonkeyPatch) -> None:
    with pooler.pgbouncer(own.database_url, mode="session") as url:
        point(here, database_url=url, redis_url=own.redis_url)
        told = found()

    assert "pooler-before-direct" in told
    assert "pooler-shares-sessions" not in told


@needs_pgbouncer
def test_a_pooler_that_refuses_our_options_is_told_from_a_server_that_is_away(
    own: EmbeddedServers, here: pytest.MonkeyPatch
) -> None:
    with pooler.pgbouncer(own.database_url, mode="transaction", ignored="") as url:
        point(here, database_url=url, redis_url=own.redis_url)
        told = found()

    assert told["postgres-away"].startswith("a pooler refuses the connection")


def test_a_redis_that_evicts_is_seen(own: EmbeddedServers, here: pytest.MonkeyPatch, redis: Redis) -> None:
    redis.config_set("maxmemory-policy", "allkeys-lru")

    assert found()["redis-eviction"] == "Redis: maxmemory-policy allkeys-lru, maxmemory unlimited"


def test_a_replica_is_seen(own: EmbeddedServers, here: pytest.MonkeyPatch, redis: Redis) -> None:
    redis.slaveof("127.0.0.1", free_port())

    told = found()
    redis.slaveof()

    assert "redis-replica" in told


def test_a_redis_that_forgets_at_a_restart_is_seen(
    own: EmbeddedServers, here: pytest.MonkeyPatch, redis: Redis
) -> None:
    redis.config_set("appendonly", "no")

    told = found()
    redis.config_set("appendonly", "yes")

    assert "redis-persistence" in told


def test_a_list_that_no_queue_owns_and_messages_that_nobody_repeats_are_seen(
    own: EmbeddedServers, redis: Redis
) -> None:
    prefix = "test:broker:"
    redis.lpush(f"{prefix}sql", "a message")
    redis.lpush(f"{prefix}ocr", "one", "another")
    redis.zadd(f"{prefix}unacked_index", {"old": time.time() - 10_000, "new": time.time()})

    lists, stuck = broker_queues.look(own.redis_url, prefix=prefix, visibility_timeout_s=660)

    assert lists == {f"{prefix}sql": 1, f"{prefix}ocr": 2}
    assert stuck == 1


def test_it_is_seen_who_leads(own: EmbeddedServers, here: pytest.MonkeyPatch) -> None:
    def leaders() -> list[dict[str, Any]]:
        return postgres_facts.rows(own.database_url, live.LEADER, live.LOCK_HALVES)

    nobody, leader = leaders(), Leader()
    leader.lead()

    somebody = leaders()
    leader.resign()

    assert nobody == []
    assert [row["host"] for row in somebody] == ["127.0.0.1"]


def test_the_environment_that_overrules_celerys_settings_is_seen() -> None:
    # In a process of its own: other tests point this one's Celery at servers of theirs.
    look = (
        "import django; django.setup(); from orchestrator.admin.diagnosis.celery_facts import celery_settings;"
        " facts = celery_settings(); print(facts.result_backend, facts.broker, facts.wanted_broker != facts.broker)"
    )
    told = subprocess.run(
        [sys.executable, "-c", look],
        cwd=CHECKOUT,
        env=os.environ
        | {
            "DJANGO_SETTINGS_MODULE": "settings.test",
            "CELERY_RESULT_BACKEND": "redis://:secret@elsewhere/1",
            "CELERY_BROKER_URL": "redis://:secret@elsewhere/0",
        },
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )

    assert told.stdout.split() == ["redis://elsewhere/1", "redis://elsewhere/0", "True"]


def test_settings_that_nobody_knows_are_seen(here: pytest.MonkeyPatch) -> None:
    here.setitem(app.conf, "task_ack_late", True)
    here.setitem(app.conf.broker_transport_options, "visibility_timout", 5)

    assert celery_settings().unknown == ["task_ack_late", "broker_transport_options.visibility_timout"]


def test_servers_that_are_away_are_told_and_refuse_nothing(here: pytest.MonkeyPatch) -> None:
    point(
        here, database_url=f"postgresql://u:p@127.0.0.1:{free_port()}/d", redis_url=f"redis://127.0.0.1:{free_port()}/0"
    )

    findings = list(standing.servers(standing.ask()))

    assert {"postgres-away", "redis-away"} == {finding.check.id for finding in findings}
    assert start.judge(findings, EVERY, despite=()).refused == ()


def test_a_process_may_open_as_many_files_as_the_system_allows() -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (256, hard))

    machine.raise_files_limit()
    raised, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))

    assert raised == min(hard, machine.ENOUGH_FILES)


def test_frozen_servers_hold_up_no_start_for_ever(own: EmbeddedServers, here: pytest.MonkeyPatch) -> None:
    own.redis.pause()
    own.postgres.pause()
    with ThreadPoolExecutor(1) as starting:
        begun = starting.submit(start.require_good_start, "gateway")

        ended, _ = wait([begun], timeout=3 * start.LIMIT_S)
        own.redis.resume()
        own.postgres.resume()

    assert ended == {begun}
    assert begun.exception() is None


def test_no_address_that_is_told_holds_a_password(here: pytest.MonkeyPatch) -> None:
    with pytest.raises(AwayError) as postgres:
        postgres_facts.ask(f"postgresql://u:hidden@127.0.0.1:{free_port()}/d")
    with pytest.raises(AwayError) as redis:
        redis_server.ask(f"redis://:hidden@127.0.0.1:{free_port()}/0")

    assert "hidden" not in f"{postgres.value} {redis.value}"


def test_no_process_starts_on_a_redis_that_evicts(own: EmbeddedServers, redis: Redis, tmp_path: Path) -> None:
    redis.config_set("maxmemory-policy", "allkeys-lru")
    environ = {
        **os.environ,
        "DATABASE_URL": own.database_url,
        "REDIS_URL": own.redis_url,
        "SWITCHYARD_MODE": "test",
        "SWITCHYARD_DATA_DIR": str(tmp_path),
        "PORT": str(free_port()),
    }
    table = {entry.name: entry for entry in PROCESSES}
    running = [
        subprocess.Popen(
            [sys.executable, *command(table[name])],
            cwd=CHECKOUT,
            env=environ,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        for name in STARTERS
    ]

    told = [process.communicate(timeout=110)[1] for process in running]

    assert [process.returncode for process in running] == [start.REFUSED] * len(STARTERS)
    assert ["redis-eviction: Redis: maxmemory-policy allkeys-lru" in text for text in told] == [True] * len(STARTERS)
    assert ["start refused" in text for text in told] == [True] * len(STARTERS)


def test_a_worker_that_cannot_set_up_ends_instead_of_working_on_without(
    own: EmbeddedServers, redis: Redis, tmp_path: Path
) -> None:
    worker = next(entry for entry in PROCESSES if entry.name == "worker-sql")
    # Nothing is migrated here: the first statement fails, and Celery would only log that.
    environ = {
        **os.environ,
        "DATABASE_URL": own.database_url,
        "REDIS_URL": own.redis_url,
        "SWITCHYARD_MODE": "test",
        "SWITCHYARD_DATA_DIR": str(tmp_path),
        "SWITCHYARD_START_DESPITE": "migrations-missing",
    }

    ended = subprocess.run(
        [sys.executable, *command(worker)],
        cwd=CHECKOUT,
        env=environ,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert ended.returncode == os.EX_SOFTWARE
    assert "worker not started" in ended.stderr
