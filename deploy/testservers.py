"""Throwaway PostgreSQL and Redis for tests: real servers, up in about two seconds, gone with the process.

    with embedded_servers(Path("/tmp/somewhere")) as servers:
        servers.database_url, servers.redis_url
        servers.redis.stop()

Start them from the main thread: the kernel ends them when the thread that started them ends.
"""

import contextlib
import os
import secrets
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from deploy.process import Process, spawn_command
from deploy.servers import free_port, wait_until
from deploy.servers_postgres import PostgresServer
from deploy.servers_redis import RedisServer


@dataclass(slots=True)
class Handle:
    """One server that a test may stop, kill and start again on the same port and files."""

    server: PostgresServer | RedisServer
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
        """Start it and wait until it answers."""
        self.server.prepare()
        process: Process = self.server.process()
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
    folder.mkdir(parents=True, exist_ok=True)
    with contextlib.ExitStack() as stack:
        # Root's PostgreSQL is another user, who cannot pass through pytest's private folders.
        parent = Path(tempfile.gettempdir()) if os.geteuid() == 0 else folder
        home = Path(tempfile.mkdtemp(dir=parent, prefix="switchyard-pg-"))
        stack.callback(shutil.rmtree, home, ignore_errors=True)
        database = PostgresServer(
            home=home,
            port=free_port(),
            superuser_password=secrets.token_urlsafe(12),
            password=secrets.token_urlsafe(12),
            log=folder / "postgres.log",
            install_id="test",
            durable=False,
        )
        postgres = Handle(database)
        redis = RedisHandle(
            RedisServer(
                home=folder / "redis", port=free_port(), password=secrets.token_urlsafe(12), log=folder / "redis.log"
            )
        )
        for handle in (postgres, redis):
            stack.callback(handle.stop)
            handle.start()
        database.ensure_database()
        yield EmbeddedServers(postgres=postgres, redis=redis)
