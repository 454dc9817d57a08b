"""Real processes of the process table, started for a test and ended with it."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx

from deploy.servers import free_port
from orchestrator.queues import PROCESSES, command

CHECKOUT = Path(__file__).parent.parent


@dataclass(slots=True)
class Stack:
    """Running processes by name and index; a test may kill or stop one."""

    environ: dict[str, str]
    logs: Path
    port: int
    running: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    @property
    def base_url(self) -> str:
        """Where the first gateway answers."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def base_urls(self) -> tuple[str, ...]:
        """Where every gateway answers."""
        gateways = sum(key.startswith("gateway-") for key in self.running)
        return tuple(f"http://127.0.0.1:{self.port + index}" for index in range(gateways))

    def start(self, name: str, *, index: int = 0, app: str = "orchestrator.celery") -> None:
        """Start one process of the table; `app`: the module of a Celery app that stands in for the product's."""
        process = next(p for p in PROCESSES if p.name == name)
        arguments = [app if part == "orchestrator.celery" else part for part in command(process, index=index)]
        self.launch(f"{name}-{index}", arguments)

    def launch(self, key: str, arguments: Sequence[str]) -> None:
        """Start a process under a name; `arguments` follow the interpreter."""
        with (self.logs / f"{key}.log").open("ab") as log:
            self.running[key] = subprocess.Popen(
                [sys.executable, *arguments],
                cwd=CHECKOUT,
                env=self.environ,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def stop(self, key: str, *, number: signal.Signals = signal.SIGTERM, limit_s: float = 20) -> int:
        """Send a signal and wait; SIGKILL for what outlives `limit_s`. Return the exit code."""
        process = self.running.pop(key)
        process.send_signal(number)
        try:
            return process.wait(limit_s)
        except subprocess.TimeoutExpired:
            process.kill()
            return process.wait()

    def wait_ready(self, limit_s: float = 90) -> None:
        """Return when `/readyz` says so.

        Raises:
            TimeoutError: it did not in `limit_s`; the message holds what was not ready.
        """
        until, last = time.monotonic() + limit_s, "no answer"
        while time.monotonic() < until:
            self._require_alive()
            try:
                answer = httpx.get(f"{self.base_url}/readyz", timeout=5)
                if answer.status_code == 200:
                    return
                last = answer.text
            except httpx.HTTPError as exc:
                last = type(exc).__name__
            time.sleep(0.25)
        raise TimeoutError(f"not ready after {limit_s} s: {last}; see {self.logs}")

    def wait_serving(self, limit_s: float = 90) -> None:
        """Return when all started processes are at work, whatever else `/readyz` misses in a partial stack.

        Raises:
            TimeoutError: as for `wait_ready`.
        """
        from orchestrator.store import processes
        from orchestrator.store.engine import rw

        wanted = {key for key in self.running if not key.startswith("gateway")}
        until = time.monotonic() + limit_s
        missing: set[str] = set()
        while time.monotonic() < until:
            self._require_alive()
            alive = {row["name"] for row in processes.alive(rw())}
            missing = {key for key in wanted if key not in alive and key.removesuffix("-0") not in alive}
            if not missing and all(_answers(f"{url}/healthz") for url in self.base_urls):
                return
            time.sleep(0.25)
        raise TimeoutError(f"not serving after {limit_s} s: {missing}; see {self.logs}")

    def _require_alive(self) -> None:
        dead = [key for key, process in self.running.items() if process.poll() is not None]
        if dead:
            raise TimeoutError(f"died while starting: {dead}; see {self.logs}")

    def log(self, key: str) -> str:
        """Return what a process has logged so far."""
        return (self.logs / f"{key}.log").read_text(errors="replace")


def free_ports(count: int, choose: Callable[[], int] = free_port) -> int:
    """Return a port, of those that `choose` gives, that is free together with the `count - 1` after it."""
    while True:
        first = choose()
        try:
            for port in range(first, first + count):
                with socket.socket() as probe:
                    probe.bind(("127.0.0.1", port))
        except OSError:
            continue
        return first


def _answers(url: str) -> bool:
    try:
        return httpx.get(url, timeout=5).status_code == 200
    except httpx.HTTPError:
        return False


@contextmanager
def running_stack(
    logs: Path, environ: Mapping[str, str], *, names: tuple[str, ...], gateways: int = 1
) -> Iterator[Stack]:
    """Run the named processes, and `gateways` of the gateway, until the block ends."""
    port = free_ports(gateways)
    stack = Stack(
        environ={**os.environ, **environ, "PORT": str(port), "OMP_NUM_THREADS": "1", "PYTHONUNBUFFERED": "1"},
        logs=logs,
        port=port,
    )
    try:
        for index in range(gateways):
            stack.start("gateway", index=index)
        for name in names:
            stack.start(name)
        yield stack
    finally:
        for key in list(stack.running):
            stack.stop(key)
