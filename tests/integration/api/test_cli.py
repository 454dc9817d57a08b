from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from pytest_django.plugin import DjangoDbBlocker

from deploy.testservers import EmbeddedServers
from orchestrator.store.engine import rw
from orchestrator.store.rows import all_rows, one_row
from orchestrator.tenants.accounts import issue_api_key
from orchestrator.tenants.models import Tenant, User, Warehouse
from orchestrator.tenants.sealing import unseal
from tests.integration.api.kit import Worker
from tests.integration.api.proxy import Proxy
from tests.integration.gateway_kit import GatewayProcess, Person

CHECKOUT = Path(__file__).resolve().parents[3]


class Terminal:
    """Runs the command line as a person's own process."""

    def __init__(self, gateway: GatewayProcess, home: Path) -> None:
        self.environ = {
            **os.environ,
            "XDG_CONFIG_HOME": str(home),
            "SWITCHYARD_SERVER": f"http://127.0.0.1:{gateway.port}",
            "SWITCHYARD_DATA_DIR": str(home),
        }

    def run(self, *arguments: str, stdin: str = "", **environ: str) -> subprocess.CompletedProcess[str]:
        """Run a command to its end."""
        return subprocess.run(
            [sys.executable, "-m", "channels_app.cli.main", *arguments], cwd=CHECKOUT, env=self.environ | environ,
            input=stdin, capture_output=True, text=True, timeout=60,
        )  # fmt: skip

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        """Start a command."""
        return subprocess.Popen(
            [sys.executable, "-m", "channels_app.cli.main", *arguments], cwd=CHECKOUT, env=self.environ,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip


@pytest.fixture
def terminal(gateway: GatewayProcess, tmp_path: Path) -> Terminal:
    return Terminal(gateway, tmp_path)


@pytest.fixture
def signed_in(terminal: Terminal, person: Person) -> Terminal:
    done = terminal.run("login", "--username", person.account.username, SWITCHYARD_PASSWORD="x")
    assert done.returncode == 0, done.stderr
    return terminal


def turn_of(person: Person, state: str = "queued") -> dict[str, Any]:
    """Wait for the person's turn and return its row."""
    ends_at = time.monotonic() + 20
    while time.monotonic() < ends_at:
        row = one_row(
            rw(),
            "SELECT id, conversation_id AS conversation FROM switchyard_turn WHERE user_id = :user AND state = :state",
            user=person.account.user,
            state=state,
        )
        if row is not None:
            return dict(row)
        time.sleep(0.05)
    raise AssertionError("no turn came")


@pytest.fixture
def answering(person: Person, worker: Worker) -> Iterator[None]:
    """Answer the person's next question."""

    def answer() -> None:
        turn = turn_of(person)
        message = worker.start(turn["conversation"], turn["id"])
        worker.write(turn["conversation"], turn["id"], message, "Forty-", 0)
        worker.complete(turn["conversation"], turn["id"], message, "Forty-two.")

    thread = threading.Thread(target=answer)
    thread.start()
    yield
    thread.join()


def test_a_question_is_answered_on_standard_output(signed_in: Terminal, answering: None) -> None:
    done = signed_in.run("ask", "How many?")

    assert (done.returncode, done.stdout, done.stderr) == (0, "Forty-two.\n", "")


def test_a_machine_gets_one_object(signed_in: Terminal, answering: None, person: Person) -> None:
    done = signed_in.run("ask", "-", "--json", stdin="How many?\n")

    answer = json.loads(done.stdout)
    assert (done.returncode, answer["state"], answer["text"]) == (0, "completed", "Forty-two.")
    assert answer["timeline"]["total_ms"] == 5


def test_an_api_key_asks_without_a_sign_in(
    terminal: Terminal, answering: None, person: Person, django_db_blocker: DjangoDbBlocker
) -> None:
    with django_db_blocker.unblock():
        user = User.objects.get(pk=person.account.user)
        key = issue_api_key(tenant=user.tenant, user=user, name="cli", scopes=("chat",))

    done = terminal.run("ask", "How many?", SWITCHYARD_API_KEY=key)

    assert (done.returncode, done.stdout) == (0, "Forty-two.\n")


def test_ctrl_c_stops_the_turn_on_the_server(signed_in: Terminal, person: Person) -> None:
    running = signed_in.start("ask", "How many?")
    turn = turn_of(person)

    running.send_signal(signal.SIGINT)
    out, err = running.communicate(timeout=20)

    assert (running.returncode, out) == (1, "")
    assert "Stopped on request." in err
    assert turn_of(person, "cancelled")["id"] == turn["id"]


@pytest.fixture
def proxy(gateway: GatewayProcess) -> Iterator[Proxy]:
    made = Proxy(gateway.port)
    yield made
    made.close()


def test_an_answer_comes_whole_over_a_connection_that_is_cut(
    terminal: Terminal, person: Person, worker: Worker, proxy: Proxy
) -> None:
    server = f"http://127.0.0.1:{proxy.port}"
    terminal.run("login", "--username", person.account.username, "--server", server, SWITCHYARD_PASSWORD="x")
    running = terminal.start("ask", "How many?", "--server", server)
    turn = turn_of(person)
    message = worker.start(turn["conversation"], turn["id"])
    worker.write(turn["conversation"], turn["id"], message, "Forty-", 0)
    before = proxy.accepted
    proxy.cut()
    worker.write(turn["conversation"], turn["id"], message, "two.", 6)
    worker.complete(turn["conversation"], turn["id"], message, "Forty-two.")

    out, _ = running.communicate(timeout=30)

    assert (running.returncode, out) == (0, "Forty-two.\n")
    assert proxy.accepted > before


def test_a_wrong_password_is_a_matter_of_usage(terminal: Terminal, person: Person) -> None:
    done = terminal.run("login", "--username", person.account.username, SWITCHYARD_PASSWORD="wrong")

    assert done.returncode == 2
    assert "name and password do not fit" in done.stderr


def test_without_a_sign_in_the_way_to_one_is_named(terminal: Terminal) -> None:
    done = terminal.run("ask", "How many?")

    assert done.returncode == 2
    assert "switchyard login" in done.stderr


def test_a_sign_in_that_was_taken_back_is_told(signed_in: Terminal, person: Person) -> None:
    all_rows(rw(), "UPDATE switchyard_user SET is_active = false WHERE id = :user", user=person.account.user)

    done = signed_in.run("ask", "How many?")

    assert done.returncode == 2
    assert "sign in with `switchyard login`" in done.stderr


def test_signing_out_ends_the_tokens(signed_in: Terminal, tmp_path: Path, gateway: GatewayProcess) -> None:
    (file,) = (tmp_path / "switchyard" / "servers").iterdir()
    kept = json.loads(file.read_text())

    done = signed_in.run("logout")

    refused = httpx.get(
        f"http://127.0.0.1:{gateway.port}/api/conversations", headers={"Authorization": f"Bearer {kept['access']}"}
    )
    assert done.returncode == 0
    assert not file.exists()
    assert refused.status_code == 401


def test_a_server_that_is_not_there_is_named(signed_in: Terminal) -> None:
    done = signed_in.run("login", "--username", "u", "--server", "http://127.0.0.1:29099", SWITCHYARD_PASSWORD="x")

    assert done.returncode == 1
    assert "http://127.0.0.1:29099 does not answer" in done.stderr


@pytest.mark.parametrize(
    "arguments", [["ask", ""], ["ask", "x", "--route", "fast"], ["ask", "x", "-c", "cnv_none"], []]
)
def test_wrong_usage_has_its_own_exit_code(signed_in: Terminal, arguments: list[str]) -> None:
    assert signed_in.run(*arguments).returncode == 2


def test_documents_are_given_and_watched_until_they_are_read(
    signed_in: Terminal, person: Person, tmp_path: Path
) -> None:
    (tmp_path / "papers").mkdir()
    (tmp_path / "papers" / "good.md").write_text("# Good\n\nText.")
    (tmp_path / "papers" / "bad.pdf").write_bytes(b"%PDF-nothing")
    running = signed_in.start("ingest", str(tmp_path / "papers"))

    read(person, "good.md", "state='indexed', chunks=3")
    read(person, "bad.pdf", "state='failed', error='documents.no_text'")
    _, err = running.communicate(timeout=20)

    assert running.returncode == 1
    assert "✓ good.md  indexed  3 passages" in err
    assert "✗ bad.pdf  failed  The file holds no text" in err
    assert "1 of 2 could not be read." in err


def read(person: Person, filename: str, change: str) -> None:
    """Play the job that reads a document."""
    ends_at = time.monotonic() + 20
    while time.monotonic() < ends_at:
        if all_rows(
            rw(),
            f"UPDATE switchyard_document SET {change} WHERE tenant_id = :tenant AND filename = :name RETURNING id",
            tenant=person.account.tenant,
            name=filename,
        ):
            return
        time.sleep(0.05)
    raise AssertionError(f"{filename} never came")


def test_a_database_is_connected_with_a_first_layer_and_a_sealed_address(
    terminal: Terminal, person: Person, tmp_path: Path, servers: EmbeddedServers, django_db_blocker: DjangoDbBlocker
) -> None:
    shop = tmp_path / "shop.db"
    with sqlite3.connect(shop) as database:
        database.execute("CREATE TABLE orders (id INTEGER PRIMARY KEY, city TEXT, amount REAL, ordered_on DATE)")
        database.execute("INSERT INTO orders VALUES (1, 'Bari', 12.5, '2026-11-01')")

    done = terminal.run("connect", "--tenant", person.account.tenant_slug, SWITCHYARD_WAREHOUSE_URL=f"sqlite:///{shop}")

    with django_db_blocker.unblock():
        row = Warehouse.objects.get(tenant=Tenant.objects.get(pk=person.account.tenant))
    assert done.returncode == 0, done.stderr
    assert "orders: 4 columns" in done.stdout
    assert unseal(bytes(row.url_encrypted)) == f"sqlite:///{shop}"
    assert row.layer["measures"]


def test_a_database_that_does_not_answer_is_not_connected_and_its_password_not_shown(
    terminal: Terminal, person: Person
) -> None:
    done = terminal.run("connect", "postgresql://u:secret-word@127.0.0.1:1/x", "--tenant", person.account.tenant_slug)

    assert done.returncode == 2
    assert done.stderr.startswith("Not connected: ")
    assert "secret-word" not in done.stderr + done.stdout


def test_the_doctor_can_be_asked_from_here(terminal: Terminal) -> None:
    done = terminal.run("doctor")

    assert "PostgreSQL 18" in done.stdout
