from __future__ import annotations

from typing import Any

import pytest

from orchestrator.admin.diagnosis import Finding, connections, database, queues, redis
from orchestrator.admin.diagnosis_warehouse import gaps
from orchestrator.queues import QUEUES

SERVER: dict[str, Any] = {
    "version": 18,
    "most": 200,
    "reserved": 3,
    "role": "switchyard",
    "name": "switchyard",
    "super": False,
    "createrole": True,
    "createdb": True,
    "may_create": True,
    "vector": "0.8.5",
    "vector_available": True,
}
REDIS = {"redis_version": "7.4.1", "maxmemory_policy": "noeviction", "aof_enabled": 1}
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
WORKER = {"role": "worker", "draining": False, "queues": list(QUEUES)}
DISPATCHER = {"role": "dispatcher", "draining": False, "queues": []}


def levels(findings: list[Finding]) -> set[str]:
    return {finding.level for finding in findings}


def test_a_good_server_gives_no_cause_for_concern() -> None:
    assert levels([*database(SERVER), *connections(SERVER), *redis(REDIS), *queues([WORKER, DISPATCHER])]) == {"ok"}


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"version": 14}, "15 or newer"),
        ({"vector": None}, "doctor --sql"),
        ({"vector": None, "vector_available": False}, "install pgvector"),
        ({"super": True}, "role of its own"),
        ({"createrole": False}, "doctor --sql"),
    ],
)
def test_what_a_database_lacks_comes_with_its_remedy(change: dict[str, Any], word: str) -> None:
    found = [finding for finding in database(SERVER | change) if finding.level != "ok"]

    assert len(found) == 1
    assert word in found[0].remedy


def test_a_server_with_too_few_connections_is_a_problem() -> None:
    assert levels(list(connections(SERVER | {"most": 20}))) == {"problem"}


@pytest.mark.parametrize(
    ("change", "level"),
    [
        ({"redis_version": "5.0.14"}, "problem"),
        ({"redis_version": "6.2.0"}, "ok"),
        ({"maxmemory_policy": "allkeys-lru"}, "problem"),
        ({"aof_enabled": 0}, "warning"),
    ],
)
def test_a_redis_that_would_lose_things_is_named(change: dict[str, Any], level: str) -> None:
    assert levels(list(redis(REDIS | change))) - {"ok"} == {level} - {"ok"}


def test_queues_that_nobody_takes_are_named_and_a_draining_worker_takes_none() -> None:
    found = list(queues([WORKER | {"queues": ["sql"]}, WORKER | {"draining": True}]))

    assert found[0].text.startswith("nobody takes gpu, gpu.bulk, rag")
    assert found[1].text == "nobody dispatches: turns stay queued"


def test_with_nothing_running_there_is_one_finding_and_not_seven() -> None:
    assert [finding.text for finding in queues([])] == ["nothing runs"]


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
