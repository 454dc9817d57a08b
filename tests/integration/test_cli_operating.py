"""What an operator types where Switchyard is installed: people, keys, status, logs, backups; and what they mistype."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from django.utils import timezone
from sqlalchemy.engine import URL, make_url

from deploy.servers import free_port
from deploy.testservers import EmbeddedServers
from orchestrator import ids
from orchestrator.chat.models import Turn
from orchestrator.tenants.accounts import check_api_key, check_password
from orchestrator.tenants.models import Tenant, User
from tests.integration.admin_kit import a_turn

CHECKOUT = Path(__file__).resolve().parents[2]
GOOD = "correct-horse-battery"


pytestmark = pytest.mark.usefixtures("database")


@pytest.fixture
def name() -> str:
    return ids.new_id("p")


def switchyard(*arguments: str, **environ: str) -> subprocess.CompletedProcess[str]:
    """Run a command as an operator's own process, with nobody at the keyboard."""
    return subprocess.run(
        [sys.executable, "-m", "channels_app.cli.main", *arguments],
        cwd=CHECKOUT,
        env=os.environ | {"COLUMNS": "200"} | environ,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def add(name: str, tenant: Tenant, *more: str) -> subprocess.CompletedProcess[str]:
    return switchyard("user", "add", name, "--tenant", tenant.slug, *more, SWITCHYARD_PASSWORD=GOOD)


def listed(*arguments: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(switchyard(*arguments, "--json").stdout)
    return found


# --- people ---


def test_somebody_who_was_added_may_sign_in_until_disabled(tenant: Tenant, name: str) -> None:
    added = add(name, tenant, "--role", "manager", "--email", "m@example.test")
    never = listed("user", "list", "--tenant", tenant.slug)[0]["last_login"]
    inside = check_password(name, GOOD)
    people = listed("user", "list", "--tenant", tenant.slug)
    switchyard("user", "disable", name)
    outside = check_password(name, GOOD)
    switchyard("user", "enable", name)

    assert added.returncode == 0, added.stderr
    assert inside is not None
    assert [(person["username"], person["roles"], person["active"]) for person in people] == [(name, ["manager"], True)]
    assert (never, people[0]["last_login"] is not None) == (None, True)
    assert outside is None
    assert check_password(name, GOOD) is not None


def test_a_made_up_password_is_shown_and_works(tenant: Tenant, name: str) -> None:
    add(name, tenant)

    shown = switchyard("user", "password", name, "--generate").stdout

    assert check_password(name, GOOD) is None
    assert check_password(name, shown.split("shown once): ")[1].split()[0]) is not None


def test_the_first_person_may_bring_the_company_along(name: str) -> None:
    company = f"Acme {name}"

    done = switchyard("user", "add", name, "--new-tenant", company, "--staff", "--generate")

    assert done.returncode == 0, done.stderr
    person = User.objects.select_related("tenant").get(username=name)
    assert (person.tenant.name, person.is_staff, person.is_superuser) == (company, True, False)


def test_roles_are_set_and_taken_away(tenant: Tenant, name: str) -> None:
    add(name, tenant)

    switchyard("user", "roles", name, "manager", "buyer")
    some = User.objects.get(username=name).roles
    shown = switchyard("user", "roles", name)
    kept = User.objects.get(username=name).roles
    both = switchyard("user", "roles", name, "buyer", "--none")
    switchyard("user", "roles", name, "--none")

    assert some == kept == ["manager", "buyer"]
    assert f"{name}: manager, buyer." in shown.stdout
    assert (both.returncode, "not both" in both.stderr) == (2, True)
    assert User.objects.get(username=name).roles == []


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("user", "disable", "nobody-here"), "There is no user nobody-here"),
        (("user", "add", "x", "--tenant", "no-such"), "There is no tenant no-such; there are:"),
        (("user", "add", "x", "--new-tenant", "!!"), "can't be made"),
        (("key", "create", "nobody-here", "--name", "n"), "There is no user nobody-here"),
        (("key", "revoke", "swy_none_x"), "There is no key swy_none"),
        (("key", "list", "--tenant", "no-such"), "There is no tenant no-such"),
        (("logs", "--since", "yesterday"), "write a number and s, m, h or d"),
        (("logs", "--level", "loud"), "one of debug, info, warning, error"),
        (("restore", "no-such-file"), "there is no file no-such-file"),
        (("backup", "/no/such/folder/x"), "there is no folder /no/such/folder"),
        (("statsu",), "No such command 'statsu'"),
    ],
)
def test_what_cant_be_is_said_in_a_line_with_exit_code_2(arguments: tuple[str, ...], told: str, tmp_path: Path) -> None:
    (tmp_path / "logs").mkdir()
    (tmp_path / "logs" / "beat.log").write_text("")

    done = switchyard(*arguments, SWITCHYARD_PASSWORD=GOOD, SWITCHYARD_DATA_DIR=str(tmp_path))

    assert (done.returncode, done.stdout) == (2, "")
    assert told in done.stderr
    assert "Traceback" not in done.stderr


def test_a_weak_password_is_refused_and_nobody_is_made(tenant: Tenant, name: str) -> None:
    done = switchyard("user", "add", name, "--tenant", tenant.slug, SWITCHYARD_PASSWORD="short")

    assert done.returncode == 2
    assert "too short" in done.stderr
    assert not User.objects.filter(username=name).exists()


# --- keys ---


def test_a_key_opens_what_its_scopes_say_until_it_is_revoked(tenant: Tenant, name: str) -> None:
    add(name, tenant)

    made = switchyard("key", "create", name, "--name", "till", "--scope", "chat", "--scope", "documents")
    text = made.stdout.strip()
    found = check_api_key(text)
    known = listed("key", "list", "--tenant", tenant.slug)
    revoked = switchyard("key", "revoke", text)

    assert found is not None
    assert found[1] == ("chat", "documents")
    assert [(key["name"], key["state"]) for key in known] == [("till", "good")]
    assert text not in json.dumps(known)
    assert "is revoked" in revoked.stdout
    assert text not in revoked.stdout
    assert check_api_key(text) is None


# --- what goes on ---


def test_the_status_names_what_needs_a_hand_first(tenant: Tenant) -> None:
    seen = switchyard("status")
    told = json.loads(switchyard("status", "--json").stdout)

    # Nothing runs on the tests' own database.
    assert seen.returncode == 1
    assert seen.stdout.startswith("! no ")
    assert "no dispatcher runs: nothing that waits is handed out" in told["worries"]
    assert "no worker takes the queue sql" in told["worries"]
    assert [line["name"] for line in told["queues"]] == ["gpu", "gpu.bulk", "sql", "rag", "llm", "jobs", "batch"]


def test_an_hour_with_many_questions_unanswered_is_no_well(tenant: Tenant) -> None:
    before = json.loads(switchyard("status", "--json").stdout)["figures"]
    first = a_turn(tenant)
    facts = {name: getattr(first, name) for name in ("tenant_id", "conversation_id", "user_id", "deadline_at")}
    more = (before["answered"] + before["failed"]) // 9 + 6
    Turn.objects.bulk_create(
        Turn(id=ids.new_id("trn"), text="?", cid="c", message="m", state="failed", error_code="no_answer",
             ended_at=timezone.now(), **facts)
        for _ in range(more)
    )  # fmt: skip

    told = json.loads(switchyard("status", "--json").stdout)
    seen = switchyard("status").stdout
    Turn.objects.filter(tenant=tenant).delete()

    assert told["figures"]["no_answer"] - before["no_answer"] == more
    assert any("questions in the last hour got no answer" in worry for worry in told["worries"])
    assert f"{before['no_answer'] + more} without a known answer" in " ".join(seen.split())


def test_a_database_that_is_away_is_told_plainly() -> None:
    url = f"postgresql://u:hidden@127.0.0.1:{free_port()}/d"

    for command in (("status",), ("user", "list"), ("backup", "x.backup")):
        done = switchyard(*command, DATABASE_URL=url)
        assert done.returncode in (1, 2), command
        assert "does not answer" in done.stderr
        assert "hidden" not in done.stderr
        assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    "command", [("doctor",), ("doctor", "--sql"), ("status",), ("connect", "sqlite:///x.db"), ("user", "list")]
)
def test_where_nothing_was_started_it_is_said_what_starts_it(command: tuple[str, ...], tmp_path: Path) -> None:
    done = switchyard(*command, SWITCHYARD_DATA_DIR=str(tmp_path), DATABASE_URL="", REDIS_URL="")

    assert done.returncode == 2
    assert f"nothing was started with {tmp_path}. Start it by `make run`" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("command", [("doctor",), ("status",), ("connect", "sqlite:////x.db"), ("user", "list")])
def test_where_it_was_stopped_it_is_said_what_starts_it(command: tuple[str, ...], tmp_path: Path) -> None:
    url = f"postgresql://u:hidden@127.0.0.1:{free_port()}/d"
    (tmp_path / "secrets.json").write_text(json.dumps({"database_url": url}))
    (tmp_path / "servers.json").write_text("{}")
    (tmp_path / "lock").write_text("4194305\n")  # beyond the largest process id

    done = switchyard(*command, SWITCHYARD_DATA_DIR=str(tmp_path), DATABASE_URL="", REDIS_URL="")

    assert done.returncode == 1
    assert f"Switchyard does not run with {tmp_path}: start it by `make run`." in done.stderr
    assert "Traceback" not in done.stderr


# --- a company's own database ---


@pytest.fixture
def warehouse(servers: EmbeddedServers) -> URL:
    return make_url(servers.database_url)


def connect(tenant: Tenant, address: URL) -> subprocess.CompletedProcess[str]:
    url = address.render_as_string(hide_password=False)
    return switchyard("connect", "--tenant", tenant.slug, SWITCHYARD_WAREHOUSE_URL=url)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"password": "secret-word"}, "refuses {user}: wrong password"),
        ({"port": 1}, "nothing listens at 127.0.0.1:1"),
        ({"database": "no_such"}, "has no database no_such"),
        ({"query": {"sslmode": "require"}}, "does not speak SSL"),
        ({"host": "no-such-host.invalid"}, "there is no machine called no-such-host.invalid"),
    ],
)
def test_why_a_database_can_not_be_connected_is_told_apart(
    tenant: Tenant, warehouse: URL, change: dict[str, Any], told: str
) -> None:
    address = warehouse.set(**change)

    done = connect(tenant, address)

    assert done.returncode == 2
    assert done.stderr.startswith("Not connected: ")
    assert told.format(user=warehouse.username) in done.stderr
    assert str(address.password) not in done.stderr + done.stdout
    assert "Traceback" not in done.stderr


def test_a_role_that_can_do_more_gets_the_statements_for_one_that_can_not(tenant: Tenant, warehouse: URL) -> None:
    done = connect(tenant, warehouse)

    assert done.returncode == 0, done.stderr
    assert "Careful: " in done.stderr
    assert f'GRANT CONNECT ON DATABASE "{warehouse.database}" TO switchyard_reader;' in done.stderr
    assert str(warehouse.password) not in done.stderr + done.stdout


def test_a_csv_that_is_not_there_is_named(tenant: Tenant) -> None:
    done = switchyard("connect", "--tenant", tenant.slug, "--csv", "nofile.csv")

    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "Not connected: there is no file nofile.csv\n"


# --- logs ---


def test_logs_are_read_in_order_of_time_and_by_what_they_are_about(tmp_path: Path) -> None:
    folder = tmp_path / "logs"
    folder.mkdir()

    def line(second: int, event: str, level: str = "info", **more: str) -> str:
        stamp = f"2026-11-20T10:00:{second:02}.000000Z"
        return json.dumps({"event": event, "level": level, "timestamp": stamp, **more}) + "\n"

    (folder / "gateway.log").write_text(
        line(1, "turn accepted", turn="trn_1") + line(5, "slow reader", "warning") + "a crash without JSON\n"
    )
    (folder / "worker-sql.log").write_text(line(3, "stage done", turn="trn_1") + line(4, "\x1b[2Jcleared"))

    everything = switchyard("logs", SWITCHYARD_DATA_DIR=str(tmp_path)).stdout
    about = switchyard("logs", "--about", "trn_1", SWITCHYARD_DATA_DIR=str(tmp_path)).stdout
    nothing = switchyard("logs", "--about", "trn_none", SWITCHYARD_DATA_DIR=str(tmp_path))
    worse = switchyard("logs", "gateway", "--level", "warning", SWITCHYARD_DATA_DIR=str(tmp_path)).stdout

    order = [everything.index(words) for words in ("turn accepted", "stage done", "cleared", "slow reader", "a crash")]
    assert order == sorted(order)
    assert "\x1b[2J" not in everything
    assert [words in about for words in ("turn accepted", "stage done", "slow reader")] == [True, True, False]
    assert ("slow reader" in worse, "stage done" in worse) == (True, False)
    assert (nothing.returncode, nothing.stdout) == (1, "")
    assert "No line names trn_none in what" in nothing.stderr


def test_a_backup_is_made_from_the_command_line(tmp_path: Path) -> None:
    file = tmp_path / "yard.backup"

    done = switchyard("backup", str(file))

    assert done.returncode == 0, done.stderr
    assert file.stat().st_size > 10_000
    assert "rows of" in done.stdout
