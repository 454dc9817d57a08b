"""What each check makes of good and bad facts."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from orchestrator.admin.diagnosis import broker_queues, installation, live, machine, postgres_room, postgres_session
from orchestrator.admin.diagnosis.celery_settings import CelerySettings, settings_in_force, time_limits
from orchestrator.admin.diagnosis.findings import Finding
from orchestrator.admin.diagnosis.postgres import away, database
from orchestrator.admin.diagnosis.postgres_facts import STATEMENT_LIMIT_MS, Server
from orchestrator.admin.diagnosis.redis_server import redis
from orchestrator.admin.diagnosis.rights import missing_rights
from orchestrator.admin.diagnosis.schema import schema
from orchestrator.admin.diagnosis.warehouses import gaps
from orchestrator.queues import PROCESSES, QUEUES

SERVER = Server(
    version=18,
    most=200,
    reserved=3,
    others=0,
    role_limit=-1,
    database_limit=-1,
    role="switchyard",
    name="switchyard",
    super=False,
    createrole=True,
    createdb=True,
    may_create=True,
    vector="0.8.5",
    vector_available=True,
    standby=False,
    read_only=False,
    fsync=True,
    synchronous_commit=True,
    full_page_writes=True,
    idle_session_ms=0,
    statement_ms=STATEMENT_LIMIT_MS,
    pid=7,
    promised_pid=7,
    system="1",
    applied=frozenset(),
    ahead_s=0.0,
    unsure_s=0.0,
)
REDIS = {"redis_version": "7.4.1", "maxmemory_policy": "noeviction", "aof_enabled": 1, "role": "master"}
CELERY = CelerySettings(
    visibility_timeout_s=660,
    unknown=(),
    result_backend="",
    broker="redis://r/0",
    wanted_broker="redis://r/0",
    prefix="s:broker:",
    wanted_prefix="s:broker:",
    cancel_on_loss=False,
    reject_on_lost=False,
    acks_late=True,
)
READER: dict[str, object] = {
    "super": False,
    "createrole": False,
    "createdb": False,
    "bypasses": False,
    "writable": 0,
    "temp": False,
    "read_only": True,
    "timeout": True,
}
WORKER = {"name": "worker-all", "role": "worker", "draining": False, "queues": list(QUEUES), "host": "h", "pid": 1}
DISPATCHER = {"name": "dispatcher", "role": "dispatcher", "draining": False, "queues": [], "host": "h", "pid": 2}
BEAT = {"name": "beat", "role": "beat", "draining": False, "queues": [], "host": "h", "pid": 3}
LEADER = {"host": "10.0.0.3", "since": "2026-11-20 12:00:00", "name": "switchyard-direct"}


def bad(findings: Any) -> dict[str, str]:
    """Return id -> level of what is not as it should be."""
    return {finding.check.id: finding.level for finding in findings if finding.level != "ok"}


def celery(**change: Any) -> list[Finding]:
    return list(settings_in_force(replace(CELERY, **change), deadline_s=600, grace_s=15))


def test_a_good_server_gives_no_cause_for_concern() -> None:
    found = [*database(SERVER, example=True), *postgres_room.connections(SERVER, {"gateway": 10})]

    assert bad(found) == {}


@pytest.mark.parametrize(
    ("change", "check", "level"),
    [
        ({"version": 14}, "postgres-version", "problem"),
        ({"standby": True}, "postgres-read-only", "problem"),
        ({"read_only": True}, "postgres-read-only", "problem"),
        ({"fsync": False}, "postgres-fsync", "problem"),
        ({"synchronous_commit": False}, "postgres-commit", "warning"),
        ({"full_page_writes": False}, "postgres-full-pages", "warning"),
        ({"vector": None}, "pgvector", "problem"),
        ({"super": True}, "postgres-superuser", "warning"),
        ({"createrole": False}, "postgres-roles", "warning"),
        ({"idle_session_ms": 6_000}, "postgres-idle-limit", "warning"),
        ({"statement_ms": 0}, "postgres-limits-dropped", "warning"),
    ],
)
def test_what_a_database_lacks_is_named(change: dict[str, Any], check: str, level: str) -> None:
    assert bad(database(replace(SERVER, **change), example=True)) == {check: level}


def test_a_server_without_the_extension_at_all_is_told_otherwise() -> None:
    found = database(replace(SERVER, vector=None, vector_available=False), example=True)

    assert [finding.remedy for finding in found if finding.level != "ok"] == ["install pgvector on the server"]


def test_a_limit_that_the_role_was_given_does_for_one_that_the_pooler_dropped() -> None:
    assert bad(database(replace(SERVER, statement_ms=30_000), example=True)) == {}


def test_a_role_without_a_company_to_make_needs_no_right_to_make_roles() -> None:
    assert bad(database(replace(SERVER, createrole=False), example=False)) == {}


def test_a_pooler_that_refuses_our_options_gets_the_poolers_remedy() -> None:
    assert "pgbouncer.ini" in away("FATAL: unsupported startup parameter: options").remedy


@pytest.mark.parametrize(
    "change",
    [{"most": 60}, {"most": 200, "others": 150}, {"role_limit": 50}, {"database_limit": 50}],
)
def test_too_few_connections_are_a_problem_whoever_limits_them(change: dict[str, Any]) -> None:
    found = postgres_room.connections(replace(SERVER, **change), {"gateway": 10, "workers": 48})

    assert bad(found) == {"connection-sum": "problem"}


def test_as_many_connections_as_there_are_is_enough() -> None:
    assert bad(postgres_room.connections(replace(SERVER, most=61), {"all": 58})) == {}


def test_the_sum_counts_configured_gateways_and_living_workers() -> None:
    rows = [WORKER | {"name": f"worker-sql-{index}"} for index in range(3)]

    found = postgres_room.wanted(gateways=4, pool=8, local_model=False, rows=rows)

    table = {entry.name: entry.connections for entry in PROCESSES}
    assert found["gateway"] == 4 * table["gateway"]
    assert found["worker-sql"] == 3 * table["worker-sql"]
    assert found["worker-rag"] == table["worker-rag"]


def test_a_larger_pool_raises_the_sum() -> None:
    small = postgres_room.wanted(gateways=1, pool=8, local_model=False)

    large = postgres_room.wanted(gateways=1, pool=20, local_model=False)

    assert large["gateway"] == small["gateway"] + 12


@pytest.mark.parametrize(
    ("direct", "moves", "check"),
    [
        ({}, False, {}),
        ({"promised_pid": 8}, False, {"pooler-before-direct": "warning"}),
        ({"promised_pid": 8}, True, {"pooler-shares-sessions": "problem"}),
        ({"name": "other"}, False, {"direct-elsewhere": "problem"}),
        ({"system": "2"}, False, {"direct-elsewhere": "problem"}),
        ({"system": ""}, False, {}),
    ],
)
def test_what_stands_before_the_leaders_session_is_named(
    direct: dict[str, Any], moves: bool, check: dict[str, str]
) -> None:
    assert bad(postgres_session.session(SERVER, replace(SERVER, **direct), moves=moves)) == check


@pytest.mark.parametrize(
    ("applied", "known", "check"),
    [
        ({("chat", "1")}, {("chat", "1")}, {}),
        (set(), {("chat", "1")}, {"migrations-missing": "problem"}),
        ({("chat", "1"), ("chat", "2")}, {("chat", "1")}, {"migrations-newer": "problem"}),
        ({("chat", "1"), ("gone", "1")}, {("chat", "1")}, {}),
    ],
)
def test_tables_of_another_version_are_named(applied: Any, known: Any, check: dict[str, str]) -> None:
    assert bad(schema(applied, known)) == check


@pytest.mark.parametrize(
    ("change", "check"),
    [
        ({}, {}),
        ({"redis_version": "6.2.0"}, {}),
        ({"redis_version": "6.0.16"}, {"redis-version": "problem"}),
        ({"maxmemory_policy": "allkeys-lru"}, {"redis-eviction": "problem"}),
        ({"maxmemory_policy": "volatile-ttl"}, {"redis-eviction": "problem"}),
        ({"role": "slave"}, {"redis-replica": "problem"}),
        ({"cluster_enabled": 1}, {"redis-cluster": "problem"}),
        ({"aof_enabled": 0}, {"redis-persistence": "warning"}),
        ({"aof_last_write_status": "err"}, {"redis-disk": "problem"}),
        ({"rdb_last_bgsave_status": "err"}, {"redis-disk": "problem"}),
        ({"maxmemory": 100, "used_memory": 10}, {"redis-shared-memory": "warning"}),
        ({"maxmemory": 100, "used_memory": 95}, {"redis-shared-memory": "warning", "redis-full": "problem"}),
    ],
)
def test_a_redis_that_would_lose_things_is_named(change: dict[str, Any], check: dict[str, str]) -> None:
    assert bad(redis(REDIS | change)) == check


def test_a_broker_of_its_own_may_have_a_limit() -> None:
    assert bad(redis(REDIS | {"maxmemory": 100, "used_memory": 10}, log=False)) == {}


@pytest.mark.parametrize(
    ("change", "check"),
    [
        ({}, {}),
        ({"visibility_timeout_s": 615}, {"visibility-timeout": "problem"}),
        ({"visibility_timeout_s": 615.1}, {}),
        ({"unknown": ("task_ack_late",)}, {"celery-settings": "problem"}),
        ({"result_backend": "redis://r/1"}, {"celery-results": "problem"}),
        ({"cancel_on_loss": True}, {"celery-cancel-on-loss": "problem"}),
        ({"reject_on_lost": True}, {"celery-reject-on-lost": "problem"}),
        ({"acks_late": False}, {"celery-early-ack": "problem"}),
        ({"broker": "redis://other/0"}, {"broker-address": "problem"}),
        ({"prefix": ""}, {"broker-prefix": "problem"}),
    ],
)
def test_a_setting_of_celery_that_would_lose_things_is_named(change: dict[str, Any], check: dict[str, str]) -> None:
    assert bad(celery(**change)) == check


@pytest.mark.parametrize(
    ("pool", "limits", "check"),
    [
        ("threads", {"task_time_limit": None}, {}),
        ("threads", {"stages.sql.soft_time_limit": 30}, {"time-limits": "warning"}),
        ("solo", {"task_time_limit": 30}, {"time-limits": "warning"}),
        ("prefork", {"task_time_limit": 30}, {}),
    ],
)
def test_a_limit_that_the_pool_ignores_is_named(pool: str, limits: dict[str, Any], check: dict[str, str]) -> None:
    assert bad(time_limits(pool, limits)) == check


@pytest.mark.parametrize(
    ("ahead_s", "unsure_s", "check"),
    [
        (1.9, 0.0, {}),
        (-2.5, 0.1, {"clock": "warning"}),
        (2.5, 1.0, {}),
        (61.0, 0.1, {"clock-far": "problem"}),
        (-61.0, 0.1, {"clock-far": "problem"}),
    ],
)
def test_a_clock_that_is_certainly_wrong_is_named(ahead_s: float, unsure_s: float, check: dict[str, str]) -> None:
    assert bad(machine.clock({"PostgreSQL": (ahead_s, unsure_s)})) == check


@pytest.mark.parametrize(("soft", "check"), [(1024, {"open-files": "warning"}), (65_536, {}), (-1, {})])
def test_too_few_open_files_are_named(soft: int, check: dict[str, str]) -> None:
    assert bad(machine.open_files(soft)) == check


@pytest.mark.parametrize(("free", "check"), [(499_999_999, {"disk": "warning"}), (500_000_000, {})])
def test_a_disk_that_is_almost_full_is_named(free: int, check: dict[str, str]) -> None:
    assert bad(machine.disk({"/data": free})) == check


@pytest.mark.parametrize(
    ("celery", "check"),
    [("5.6.3", {}), ("5.7.0", {"library-loses-work": "problem"}), ("5.6.2", {"library-untried": "warning"})],
)
def test_a_release_that_loses_work_is_more_than_one_that_nobody_tried(celery: str, check: dict[str, str]) -> None:
    assert bad(machine.libraries({"celery": celery, "kombu": "5.7.1", "redis": "7.4.1"})) == check


def test_what_runs_as_it_should_gives_no_cause_for_concern() -> None:
    assert bad(live.processes([WORKER, DISPATCHER, BEAT], [LEADER])) == {}


def test_queues_that_nobody_takes_are_named_and_a_draining_worker_takes_none() -> None:
    rows = [WORKER | {"queues": ["sql"]}, WORKER | {"draining": True}, DISPATCHER, BEAT]

    found = list(live.processes(rows, [LEADER]))

    assert bad(found) == {"queue-unattended": "problem"}
    assert found[0].text.startswith("nobody takes gpu, gpu.bulk, rag")


@pytest.mark.parametrize(
    ("rows", "leaders", "check"),
    [
        ([WORKER, BEAT], [], {"dispatcher-missing": "problem"}),
        ([WORKER, BEAT, DISPATCHER], [], {"dispatcher-leaderless": "problem"}),
        ([WORKER, DISPATCHER], [LEADER], {"beat-missing": "warning"}),
        ([WORKER, DISPATCHER, BEAT, BEAT | {"pid": 4}], [LEADER], {"beat-twice": "warning"}),
        ([WORKER, DISPATCHER, DISPATCHER | {"pid": 4}, BEAT], [LEADER], {}),
        ([], [], {"nothing-runs": "warning"}),
    ],
)
def test_what_is_missing_or_too_many_is_named(rows: Any, leaders: Any, check: dict[str, str]) -> None:
    assert bad(live.processes(rows, leaders)) == check


def test_with_two_dispatchers_it_is_said_who_leads() -> None:
    found = list(live.processes([WORKER, DISPATCHER, DISPATCHER | {"pid": 4}, BEAT], [LEADER]))

    assert "2 alive: h (process 2), h (process 4); led from 10.0.0.3 since 2026-11-20 12:00:00" in found[1].text


@pytest.mark.parametrize(
    ("lists", "stuck", "check"),
    [
        ({"s:broker:sql": 3}, 0, {}),
        ({"s:broker:ocr": 3}, 0, {"queue-foreign": "warning"}),
        ({"s:broker:9f.reply.celery.pidbox": 1, "s:broker:celeryev.9f": 7}, 0, {}),
        ({}, 2, {"unacknowledged-stuck": "warning"}),
    ],
)
def test_what_nobody_will_read_is_named(lists: dict[str, int], stuck: int, check: dict[str, str]) -> None:
    assert bad(broker_queues.broker(lists, stuck, prefix="s:broker:")) == check


@pytest.mark.parametrize(
    ("change", "check"),
    [
        ({}, {}),
        ({"weak": ["jwt_key"]}, {"secrets-development": "warning"}),
        ({"weak": ["jwt_key"], "reachable": True}, {"secrets-known": "problem"}),
        ({"despite": ["disk"]}, {"start-despite": "warning"}),
        ({"despite": ["disc"]}, {"start-despite-unknown": "warning"}),
    ],
)
def test_what_an_operator_has_set_is_judged(change: dict[str, Any], check: dict[str, str]) -> None:
    facts: dict[str, Any] = {"mode": "dev", "weak": [], "reachable": False, "despite": [], "ids": {"disk"}}

    assert bad(installation.installation(**facts | change)) == check


def test_a_role_that_lacks_nothing_needs_no_statement() -> None:
    assert missing_rights(SERVER, example=True) == []


def test_each_right_that_a_role_lacks_becomes_a_statement() -> None:
    server = replace(SERVER, vector=None, may_create=False, createdb=False, role='we"ird')

    found = missing_rights(server, example=True)

    assert found[0] == "CREATE EXTENSION IF NOT EXISTS vector;"
    assert 'GRANT CREATE, USAGE ON SCHEMA public TO "we""ird";' in found
    assert 'ALTER ROLE "we""ird" CREATEDB;' in found


def test_a_reader_that_only_reads_has_no_gaps() -> None:
    assert gaps(READER, []) == []


def test_a_superuser_as_reader_needs_no_further_words() -> None:
    assert gaps(READER | {"super": True, "temp": True}, ["sleep"]) == [
        "the role is a superuser: any hole in the guard would be a hole in the server"
    ]


def test_each_surplus_right_of_a_reader_is_told() -> None:
    found = gaps(READER | {"writable": 3, "temp": True, "read_only": False, "timeout": False}, ["sleep", "notify"])

    assert len(found) == 5
    assert found[-1] == "the role may call functions that sleep, notify"
