"""Throwaway PostgreSQL and Redis for tests: real servers, up in about two seconds, gone with the process.

    with embedded_servers(Path("/tmp/somewhere")) as servers:
        servers.database_url, servers.redis_url
        servers.redis.stop()

Start them from the main thread: the kernel ends them when the thread that started them ends.
"""

import contextlib
import os
import random
import secrets
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import IO

from deploy.process import Process, spawn_command
from deploy.servers import LOOPBACK, ServerStartError, free_port, wait_until
from deploy.servers_postgres import PostgresServer
from deploy.servers_redis import RedisServer

#: Below what kernels give to outgoing connections: a port from there may be taken while its server is down.
_QUIET_PORTS = range(20_000, 26_900)
#: A killed PostgreSQL's children hold its shared memory for a moment longer.
_START_TRIES = 20


def quiet_port() -> int:
    """Return a free port that no outgoing connection will be given while its server is down."""
    for port in random.sample(_QUIET_PORTS, 200):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((LOOPBACK, port))
            except OSError:
                continue
            return port
    raise RuntimeError("no free port among 200")


@dataclass(slots=True)
class Handle:
    """One server that a test may stop, kill and start again on the same port and files."""

    server: PostgresServer | RedisServer
    #: Further arguments of its command.
    arguments: tuple[str, ...] = ()
    _running: subprocess.Popen[bytes] | None = field(default=None, init=False)
    _log: IO[bytes] | None = field(default=None, init=False)

    @property
    def url(self) -> str:
        """Where clients connect."""
        return self.server.url

    @property
    def running(self) -> bool:
        """Whether its process lives."""
        return self._running is not None and self._running.poll() is None

    def start(self) -> None:
        """Start it and wait until it answers.

        Raises:
            ServerStartError: it does not.
        """
        for left in reversed(range(_START_TRIES)):
            try:
                self._start_once()
            except ServerStartError:
                if self.running or not left:
                    raise
                time.sleep(0.1)
            else:
                return

    def _start_once(self) -> None:
        self.server.prepare()
        process: Process = self.server.process()
        process = replace(process, command=(*process.command, *self.arguments))
        with self.server.log.open("ab") as log:
            running = subprocess.Popen(
                spawn_command(process),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                cwd=process.cwd,
            )
        self._running = running
        wait_until(
            self.server.answers,
            server=process.name,
            log=self.server.log,
            limit_s=60,
            gone=lambda: running.poll() is not None,
        )

    def stop(self) -> None:
        """Ask it to shut down in order and wait for it: Redis has written its file then."""
        if self._running is not None:
            process = self.server.process()
            self._running.send_signal(process.stop_signal)
            try:
                self._running.wait(process.stop_grace_s)
            except subprocess.TimeoutExpired:
                self.kill()
        self._running = None

    def kill(self) -> None:
        """End it as a crash would: SIGKILL, nothing written any more."""
        if self._running is not None:
            self._running.kill()
            self._running.wait()
        self._running = None

    def pause(self) -> None:
        """Freeze it: connections stay open and nothing answers."""
        self._signal_running("STOP")

    def resume(self) -> None:
        """Let a frozen server go on."""
        self._signal_running("CONT")

    def _signal_running(self, name: str) -> None:
        if self._running is None:
            raise RuntimeError("the server is not running")
        subprocess.run(["kill", f"-{name}", str(self._running.pid)], check=True)


class RedisHandle(Handle):
    """A Redis that can also come back with older data, or with none."""

    def keep(self) -> Path:
        """Return a copy of what it has written so far, to come back to with `restart_with`."""
        copy = Path(tempfile.mkdtemp(dir=self._home.parent, prefix="redis-kept-"))
        for name in ("appendonly.aof", "dump.rdb"):
            if (self._home / name).exists():
                shutil.copy2(self._home / name, copy / name)
        return copy

    def restart_with(self, kept: Path | None) -> None:
        """Crash it and start it with the data of `kept`, or with none: as after the loss of a disk."""
        self.kill()
        for name in ("appendonly.aof", "dump.rdb"):
            (self._home / name).unlink(missing_ok=True)
            if kept is not None and (kept / name).exists():
                shutil.copy2(kept / name, self._home / name)
        self.start()

    @property
    def _home(self) -> Path:
        return self.server.home


@dataclass(frozen=True, slots=True, kw_only=True)
class EmbeddedServers:
    """What `embedded_servers` yields."""

    postgres: Handle
    redis: RedisHandle

    @property
    def database_url(self) -> str:
        """The platform's database: empty, with the vector extension, owned by its role."""
        return self.postgres.url

    @property
    def redis_url(self) -> str:
        """The broker and the log."""
        return self.redis.url


@contextlib.contextmanager
def embedded_servers(folder: Path) -> Iterator[EmbeddedServers]:
    """Run both servers with fresh files under `folder` and remove them at the end."""
    with (
        embedded_postgres(folder, port=free_port()) as postgres,
        embedded_redis(folder, port=free_port()) as redis,
    ):
        yield EmbeddedServers(postgres=postgres, redis=redis)


@contextlib.contextmanager
def embedded_postgres(
    folder: Path, *, port: int, name: str = "postgres", settings: Mapping[str, str] | None = None
) -> Iterator[Handle]:
    """Run a PostgreSQL with fresh files, which logs to `<name>.log` in `folder`, and remove the files at the end.

    `settings` override its own. Without `synchronous_commit` a crash of it loses its last commits.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with contextlib.ExitStack() as stack:
        # Root's PostgreSQL is another user, who cannot pass through pytest's private folders.
        parent = Path(tempfile.gettempdir()) if os.geteuid() == 0 else folder
        home = Path(tempfile.mkdtemp(dir=parent, prefix="switchyard-pg-"))
        stack.callback(shutil.rmtree, home, ignore_errors=True)
        server = PostgresServer(
            home=home,
            port=port,
            superuser_password=secrets.token_urlsafe(12),
            password=secrets.token_urlsafe(12),
            log=folder / f"{name}.log",
            install_id="test",
            durable=False,
        )
        arguments = [part for name, value in (settings or {}).items() for part in ("-c", f"{name}={value}")]
        postgres = Handle(server, tuple(arguments))
        stack.callback(postgres.stop)
        postgres.start()
        server.ensure_database()
        yield postgres


@contextlib.contextmanager
def embedded_redis(folder: Path, *, port: int) -> Iterator[RedisHandle]:
    """Run a Redis with fresh files, which logs to `redis.log` in `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    server = RedisServer(home=folder / "redis", port=port, password=secrets.token_urlsafe(12), log=folder / "redis.log")
    redis = RedisHandle(server)
    with contextlib.ExitStack() as stack:
        stack.callback(redis.stop)
        redis.start()
        yield redis
