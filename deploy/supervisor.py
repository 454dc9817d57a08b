"""Keeps a table of processes alive and ends them in order."""

import asyncio
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from deploy import guard
from deploy.logfile import LogFile
from deploy.process import RUN_MARK, Phase, Process, spawn_command
from deploy.terminal import LineFilter, Terminal

BACKOFF_FLOOR_S = 0.2
BACKOFF_CEILING_S = 15.0
#: A process that lived this long is well again: its next death starts the backoff anew.
STEADY_S = 10.0
_LIVE_POLL_S = 0.1
#: The same line of the same process is not shown again for so long.
REPEAT_S = 60.0
#: Longest stretch of output that counts as one line.
_LINE_LIMIT = 256 * 1024
#: After the group's death, how long to wait for output that a stranger still holds open.
_DRAIN_S = 0.3
#: Lines shown of a process that died without having complained.
_LAST_WORDS = 4


def next_pause_s(last_s: float, rng: random.Random) -> float:
    """Return a pause with decorrelated jitter: processes that died together do not come back together.

    The first one, after `last_s` of 0, is short, as somebody waits for whatever died: 0.2 to 0.5 s.

    https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/
    """
    return min(BACKOFF_CEILING_S, rng.uniform(BACKOFF_FLOOR_S, last_s * 3 if last_s else BACKOFF_FLOOR_S * 2.5))


@dataclass(slots=True, eq=False)
class _Kept:
    """One process of the table while it is under supervision."""

    process: Process
    log: LogFile
    task: asyncio.Task[None] | None = None
    running: asyncio.subprocess.Process | None = None
    stopping: bool = False
    #: Its end was asked for, so that it is no death and needs no pause.
    asked: bool = False
    #: Ends the pause before the next start.
    again: asyncio.Event = field(default_factory=asyncio.Event)
    deaths: int = 0
    _told: str = ""
    _told_at: float = 0.0

    def repeats(self, text: str) -> bool:
        """Tell whether `text` was the last thing shown, a moment ago: once is enough, and the log has them all."""
        now = time.monotonic()
        if text == self._told and now - self._told_at < REPEAT_S:
            return True
        self._told, self._told_at = text, now
        return False


@dataclass(slots=True, kw_only=True)
class Supervisor:
    """Starts processes, restarts what dies, shows what matters of their output, and stops them phase by phase."""

    logs: Path
    terminal: Terminal
    #: The environment of all processes, before what each adds of its own.
    environ: Mapping[str, str]
    run_id: str
    rng: random.Random = field(default_factory=random.Random)
    _kept: dict[str, _Kept] = field(default_factory=dict, init=False)
    _hasten: asyncio.Event = field(default_factory=asyncio.Event, init=False)
    _guard: "subprocess.Popen[bytes] | None" = field(default=None, init=False)

    def start(self, process: Process) -> None:
        """Keep `process` alive from now on."""
        if self._guard is None:
            self._start_guard()
        kept = _Kept(process=process, log=LogFile(self.log_of(process.name)))
        self._kept[process.name] = kept
        kept.task = asyncio.create_task(self._keep_alive(kept), name=f"keep {process.name} alive")

    def log_of(self, name: str) -> Path:
        """Return where the raw output of process `name` goes."""
        return self.logs / f"{name}.log"

    def deaths(self, name: str) -> int:
        """Return how often process `name` has ended without being asked to."""
        return self._kept[name].deaths

    async def restart(self, name: str) -> bool:
        """End process `name` in order and start it anew; return whether the new one came to be at work."""
        kept = self._kept[name]
        old = kept.running
        if old is None:
            kept.again.set()
        else:
            kept.asked = True
            _signal(old.pid, kept.process.stop_signal)
            try:
                await asyncio.wait_for(old.wait(), kept.process.stop_grace_s)
            except TimeoutError:
                self.terminal.tell(name, f"did not stop within {kept.process.stop_grace_s:g} s; killed", level=30)
                _kill_group(old.pid)
        until = time.monotonic() + kept.process.live_limit_s
        while time.monotonic() < until:
            new = kept.running
            if new is not None and new is not old and await self._at_work(kept.process, new.pid):
                return True
            await asyncio.sleep(_LIVE_POLL_S)
        return False

    async def _at_work(self, process: Process, pid: int) -> bool:
        return process.live is None or await asyncio.to_thread(process.live, pid)

    def hasten(self) -> None:
        """Give no more grace: what is still stopping is killed."""
        self._hasten.set()

    async def stop(self) -> None:
        """End all processes, phase by phase, each with its grace; then whatever they left behind."""
        for phase in Phase:
            members = [kept for kept in self._kept.values() if kept.process.phase is phase]
            await asyncio.gather(*(self._end(kept) for kept in members))
        guard.sweep(self._mark)
        for kept in self._kept.values():
            kept.log.close()
        if self._guard is not None and self._guard.stdin is not None:
            self._guard.stdin.close()
            await asyncio.to_thread(self._guard.wait)

    async def _keep_alive(self, kept: _Kept) -> None:
        pause_s = 0.0
        while True:
            began = time.monotonic()
            try:
                last_words = await self._live_once(kept)
            except OSError as exc:  # no memory or no file descriptor left to start it with
                last_words = [str(exc)]
            if kept.stopping:
                return
            if kept.asked:
                kept.asked = False
                continue
            kept.deaths += 1
            pause_s = next_pause_s(0.0 if time.monotonic() - began >= STEADY_S else pause_s, self.rng)
            self._report_death(kept, last_words, pause_s)
            kept.again.clear()
            with suppress(TimeoutError):
                await asyncio.wait_for(kept.again.wait(), pause_s)

    async def _live_once(self, kept: _Kept) -> list[str]:
        """Run the process to its end; return its last lines."""
        process = kept.process
        # A pipe of our own: with asyncio's, `wait` would last until every grandchild has closed its end too.
        output, child_end = os.pipe()
        try:
            running = await asyncio.create_subprocess_exec(
                *spawn_command(process),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=child_end,
                stderr=asyncio.subprocess.STDOUT,
                start_new_session=True,
                cwd=process.cwd,
                env=self._environ_of(process),
            )
        except BaseException:
            os.close(output)
            raise
        finally:
            os.close(child_end)
        kept.running = running
        last_words: list[str] = []
        reader = asyncio.create_task(self._read(kept, output, last_words), name=f"read {process.name}")
        try:
            await running.wait()
            # What it had started must not go on without it, and not hold its output open either.
            _kill_group(running.pid)
            await asyncio.wait({reader}, timeout=_DRAIN_S)
        finally:
            kept.running = None
            reader.cancel()
            await asyncio.gather(reader, return_exceptions=True)
        return [*last_words, _how(running.returncode)]

    def _environ_of(self, process: Process) -> dict[str, str]:
        if process.phase is Phase.SERVERS:
            # No mark: when we are killed, the kernel tells them to stop, and they do so in good order; the sweep would
            # not let them. And nothing of the product's environment: it is none of their business.
            return {"PATH": os.defpath, "LC_ALL": "C", "TZ": "UTC"} | dict(process.env)
        return dict(self.environ) | dict(process.env) | {RUN_MARK: self.run_id}

    async def _read(self, kept: _Kept, output: int, last_words: list[str]) -> None:
        stream = asyncio.StreamReader()
        transport, _ = await asyncio.get_running_loop().connect_read_pipe(
            lambda: asyncio.StreamReaderProtocol(stream), os.fdopen(output, "rb", buffering=0)
        )
        line_filter, pending = LineFilter(), b""
        try:
            while chunk := await stream.read(65536):
                *lines, pending = (pending + chunk).split(b"\n")
                if len(pending) > _LINE_LIMIT:
                    lines, pending = [*lines, pending], b""
                for line in lines:
                    self._take(kept, line, line_filter, last_words)
        finally:
            if pending:
                self._take(kept, pending, line_filter, last_words)
            transport.close()

    def _take(self, kept: _Kept, line: bytes, line_filter: LineFilter, last_words: list[str]) -> None:
        kept.log.write(line + b"\n")
        text = line.decode("utf-8", errors="replace").rstrip()
        shown = line_filter.shown(text)
        if shown is not None and shown[1] >= kept.process.shown_from:
            last_words.clear()  # what was shown is not told again at its death
            if not kept.stopping and not kept.repeats(shown[0]):
                self.terminal.tell(kept.process.name, shown[0], level=shown[1])
        elif text:
            last_words.append(text)
            del last_words[:-_LAST_WORDS]

    def _report_death(self, kept: _Kept, last_words: list[str], pause_s: float) -> None:
        name = kept.process.name
        *before, how = last_words
        for line in before:
            self.terminal.tell(name, f"  {line}")
        again = f"starting it again in {pause_s:.1f} s (log: {self.log_of(name)})"
        self.terminal.tell(name, f"ended by itself ({how}); {again}", level=30)

    async def _end(self, kept: _Kept) -> None:
        kept.stopping = True
        if kept.running is not None:
            # To the leader alone: a worker shuts its own children down, and they would die in the middle of a task.
            _signal(kept.running.pid, kept.process.stop_signal)
            grace_s = kept.process.stop_grace_s
            if not await self._ended_within(kept, grace_s):
                if not self._hasten.is_set():
                    self.terminal.tell(kept.process.name, f"did not stop within {grace_s:g} s; killed", level=30)
                await self._kill(kept)
        if kept.task is not None:
            kept.task.cancel()
            with suppress(asyncio.CancelledError):
                await kept.task

    async def _ended_within(self, kept: _Kept, grace_s: float) -> bool:
        """Wait for the process' end, at most `grace_s` and no longer than until `hasten`."""
        if kept.task is None:
            return True
        if kept.process.phase is Phase.SERVERS and self._hasten.is_set():
            # Even in a hurry: what is written in good order now need not be recovered at the next start.
            await asyncio.wait({kept.task}, timeout=min(grace_s, 5))
            return kept.task.done()
        hastened = asyncio.create_task(self._hasten.wait(), name="hastened")
        try:
            await asyncio.wait({kept.task, hastened}, timeout=grace_s, return_when=asyncio.FIRST_COMPLETED)
        finally:
            hastened.cancel()
        return kept.task.done()

    async def _kill(self, kept: _Kept) -> None:
        if kept.running is None or kept.task is None:
            return
        if kept.process.phase is Phase.SERVERS:
            # A PostgreSQL that aborts cleans up after itself; a killed one leaves processes and shared memory behind.
            _signal(kept.running.pid, signal.SIGQUIT)
            if (await asyncio.wait({kept.task}, timeout=3))[0]:
                return
        _kill_group(kept.running.pid)
        await asyncio.wait({kept.task}, timeout=5)

    @property
    def _mark(self) -> str:
        return f"{RUN_MARK}={self.run_id}"

    def _start_guard(self) -> None:
        self._guard = subprocess.Popen(
            [sys.executable, "-I", "-S", guard.__file__, self._mark],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
            cwd="/",
        )


def _how(returncode: int | None) -> str:
    if returncode is not None and returncode < 0:
        return signal.Signals(-returncode).name
    return f"exit code {returncode}"


def _signal(pid: int, number: signal.Signals) -> None:
    with suppress(ProcessLookupError):
        os.kill(pid, number)


def _kill_group(pid: int) -> None:
    """Kill the process group that `pid` leads; its leader may be dead already."""
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, signal.SIGKILL)
