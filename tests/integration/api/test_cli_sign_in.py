"""Which server the command line asks, and as whom: the installation's own, never somebody else's by accident."""

from __future__ import annotations

import json
from pathlib import Path

import httpx
import pytest

from channels_app.cli.credentials import Credentials, save
from deploy.servers import free_port
from tests.integration.api.test_cli import Terminal
from tests.integration.gateway_kit import GatewayProcess, Person


@pytest.fixture
def terminal(gateway: GatewayProcess, tmp_path: Path) -> Terminal:
    """Return a terminal in the folder of an installation that runs, with no address in its environment."""
    made = Terminal(gateway, tmp_path)
    del made.environ["SWITCHYARD_SERVER"]
    (tmp_path / "address").write_text(f"http://127.0.0.1:{gateway.port}\n")
    return made


def sign_in(terminal: Terminal, person: Person, *more: str) -> None:
    done = terminal.run("login", "--username", person.account.username, *more, SWITCHYARD_PASSWORD="x")
    assert done.returncode == 0, done.stderr


def nobody(terminal: Terminal) -> str:
    done = terminal.run("chat")
    assert done.returncode == 2
    return done.stderr


def test_the_server_that_was_started_here_is_found(terminal: Terminal, person: Person, gateway: GatewayProcess) -> None:
    done = terminal.run("login", "--username", person.account.username, SWITCHYARD_PASSWORD="x", PORT="1")

    asked = terminal.run("chat", stdin="/quit\n")
    assert f"Signed in to http://127.0.0.1:{gateway.port} as {person.account.username}." in done.stderr
    assert asked.returncode == 0, asked.stderr
    assert " at http" not in asked.stderr


def test_a_named_server_comes_before_it_and_needs_no_scheme(
    terminal: Terminal, person: Person, tmp_path: Path, gateway: GatewayProcess
) -> None:
    (tmp_path / "address").write_text("http://127.0.0.1:1\n")

    sign_in(terminal, person, "--server", f"127.0.0.1:{gateway.port}")

    by_variable = terminal.run("chat", stdin="/quit\n", SWITCHYARD_SERVER=f"http://127.0.0.1:{gateway.port}/")
    here = nobody(terminal)
    assert by_variable.returncode == 0, by_variable.stderr
    # Signed in elsewhere is no answer here: it could be another company's.
    assert "Nobody is signed in to http://127.0.0.1:1: sign in with `switchyard login`." in here
    assert f"Signed in elsewhere: {person.account.username} at http://127.0.0.1:{gateway.port}" in here


def test_a_server_that_does_not_answer_says_what_to_do(terminal: Terminal, tmp_path: Path, person: Person) -> None:
    sign_in(terminal, person)
    server = f"http://127.0.0.1:{free_port()}"
    (kept,) = (tmp_path / "switchyard" / "servers").iterdir()
    stored = json.loads(kept.read_text())
    (tmp_path / "address").write_text(server)

    done = terminal.run("login", "--username", "x", SWITCHYARD_PASSWORD="x")

    assert done.returncode == 1
    assert f"{server} does not answer." in done.stderr
    assert "`make run` starts" in done.stderr
    assert "`--server ADDRESS`" in done.stderr
    assert json.loads(kept.read_text()) == stored


def test_a_question_to_a_server_that_is_away_ends_soon(
    terminal: Terminal, person: Person, gateway: GatewayProcess, tmp_path: Path
) -> None:
    sign_in(terminal, person)
    away = f"http://127.0.0.1:{free_port()}"
    (kept,) = (tmp_path / "switchyard" / "servers").iterdir()
    text = kept.read_text().replace(f"http://127.0.0.1:{gateway.port}", away)
    save(kept.parent, Credentials(**json.loads(text)))

    done = terminal.run("ask", "How many?", "--server", away)

    assert done.returncode == 1
    assert f"{away} does not answer. `make run` starts" in done.stderr


def test_who_could_not_become_somebody_else_is_nobody(
    terminal: Terminal, person: Person, stranger: Person, tmp_path: Path, gateway: GatewayProcess
) -> None:
    sign_in(terminal, person)
    (kept,) = (tmp_path / "switchyard" / "servers").iterdir()
    token = json.loads(kept.read_text())["access"]

    done = terminal.run("login", "--username", stranger.account.username, SWITCHYARD_PASSWORD="wrong")

    refused = httpx.get(
        f"http://127.0.0.1:{gateway.port}/api/conversations", headers={"Authorization": f"Bearer {token}"}
    )
    assert done.returncode == 2
    assert f"{person.account.username}, who was signed in to" in done.stderr
    assert "nobody is signed in there now" in done.stderr
    assert "switchyard login" in nobody(terminal)
    assert refused.status_code == 401


def test_who_mistypes_their_own_password_stays_and_is_told(terminal: Terminal, person: Person) -> None:
    sign_in(terminal, person)

    done = terminal.run("login", "--username", person.account.username, SWITCHYARD_PASSWORD="wrong")

    assert done.returncode == 2
    assert f"{person.account.username} is still signed in" in done.stderr
    assert terminal.run("chat", stdin="/quit\n").returncode == 0


def test_with_two_servers_a_question_says_where_it_goes(
    terminal: Terminal, person: Person, stranger: Person, gateway: GatewayProcess
) -> None:
    sign_in(terminal, person)
    sign_in(terminal, stranger, "--server", f"http://localhost:{gateway.port}")

    done = terminal.run("chat", stdin="/quit\n")

    named = terminal.run("chat", "--server", f"http://localhost:{gateway.port}", stdin="/quit\n")
    assert f"{person.account.username} at http://127.0.0.1:{gateway.port}" in done.stderr
    assert " at http" not in named.stderr


@pytest.mark.parametrize("named", ["ftp://x", "http://", "x:99999999", "http://[1"])
def test_what_is_no_address_is_said(terminal: Terminal, named: str) -> None:
    done = terminal.run("login", "--username", "u", "--server", named, SWITCHYARD_PASSWORD="x")

    assert done.returncode == 2
    assert "is no address" in done.stderr
    assert "Traceback" not in done.stderr
