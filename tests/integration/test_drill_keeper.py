"""The drill's keeper: it tells its own kills from a process' own death, and a full disk is full."""

from __future__ import annotations

import random
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from deploy.process import Phase, Process
from tests.drill.world_keeper import Keeper

#: Writes a line each 20 ms, and leaves with 3 when a file named `leave` appears.
PROGRAM = """
import os, sys, time
while not os.path.exists("leave"):
    try:
        os.write(1, b"line\\n")
    except OSError:
        pass
    time.sleep(0.02)
os.unlink("leave")
sys.exit(3)
"""


@pytest.fixture
def keeper(tmp_path: Path) -> Iterator[Keeper]:
    with Keeper(tmp_path, random.Random(1)) as running:
        running.keep(
            Process(name="writer", command=(sys.executable, "-c", PROGRAM), phase=Phase.WORKERS, cwd=tmp_path), {}
        )
        assert running.wait_for("writer", lambda state: state.alive, 10)
        assert wait_for_lines(running)
        yield running


def wait_for_lines(keeper: Keeper, more_than: int = 0, limit_s: float = 10) -> bool:
    until = time.monotonic() + limit_s
    while time.monotonic() < until:
        log = keeper.log_of("writer")
        if log.exists() and log.stat().st_size > more_than:
            return True
        time.sleep(0.02)
    return False


def test_a_killed_process_comes_back_and_its_death_was_expected(keeper: Keeper) -> None:
    pid = keeper.kill("writer")

    assert keeper.wait_for("writer", lambda state: state.alive and state.pid != pid, 10)
    assert [(death.how, death.told, death.expected) for death in keeper.deaths()] == [("SIGKILL", "SIGKILL", True)]


def test_a_death_that_nobody_asked_for_is_told_apart(keeper: Keeper, tmp_path: Path) -> None:
    (tmp_path / "leave").touch()

    assert keeper.wait_for("writer", lambda state: state.deaths == 1, 10)
    assert [(death.how, death.expected) for death in keeper.deaths()] == [("exit code 3", False)]


def test_a_frozen_process_writes_nothing_until_it_thaws(keeper: Keeper) -> None:
    pid = keeper.freeze("writer")
    size = keeper.log_of("writer").stat().st_size

    assert pid is not None
    assert not wait_for_lines(keeper, size, limit_s=0.3)
    keeper.thaw("writer", pid)
    assert wait_for_lines(keeper, size)


def test_a_full_disk_takes_nothing_from_old_and_new_processes_until_it_has_room(keeper: Keeper) -> None:
    keeper.fill_disk(full=True)
    size = keeper.log_of("writer").stat().st_size
    assert not wait_for_lines(keeper, size, limit_s=0.3)
    pid = keeper.kill("writer")
    assert keeper.wait_for("writer", lambda state: state.alive and state.pid != pid, 10)
    assert not wait_for_lines(keeper, size, limit_s=0.3)

    keeper.fill_disk(full=False)

    assert wait_for_lines(keeper, size)
