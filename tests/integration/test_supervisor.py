"""A start with stand-ins for the product's processes: real servers, real signals."""

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from deploy.folder import CHECKOUT
from deploy.servers import free_port
from deploy.servers_postgres import ROOTS_HOME

STANDS = "Page     http"


@dataclass(slots=True, kw_only=True)
class Start:
    """One running start and what it wrote."""

    process: subprocess.Popen[bytes]
    folder: Path
    output: Path
    port: int

    @property
    def text(self) -> str:
        return self.output.read_text(encoding="utf-8")

    def until(self, words: str, limit_s: float = 40) -> None:
        wait_for(lambda: words in self.text or self.process.poll() is not None, limit_s)
        assert words in self.text

    def children(self) -> dict[str, int]:
        """Return the direct children by what they are."""
        pids = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()
        found = {}
        for pid in pids:
            # A child may end between the list and the look at it.
            with contextlib.suppress(FileNotFoundError, ProcessLookupError):
                found[_kind(Path(f"/proc/{pid}/cmdline").read_bytes())] = int(pid)
        return found

    def descendants(self) -> set[int]:
        return set(_descendants(self.process.pid))

    def answers(self) -> bool:
        with contextlib.suppress(OSError), urllib.request.urlopen(f"http://127.0.0.1:{self.port}/readyz", timeout=2):
            return True
        return False


def _kind(command_line: bytes) -> str:
    for word in ("postgres", "redis-server", "guard.py", "http.server", "SIG_IGN"):
        if word.encode() in command_line:
            return word
    return command_line.decode()


def _descendants(pid: int) -> Iterator[int]:
    for task in Path(f"/proc/{pid}/task").glob("*"):
        for child in (task / "children").read_text().split():
            yield int(child)
            yield from _descendants(int(child))


def alive(pids: set[int]) -> set[int]:
    """Return those of `pids` that still run: a zombie that nobody has waited for yet does not."""
    found = set()
    for pid in pids:
        with contextlib.suppress(OSError):
            if "\nState:\tZ" not in Path(f"/proc/{pid}/status").read_text():
                found.add(pid)
    return found


def wait_for(true: Callable[[], bool], limit_s: float = 20) -> None:
    deadline = time.monotonic() + limit_s
    while not true() and time.monotonic() < deadline:
        time.sleep(0.05)


Starter = Callable[..., Start]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Starter]:
    """Start stand-ins in a folder whose name carries a blank; whatever is left at the end is killed."""
    started: list[tuple[Start, set[int]]] = []

    def _start(name: str = "data folder", *, user: int | None = None, folder: Path | None = None, **more: str) -> Start:
        port = free_port()
        output = tmp_path / f"{name}-{len(started)}.txt"
        folder = folder or tmp_path / name
        environ = {
            **{key: value for key, value in os.environ.items() if not key.endswith(("DATABASE_URL", "REDIS_URL"))},
            **{"SWITCHYARD_DATA_DIR": str(folder), "PORT": str(port), "FLOWER_PORT": str(free_port())},
            **more,
        }
        with output.open("wb") as handle:
            process = subprocess.Popen(
                [sys.executable, "-m", "tests.integration.stub_start"],
                stdout=handle,
                stderr=subprocess.STDOUT,
                cwd=CHECKOUT,
                env=environ,
                user=user,
                group=user,
                extra_groups=None if user is None else [],
            )
        run = Start(process=process, folder=folder, output=output, port=port)
        run.until(STANDS)
        started.append((run, run.descendants()))
        return run

    yield _start
    for run, descendants in started:
        if run.process.poll() is None:
            run.process.send_signal(signal.SIGINT)
            with contextlib.suppress(subprocess.TimeoutExpired):
                run.process.wait(20)
        run.process.kill()
        for pid in alive(descendants):
            os.kill(pid, signal.SIGKILL)
    for run, _ in started:
        _remove_roots_cluster(run.folder)


def _remove_roots_cluster(folder: Path) -> None:
    home = Path(json.loads((folder / "servers.json").read_text())["postgres_home"])
    if home.parent == ROOTS_HOME:
        shutil.rmtree(home, ignore_errors=True)


def _nobodys_environ() -> dict[str, str]:
    """Return the environment without the servers that other tests of this run have put there."""
    ours = ("DATABASE_", "REDIS_", "SWITCHYARD_")
    return {name: value for name, value in os.environ.items() if not name.startswith(ours)}


def start_again(folder: Path) -> "subprocess.CompletedProcess[str]":
    ports = {"PORT": str(free_port()), "FLOWER_PORT": str(free_port())}
    return subprocess.run(
        [sys.executable, "-m", "tests.integration.stub_start"],
        cwd=CHECKOUT,
        env={**_nobodys_environ(), "SWITCHYARD_DATA_DIR": str(folder), **ports},
        capture_output=True,
        text=True,
        timeout=20,
    )


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_everything_and_is_no_failure(start: Starter, number: signal.Signals) -> None:
    run = start()
    everything = run.descendants()

    run.process.send_signal(number)
    code = run.process.wait(30)

    assert code == 0
    assert alive(everything) == set()


def test_the_command_line_in_that_folder_asks_where_it_listens(start: Starter, tmp_path: Path) -> None:
    run = start()
    environ = {key: value for key, value in os.environ.items() if key != "SWITCHYARD_SERVER"}

    done = subprocess.run(
        [sys.executable, "-m", "channels_app.cli.main", "login"],
        cwd=CHECKOUT,
        env=environ | {"SWITCHYARD_DATA_DIR": str(run.folder), "XDG_CONFIG_HOME": str(tmp_path)},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert f"User name at http://127.0.0.1:{run.port}:" in done.stderr


def test_a_second_ctrl_c_does_not_wait_for_the_grace(start: Starter) -> None:
    run = start(STUB_GRACE_S="60")
    everything = run.descendants()

    run.process.send_signal(signal.SIGINT)
    run.until("Stopping (once more")
    run.process.send_signal(signal.SIGINT)
    code = run.process.wait(20)

    assert code == 0
    assert alive(everything) == set()


def test_a_killed_supervisor_leaves_nothing_behind_and_the_next_start_works(start: Starter) -> None:
    run = start()
    everything = run.descendants()

    run.process.kill()
    run.process.wait()
    wait_for(lambda: not alive(everything))

    assert alive(everything) == set()
    assert start(folder=run.folder).answers()


@pytest.mark.parametrize("kind", ["http.server", "SIG_IGN", "redis-server", "postgres"])
def test_what_dies_is_started_again(start: Starter, kind: str) -> None:
    run = start()
    before = run.children()[kind]

    os.kill(before, signal.SIGKILL)
    after = before

    # The kernel's list may lack a child while another one ends, so a look is believed and not repeated.
    def started_again() -> bool:
        nonlocal after
        after = run.children().get(kind, before)
        return after != before

    wait_for(started_again)

    assert after != before
    assert "ended by itself (SIGKILL)" in run.text


def restart(folder: Path) -> "subprocess.CompletedProcess[str]":
    """Ask for a rolling restart as `make restart` does."""
    return subprocess.run(
        [sys.executable, "-m", "deploy.restart"],
        cwd=CHECKOUT,
        env={**_nobodys_environ(), "SWITCHYARD_DATA_DIR": str(folder)},
        capture_output=True,
        text=True,
        timeout=60,
    )


def test_a_restart_replaces_every_process_and_no_server(start: Starter) -> None:
    run = start()
    before = run.children()

    asked = restart(run.folder)

    after = run.children()
    assert asked.returncode == 0, asked.stdout
    assert "Restarted 2 processes" in asked.stdout
    assert {kind for kind in before if before[kind] != after[kind]} == {"http.server", "SIG_IGN"}
    assert run.answers()
    assert "ended by itself" not in run.text


def test_a_restart_leaves_the_gateways_alone_when_a_worker_does_not_come_up(start: Starter) -> None:
    run = start(STUB_NEVER_LIVE="1")
    before = run.children()["http.server"]

    asked = restart(run.folder)

    assert asked.returncode == 1
    assert "worker does not come up" in asked.stdout
    assert "Not restarted: gateway." in asked.stdout
    assert run.children()["http.server"] == before


def test_a_second_restart_is_told_from_the_first(start: Starter) -> None:
    run = start()
    restart(run.folder)
    before = run.children()["http.server"]

    asked = restart(run.folder)

    assert (asked.returncode, asked.stdout.count("Restarted")) == (0, 1)
    assert run.children()["http.server"] != before


def test_a_restart_that_nobody_can_do_says_so(tmp_path: Path) -> None:
    asked = restart(tmp_path / "never started")

    assert asked.returncode == 1
    assert "does not run with the data folder" in asked.stdout


def test_a_stop_is_obeyed_also_in_the_middle_of_a_restart(start: Starter) -> None:
    run = start(STUB_GRACE_S="60")
    everything = run.descendants()
    run.process.send_signal(signal.SIGUSR1)
    run.until("Restarting one process")

    run.process.send_signal(signal.SIGINT)
    run.until("Stopping (once more")
    run.process.send_signal(signal.SIGINT)
    code = run.process.wait(20)

    assert code == 0
    assert alive(everything) == set()


def test_the_servers_are_there_until_the_last_worker_is_gone(start: Starter) -> None:
    run = start(STUB_GRACE_S="3")
    servers = {run.children()["redis-server"], run.children()["postgres"]}

    run.process.send_signal(signal.SIGTERM)
    time.sleep(1.5)

    assert alive(servers) == servers


def test_a_second_start_finds_its_database_on_the_same_port(start: Starter) -> None:
    run = start()
    before = (run.folder / "secrets.json").read_text()
    run.process.send_signal(signal.SIGINT)
    run.process.wait(30)

    again = start(folder=run.folder)

    assert (again.folder / "secrets.json").read_text() == before


def test_two_starts_with_their_own_folders_do_not_meet(start: Starter) -> None:
    first, second = start("one"), start("two")

    assert first.answers()
    assert second.answers()


def test_the_same_folder_is_not_started_twice(start: Starter) -> None:
    run = start()

    second = start_again(run.folder)

    assert second.returncode == 1
    assert f"process {run.process.pid}" in second.stdout


@pytest.mark.skipif(os.geteuid() != 0, reason="only root's cluster lies outside the data folder")
def test_a_copy_of_a_running_data_folder_does_not_take_its_database(start: Starter, tmp_path: Path) -> None:
    run = start()
    (tmp_path / "copy").mkdir()
    shutil.copy(run.folder / "servers.json", tmp_path / "copy")

    second = start_again(tmp_path / "copy")

    assert "is in use by process" in second.stdout
    assert run.children()["postgres"] in run.descendants()


def test_secrets_reach_the_processes_as_a_path(start: Starter) -> None:
    run = start()
    gateway = Path(f"/proc/{run.children()['http.server']}/environ").read_text()
    stored = json.loads((run.folder / "secrets.json").read_text())

    assert "SWITCHYARD_SECRETS_FILE=" in gateway
    assert {"secret_key", "jwt_key", "field_key", "database_url", "redis_url"} <= stored.keys()
    assert not [name for name, value in stored.items() if value in gateway]


NOBODY = 65534


def _nobody_can_run_python() -> bool:
    """Tell whether this is root's run and its Python can be reached by an ordinary user."""
    try:
        return os.geteuid() == 0 and subprocess.call([sys.executable, "-c", ""], user=NOBODY, cwd=CHECKOUT) == 0
    except OSError:
        return False


@pytest.fixture
def nobodys_folder() -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(prefix="switchyard nobody "))
    os.chown(folder, NOBODY, NOBODY)
    yield folder
    shutil.rmtree(folder)


@pytest.mark.skipif(not _nobody_can_run_python(), reason="needs root, and a Python outside root's home")
def test_an_ordinary_users_servers_lie_in_the_data_folder(start: Starter, nobodys_folder: Path) -> None:
    run = start(user=NOBODY, folder=nobodys_folder, HOME=str(nobodys_folder))

    owners = {Path(f"/proc/{pid}").stat().st_uid for pid in run.descendants()}

    assert owners == {NOBODY}
    assert (nobodys_folder / "postgres" / "cluster" / "PG_VERSION").read_text().strip() == "18"
