"""Keeps the world's processes alive, as the product's supervisor does, and lets the drill kill and freeze them.

What they write goes straight into a file each, as under a plain service manager, so that a full disk meets them and
not whoever reads a pipe.
"""

from __future__ import annotations

import os
import random
import resource
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from deploy.process import Process, spawn_command
from deploy.supervisor import STEADY_S, next_pause_s

_LOOK_S = 0.05


@dataclass(frozen=True, slots=True, kw_only=True)
class Death:
    """One end of one process."""

    name: str
    pid: int
    #: Seconds since the epoch.
    at_s: float
    #: `SIGKILL`, `exit code 0` and the like.
    how: str
    #: The last signal that the drill sent to end it, `SIGKILL` or `SIGTERM`; empty: it died by itself.
    told: str
    lived_s: float

    @property
    def expected(self) -> bool:
        """Whether the drill asked for it."""
        return bool(self.told)


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    """A process as it is now."""

    name: str
    #: None between a death and the next start.
    pid: int | None
    frozen: bool
    deaths: int

    @property
    def alive(self) -> bool:
        """Whether it runs, perhaps frozen."""
        return self.pid is not None


@dataclass(slots=True, eq=False)
class _Kept:
    process: Process
    environ: Mapping[str, str]
    running: subprocess.Popen[bytes] | None = None
    began_s: float = 0.0
    start_at_s: float = 0.0
    pause_s: float = 0.0
    deaths: int = 0
    told: str = ""
    frozen: bool = False
    retired: bool = False


class Keeper:
    """Starts and restarts processes from one thread, which lives as long as they may."""

    def __init__(self, logs: Path, rng: random.Random) -> None:
        self.logs = logs
        self._rng = rng
        self._kept: dict[str, _Kept] = {}
        self._deaths: list[Death] = []
        self._lock = threading.RLock()
        self._leave = threading.Event()
        self._full = False
        # The kernel ends the processes together with the thread that started them.
        self._thread = threading.Thread(target=self._run, name="keeper", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def keep(self, process: Process, environ: Mapping[str, str]) -> None:
        """Keep a process alive from now on."""
        with self._lock:
            self._kept[process.name] = _Kept(process, environ)

    def log_of(self, name: str) -> Path:
        """Return where a process writes."""
        return self.logs / f"{name}.log"

    def states(self) -> dict[str, State]:
        """Return all processes by name."""
        with self._lock:
            return {
                name: State(
                    name=name,
                    pid=kept.running.pid if kept.running else None,
                    frozen=kept.frozen,
                    deaths=kept.deaths,
                )
                for name, kept in self._kept.items()
            }

    def deaths(self) -> list[Death]:
        """Return every end so far, in order."""
        with self._lock:
            return list(self._deaths)

    def kill(self, name: str) -> int | None:
        """End a process with SIGKILL and return its number; None when it does not run just now."""
        return self._send(name, signal.SIGKILL)

    def terminate(self, name: str) -> int | None:
        """Ask a process to leave in order; it is started again as after any end."""
        return self._send(name, signal.SIGTERM)

    def freeze(self, name: str) -> int | None:
        """Stop a process, and what it has started, without ending it."""
        return self._send(name, signal.SIGSTOP)

    def thaw(self, name: str, pid: int) -> None:
        """Let the frozen process `pid` go on, unless it has ended since."""
        with self._lock:
            kept = self._kept.get(name)
            if kept is None or kept.running is None or kept.running.pid != pid:
                return
            kept.frozen = False
        _signal_group(pid, signal.SIGCONT)

    def grace_s(self, name: str) -> float:
        """Return how long a process may take to leave in order."""
        with self._lock:
            return self._kept[name].process.stop_grace_s

    def wait_for(self, name: str, true: Callable[[State], bool], limit_s: float) -> bool:
        """Wait until a process is in a wanted state and return whether it came to that."""
        until = time.monotonic() + limit_s
        while time.monotonic() < until:
            state = self.states().get(name)
            if state is not None and true(state):
                return True
            time.sleep(_LOOK_S)
        return False

    def wait_for_death(self, name: str, deaths: int, limit_s: float) -> bool:
        """Wait until a process has died more than `deaths` times and return whether it did."""
        return self.wait_for(name, lambda state: state.deaths > deaths, limit_s)

    def fill_disk(self, *, full: bool) -> None:
        """Let no process write to its log any more, nor those that are started meanwhile; or let them again."""
        with self._lock:
            self._full = full
            pids = [kept.running.pid for kept in self._kept.values() if kept.running is not None]
        for pid in pids:
            _limit_files(pid, full=full)

    def retire(self, name: str) -> None:
        """Stop a process within its grace and keep it no longer."""
        with self._lock:
            kept = self._kept.get(name)
            if kept is None:
                return
            kept.retired, kept.told = True, kept.process.stop_signal.name
            running = kept.running
        if running is not None:
            _signal_group(running.pid, signal.SIGCONT)
            with suppress(ProcessLookupError):
                os.kill(running.pid, kept.process.stop_signal)
            if not self.wait_for(name, lambda state: not state.alive, kept.process.stop_grace_s):
                _signal_group(running.pid, signal.SIGKILL)
                self.wait_for(name, lambda state: not state.alive, 5)
        with self._lock:
            self._kept.pop(name, None)

    def stop(self) -> None:
        """Stop everything, in the order of the phases, and end the thread."""
        with self._lock:
            phases = sorted({kept.process.phase for kept in self._kept.values()})
            members = {
                phase: [name for name, kept in self._kept.items() if kept.process.phase is phase] for phase in phases
            }
        for phase in phases:
            threads = [threading.Thread(target=self.retire, args=(name,)) for name in members[phase]]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
        self._leave.set()
        if self._thread.is_alive():
            self._thread.join(5)

    def _send(self, name: str, number: signal.Signals) -> int | None:
        with self._lock:
            kept = self._kept.get(name)
            if kept is None or kept.running is None or kept.running.poll() is not None:
                return None
            pid = kept.running.pid
            if number is signal.SIGSTOP:
                kept.frozen = True
                _signal_group(pid, number)
            else:
                kept.told = number.name
                with suppress(ProcessLookupError):
                    os.kill(pid, number)
        return pid

    def _run(self) -> None:
        while not self._leave.wait(_LOOK_S):
            with self._lock:
                for kept in self._kept.values():
                    if kept.running is not None and kept.running.poll() is not None:
                        self._bury(kept)
                    if kept.running is None and not kept.retired and time.monotonic() >= kept.start_at_s:
                        self._spawn(kept)

    def _spawn(self, kept: _Kept) -> None:
        process = kept.process
        with self.log_of(process.name).open("ab") as log:
            kept.running = subprocess.Popen(
                spawn_command(process),
                cwd=process.cwd,
                env=dict(kept.environ) | dict(process.env),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        kept.began_s, kept.told, kept.frozen = time.monotonic(), "", False
        if self._full:
            _limit_files(kept.running.pid, full=True)

    def _bury(self, kept: _Kept) -> None:
        dead = kept.running
        assert dead is not None
        kept.running = None
        # What it had started must not go on without it.
        _signal_group(dead.pid, signal.SIGKILL)
        lived_s = time.monotonic() - kept.began_s
        self._deaths.append(
            Death(
                name=kept.process.name,
                pid=dead.pid,
                at_s=time.time(),
                how=_how(dead.returncode),
                told=kept.told,
                lived_s=lived_s,
            )
        )
        kept.deaths += 1
        kept.frozen = False
        kept.pause_s = next_pause_s(0.0 if lived_s >= STEADY_S else kept.pause_s, self._rng)
        kept.start_at_s = time.monotonic() + kept.pause_s


def _how(returncode: int | None) -> str:
    if returncode is not None and returncode < 0:
        return signal.Signals(-returncode).name
    return f"exit code {returncode}"


def _signal_group(pid: int, number: signal.Signals) -> None:
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, number)


def _limit_files(pid: int, *, full: bool) -> None:
    """Let a process write no file beyond what any has already; sockets are no files."""
    with suppress(ProcessLookupError):
        _, hard = resource.prlimit(pid, resource.RLIMIT_FSIZE)
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (0 if full else hard, hard))
