"""Start everything in the foreground: private servers, the steps of the set-up, the process table; `make run`."""

import asyncio
import contextlib
import os
import secrets
import signal
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from deploy.folder import DataFolder, SetupError
from deploy.keys import product_secrets
from deploy.private import start_postgres, start_redis
from deploy.process import Process
from deploy.readiness import wait_ready
from deploy.rolling import FAILED, RestartLog, restart_all
from deploy.servers import LOOPBACK, free_port
from deploy.steps import STEPS, Step, run_steps
from deploy.supervisor import Supervisor
from deploy.table import processes
from deploy.terminal import Terminal
from settings.env import Environment
from settings.loading import SettingsError, load

READY_LIMIT_S = 240.0


@dataclass(slots=True, kw_only=True)
class Installation:
    """One start of Switchyard from this checkout with one data folder."""

    folder: DataFolder
    settings: Environment
    terminal: Terminal
    steps: tuple[Step, ...] = STEPS
    table: Callable[[Mapping[str, str]], list[Process]] = processes
    #: Stay and serve; else the steps are run beside the servers, and that is all.
    serve: bool = True
    _supervisor: Supervisor = field(init=False)
    _until_the_end: contextlib.ExitStack = field(default_factory=contextlib.ExitStack, init=False)
    _stops: int = field(default=0, init=False)
    _stop: asyncio.Event = field(default_factory=asyncio.Event, init=False)
    #: The table, once everything has been started.
    _started: list[Process] = field(default_factory=list, init=False)
    _restart: "asyncio.Task[None] | None" = field(default=None, init=False)

    def __post_init__(self) -> None:
        self._supervisor = Supervisor(
            logs=self.folder.logs,
            terminal=self.terminal,
            environ=self.environ(),
            run_id=secrets.token_hex(8),
        )

    def environ(self) -> dict[str, str]:
        """Return the environment of everything that is started: a path to the secrets, never the secrets."""
        return {
            **os.environ,
            "SWITCHYARD_DATA_DIR": str(self.folder.root),
            "SWITCHYARD_SECRETS_FILE": str(self.folder.secrets),
            "DJANGO_SETTINGS_MODULE": os.environ.get("DJANGO_SETTINGS_MODULE", f"settings.{self.settings.mode}"),
            "PYTHONUNBUFFERED": "1",
            "TOKENIZERS_PARALLELISM": "false",
        }

    async def run(self) -> int:
        """Bring everything up, stay until a signal, take everything down; return the exit code."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            loop.add_signal_handler(number, self._on_signal)
        loop.add_signal_handler(signal.SIGUSR1, self._on_restart)
        bringing_up = asyncio.create_task(self._bring_up(), name="bring everything up")
        stopped = asyncio.create_task(self._stop.wait(), name="wait for a signal")
        code = 0
        try:
            await asyncio.wait({bringing_up, stopped}, return_when=asyncio.FIRST_COMPLETED)
            if bringing_up.done():
                bringing_up.result()
                await stopped
        except SetupError as exc:
            self.terminal.say(f"\n{self.terminal.paint('31', 'switchyard:')} {exc}")
            code = 1
        finally:
            await self._take_down(bringing_up, stopped)
        return code

    def _on_signal(self) -> None:
        self._stops += 1
        self._stop.set()
        if self._stops == 2:
            self.terminal.say("\nStopping at once …")
            self._supervisor.hasten()

    def _on_restart(self) -> None:
        if self._restart is not None and not self._restart.done():
            return  # whoever asked reads how that one gets on
        self._restart = asyncio.create_task(self._replace(), name="rolling restart")

    async def _replace(self) -> None:
        log = RestartLog(self.folder.restart_log)
        if not self._started or self._stop.is_set():
            log.say(f"{FAILED}: it is only just starting, or stopping.")
            return
        self.terminal.say("\nRestarting one process after the other …")
        try:
            # New code may come with a new schema; it must be one that the processes still running can live with.
            log.say("The set-up once more, then one process after the other:")
            await self._run_steps()
            well = await restart_all(self._started, self._supervisor, log)
        except SetupError as exc:
            log.say(f"{exc}\n{FAILED}: nothing was touched.")
            well = False
        self.terminal.say(
            self.folder.restart_log.read_text(encoding="utf-8").rstrip() if well else "Not all restarted."
        )

    async def _run_steps(self) -> None:
        environ = self.environ() | {"SWITCHYARD_SECRETS_FILE": str(self.folder.setup_secrets)}
        await run_steps(self.steps, environ=environ, log=self.folder.logs / "setup.log", terminal=self.terminal)

    async def _take_down(self, *tasks: "asyncio.Task[object]") -> None:
        began = time.monotonic()
        if self._stop.is_set() and self.serve:
            self.terminal.say("\nStopping (once more to hurry) …")
        under_way = [*tasks, self._restart] if self._restart is not None else [*tasks]
        for task in under_way:
            task.cancel()
        await asyncio.gather(*under_way, return_exceptions=True)
        await self._supervisor.stop()
        self._until_the_end.close()
        if self.serve:
            self.terminal.say(f"Stopped in {time.monotonic() - began:.1f} s.")

    async def _bring_up(self) -> None:
        began = time.monotonic()
        if self.serve:
            self._require_free_ports()
            # Kept after the end: a command then says that nothing answers there, instead of looking elsewhere.
            self.folder.address.write_text(f"http://{LOOPBACK}:{self.settings.port}\n", encoding="utf-8")
        product = await self._start_servers()
        await self._run_steps()
        if not self.serve:
            self._stop.set()
            return
        table = self.table(self.environ())
        with self.terminal.timed(f"{len(table)} processes"):
            for process in table:
                self._supervisor.start(process)
            ready = await wait_ready(self.settings.port, terminal=self.terminal, limit_s=READY_LIMIT_S)
        self._started = table
        self._greet(time.monotonic() - began, ready=ready, flower_password=product["flower_password"])

    def _require_free_ports(self) -> None:
        wanted = {"FLOWER_PORT": self.settings.flower_port}
        wanted |= {f"PORT{f'+{i}' if i else ''}": self.settings.port + i for i in range(self.settings.gateways)}
        for name, port in wanted.items():
            if free_port(port) != port:
                raise SetupError(f"port {port} is taken: set {name.split('+')[0]} to another one ({name} is {port})")

    async def _start_servers(self) -> dict[str, str]:
        """Start what no address was given for; return what the product's settings read from the secrets file."""
        self.folder.logs.mkdir(exist_ok=True)
        addresses, setup_only = {}, {}
        if not self.settings.database_url.get_secret_value():
            with self.terminal.timed("PostgreSQL"):
                server = await start_postgres(self.folder, self._supervisor, self._until_the_end)
            addresses["database_url"] = server.url
            setup_only["database_superuser_url"] = server.superuser_url
        if not self.settings.redis_url.get_secret_value():
            with self.terminal.timed("Redis"):
                addresses["redis_url"] = await start_redis(self.folder, self._supervisor)
        return product_secrets(self.folder, addresses, setup_only)

    def _greet(self, took_s: float, *, ready: bool, flower_password: str) -> None:
        paint, say = self.terminal.paint, self.terminal.say
        say()
        say(f"  {'Ready' if ready else 'Started, but not ready yet,'} after {took_s:.1f} s. Ctrl-C stops everything.")
        if self.settings.development_users:
            say("  Users    demo / demo   waiter / waiter   admin / admin   (second company: rival / rival)")
        say(f"  Admin    http://{LOOPBACK}:{self.settings.port}/admin/")
        say(f"  Flower   http://{LOOPBACK}:{self.settings.flower_port}/   operator / {flower_password}")
        say(f"  Logs     {self.folder.logs}")
        say(f"  {paint('1', f'Page     http://{LOOPBACK}:{self.settings.port}/')}")


def main() -> int:
    """Run until a signal; return the exit code."""
    terminal = Terminal()
    # From the lock on, `make restart` may ask; without a handler yet, the signal would end us.
    signal.signal(signal.SIGUSR1, signal.SIG_IGN)
    try:
        settings = load()
        folder = DataFolder.of(os.environ)
        with folder.locked():
            return asyncio.run(Installation(folder=folder, settings=settings, terminal=terminal).run())
    except (SetupError, SettingsError) as exc:
        terminal.say(f"switchyard: {exc}")
        return 1
    except KeyboardInterrupt:  # so early that nothing had been started
        return 130


if __name__ == "__main__":
    raise SystemExit(main())
