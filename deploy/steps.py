"""What is done once before the processes start: a table, run in order, each step safe to repeat."""

import asyncio
import os
import signal
import sys
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from deploy.folder import CHECKOUT, SetupError
from deploy.servers import tail
from deploy.terminal import Terminal


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One command of the set-up."""

    title: str
    #: Arguments after the interpreter.
    command: tuple[str, ...]
    #: Whether what it writes to standard output is for the person at the terminal.
    speaks: bool = False


STEPS: tuple[Step, ...] = (
    Step(title="database schema", command=("manage.py", "migrate", "--noinput", "--verbosity", "0")),
    # Said once for all processes, and before any of them: a refusal would come from each again and again.
    Step(title="start-up checks", command=("manage.py", "doctor", "--start"), speaks=True),
    Step(title="example company", command=("manage.py", "setup_example"), speaks=True),
    Step(title="question router", command=("manage.py", "train_router", "--if-missing")),
)


async def run_steps(
    steps: tuple[Step, ...], *, environ: Mapping[str, str], log: Path, terminal: Terminal, cwd: Path = CHECKOUT
) -> None:
    """Run `steps` one after the other, each with its time.

    Raises:
        SetupError: one failed; it carries the end of what the step wrote.
    """
    _begin(log)
    for step in steps:
        with terminal.timed(step.title):
            spoken = await _run(step, environ=environ, log=log, cwd=cwd)
        for line in spoken:
            terminal.say(f"      {line}")


async def _run(step: Step, *, environ: Mapping[str, str], log: Path, cwd: Path) -> list[str]:
    with log.open("ab", buffering=0) as handle:
        handle.write(f"--- {step.title}: {' '.join(step.command)}\n".encode())
        running = await asyncio.create_subprocess_exec(
            *(sys.executable, *step.command),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=handle,
            env=dict(environ),
            cwd=cwd,
            start_new_session=True,
        )
        try:
            written, _ = await running.communicate()
        except asyncio.CancelledError:
            await _end(running)
            raise
        # What a step says may be shown once and never again (an API key), so it is kept out of the log file.
        if not step.speaks or running.returncode != 0:
            handle.write(written)
    if running.returncode != 0:
        raise SetupError(
            f"the step “{step.title}” failed (exit code {running.returncode}):\n{tail(log)}\n(all of it: {log})"
        )
    return written.decode("utf-8", errors="replace").splitlines() if step.speaks else []


def _begin(log: Path) -> None:
    log.parent.mkdir(parents=True, exist_ok=True)
    log.write_bytes(b"")


async def _end(running: asyncio.subprocess.Process) -> None:
    with suppress(ProcessLookupError):
        os.killpg(running.pid, signal.SIGTERM)
    try:
        await asyncio.wait_for(running.wait(), 5)
    except TimeoutError:
        with suppress(ProcessLookupError):
            os.killpg(running.pid, signal.SIGKILL)
        await running.wait()
