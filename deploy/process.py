"""What the supervisor is told about a process, and how one is started so that it cannot outlive us."""

import os
import signal
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import IntEnum
from pathlib import Path

CHILD = Path(__file__).with_name("child.py")

#: Carried by all that serves the product, and by whatever those start: it is how leftovers are found at the end.
RUN_MARK = "SWITCHYARD_RUN_ID"


#: For `Process.shown_from`: the servers' clients say what goes wrong, and the whole output is in the log file anyway.
NEVER = 100


class Phase(IntEnum):
    """When a process stops: lower ones first, a phase only after the one before is gone."""

    EDGE = 0  # takes requests in: no new work from here on
    CONTROL = 1  # hands work out
    WORKERS = 2
    MODELS = 3  # a local language model, which draining workers still read from
    SERVERS = 4  # PostgreSQL and Redis: all others write to them until the end


@dataclass(frozen=True, slots=True, kw_only=True)
class Process:
    """One operating-system process to keep alive."""

    name: str
    command: tuple[str, ...]
    phase: Phase
    env: Mapping[str, str] = field(default_factory=dict)
    cwd: Path | None = None
    #: Asks for an orderly end.
    stop_signal: signal.Signals = signal.SIGTERM
    #: Seconds between that signal and SIGKILL for the whole process group.
    stop_grace_s: float = 15.0
    #: System user to become; only root may ask for one.
    user: str | None = None
    #: Level from which its lines are shown at the terminal (30: warnings, 40: errors, `NEVER`).
    shown_from: int = 30
    #: Whether the process with this id is at work; asked from a thread, again and again until it says so. Without it,
    #: a process is at work once it runs.
    live: Callable[[int], bool] | None = None
    #: How long it may take from its start until it is at work; the slowest loads a model.
    live_limit_s: float = 120.0


def spawn_command(process: Process) -> list[str]:
    """Return the command that starts `process` tied to the life of whoever starts it."""
    shim = [sys.executable, "-I", "-S", str(CHILD), str(os.getpid()), str(int(process.stop_signal)), process.user or ""]
    return [*shim, *process.command]
