from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from io import StringIO
from pathlib import Path

import httpx
import psycopg2
import pytest
from django.conf import settings
from django.core.management import CommandError, call_command
from pytest_django.plugin import DjangoDbBlocker
from sqlalchemy.engine import make_url

from deploy.testservers import EmbeddedServers, quiet_port
from orchestrator import ids
from orchestrator.store import engine
from orchestrator.tenants.models import Tenant, Warehouse
from orchestrator.tenants.sealing import seal

CHECKOUT = Path(__file__).resolve().parents[2]
FLOWER_PORT = quiet_port()
PASSWORD = "for-this-test-alone"


@pytest.fixture
def doctor(platform: EmbeddedServers, django_db_blocker: DjangoDbBlocker) -> Iterator[StringIO]:
    with django_db_blocker.unblock():
        yield StringIO()


def examined(output: StringIO, *arguments: str) -> str:
    try:
        call_command("doctor", *arguments, stdout=output, no_color=True)
    except CommandError as exc:
        output.write(str(exc))
    return output.getvalue()


def test_the_doctor_looks_at_everything_and_names_what_is_missing(platform: EmbeddedServers) -> None:
    environment = os.environ | {"DATABASE_URL": platform.database_url, "REDIS_URL": platform.redis_url}

    # In a process of its own: Celery's app reads the broker's address once, when it is imported.
    ran = subprocess.run(
        [sys.executable, "manage.py", "doctor", "--no-color"],
        cwd=CHECKOUT,
        env=environment,
        capture_output=True,
        text=True,
    )

    report = ran.stdout
    assert "database    PostgreSQL 18, role switchyard" in report
    assert "database    extension vector" in report
    assert "schema      every migration is applied" in report
    assert "redis       Redis: maxmemory-policy noeviction" in report
    assert "celery      the broker is redis://" in report
    assert "fsync is off  [postgres-fsync]" in report
    assert ran.returncode == 1


def test_the_doctor_speaks_json_too(doctor: StringIO) -> None:
    report = examined(doctor, "--json")

    told = json.loads(report[: report.rindex("}") + 1])
    assert "postgres-fsync" in {found["check"] for found in told["findings"] if found["level"] == "problem"}


def test_what_each_process_would_say_at_its_start_is_said_once(
    doctor: StringIO, monkeypatch: pytest.MonkeyPatch
) -> None:
    changed = settings.SWITCHYARD.model_copy(update={"start_despite": ("postgres-fsync",)})
    monkeypatch.setattr(settings, "SWITCHYARD", changed)

    report = examined(doctor, "--start")

    lines = report.splitlines()
    assert len(lines) == len(set(lines))
    assert "postgres-fsync: STARTING DESPITE fsync is off" in lines
    assert [line for line in lines if line.startswith("postgres-commit: synchronous_commit is off; set")] != []


def test_the_doctor_shows_no_password(doctor: StringIO, servers: EmbeddedServers) -> None:
    report = examined(doctor)

    secrets = [make_url(url).password for url in (servers.database_url, servers.redis_url)]
    assert [secret for secret in secrets if str(secret) in report] == []


def test_the_doctor_tells_what_a_warehouses_role_can_do_beyond_reading(
    doctor: StringIO, servers: EmbeddedServers
) -> None:
    name = ids.new_id("t")[-20:]
    tenant = Tenant.objects.create(slug=name, name=name)
    Warehouse.objects.create(tenant=tenant, url_encrypted=seal(servers.database_url), label="the platform's own")

    report = examined(doctor)
    Warehouse.objects.filter(tenant=tenant).delete()

    assert f"warehouse of {name}" in report
    assert "the role may create roles or databases" in report
    assert "may write to" in report


def test_the_doctor_names_a_sealed_address_that_another_key_sealed(doctor: StringIO) -> None:
    name = ids.new_id("t")[-20:]
    tenant = Tenant.objects.create(slug=name, name=name)
    Warehouse.objects.create(tenant=tenant, url_encrypted=b"nonsense", label="lost")

    report = examined(doctor)
    Warehouse.objects.filter(tenant=tenant).delete()

    assert "its address was sealed with another field key" in report


def test_statements_for_an_administrator_make_a_weak_role_strong_enough(
    doctor: StringIO, servers: EmbeddedServers, monkeypatch: pytest.MonkeyPatch
) -> None:
    role = "weak_" + ids.new_id("r")[-8:]
    strong = psycopg2.connect(servers.database_url)
    strong.autocommit = True
    with strong.cursor() as cursor:
        cursor.execute(f"create role {role} login password 'weak'")
        cursor.execute("revoke create on schema public from public")
        # Another test may have taken the right to connect from PUBLIC.
        cursor.execute(f'grant connect on database "{make_url(servers.database_url).database}" to {role}')
    weak = make_url(servers.database_url).set(username=role, password="weak").render_as_string(hide_password=False)
    changed = settings.SWITCHYARD.model_copy(update={"database_direct_url": type(settings.SWITCHYARD.jwt_key)(weak)})
    monkeypatch.setattr(settings, "SWITCHYARD", changed)

    statements = examined(doctor, "--sql")
    engine.close()
    with strong.cursor() as cursor:
        for statement in [line for line in statements.splitlines() if "SCHEMA public" in line]:
            cursor.execute(statement)
    again = examined(StringIO(), "--sql")
    engine.close()
    strong.close()

    assert f'GRANT CREATE, USAGE ON SCHEMA public TO "{role}";' in statements
    assert "create role" in statements
    assert "SCHEMA public" not in again


def test_flower_asks_for_its_password_shows_the_broker_and_changes_nothing(
    servers: EmbeddedServers, tmp_path: Path
) -> None:
    environment = os.environ | {
        "DATABASE_URL": servers.database_url,
        "REDIS_URL": servers.redis_url,
        "SWITCHYARD_MODE": "test",
        "SWITCHYARD_FLOWER_PASSWORD": PASSWORD,
        "FLOWER_PORT": str(FLOWER_PORT),
    }
    with (tmp_path / "flower.log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "manage.py", "flower"], cwd=CHECKOUT, env=environment, stdout=log, stderr=log
        )
    try:
        wait_for(f"http://127.0.0.1:{FLOWER_PORT}/healthcheck", process)
        codes = [
            httpx.get(f"http://127.0.0.1:{FLOWER_PORT}/workers", auth=auth).status_code
            for auth in (None, ("operator", "wrong"), ("operator", PASSWORD))
        ]
        shutdown = httpx.post(
            f"http://127.0.0.1:{FLOWER_PORT}/api/worker/shutdown/any", auth=("operator", PASSWORD)
        ).status_code
        arguments = Path(f"/proc/{process.pid}/cmdline").read_bytes()
    finally:
        process.send_signal(signal.SIGTERM)
        ended = process.wait(timeout=15)

    assert codes == [401, 401, 200]
    assert shutdown == 403
    assert PASSWORD.encode() not in arguments
    assert ended == 0


def wait_for(url: str, process: subprocess.Popen[bytes]) -> None:
    ends_at = time.monotonic() + 40
    while time.monotonic() < ends_at and process.poll() is None:
        try:
            httpx.get(url, timeout=1)
        except httpx.HTTPError:
            time.sleep(0.1)
        else:
            return
    raise AssertionError(f"{url} does not answer")


def test_serving_a_model_names_what_is_wrong_with_its_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    changed = settings.SWITCHYARD.model_copy(update={"llm_model_dir": tmp_path})
    monkeypatch.setattr(settings, "SWITCHYARD", changed)

    with pytest.raises(CommandError, match=r"holds no config\.json"):
        call_command("serve_model")
