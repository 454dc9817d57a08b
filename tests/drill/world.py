"""The drill's world: real servers, every process of the product, and a link between any two that faults can bend.

Processes reach PostgreSQL, Redis as the log, Redis as the broker, the customer's warehouse and the language model only
through links; the drill itself looks at all of them directly, and so keeps seeing what they can't.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import sys
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Final, Self, TypeVar
from urllib.parse import urlsplit, urlunsplit

import httpx
import psycopg2

from deploy.process import Phase, Process
from deploy.servers_postgres import PostgresServer
from deploy.table import PHASES
from deploy.testservers import Handle, RedisHandle, embedded_postgres, embedded_redis, quiet_port
from orchestrator.queues import PROCESSES, command
from tests.drill.proxy import Link, Proxies
from tests.drill.world_keeper import Death, Keeper, State
from tests.drill.world_llm import USUAL, LlmControl
from tests.stack import CHECKOUT, free_ports

_T = TypeVar("_T")
GATEWAYS: Final = 2
#: What each group of processes connects to by links of its own.
GROUPS: Final = ("gateways", "workers", "control")
_GROUP_OF: Final[Mapping[str, str]] = {
    "gateway": "gateways",
    "worker": "workers",
    "dispatcher": "control",
    "beat": "control",
}
#: About 0.8 s an answer.
LLM_SCRIPT: Final = "pieces=40 pace_s=0.02 http_routes=sql"
_SERVES = "SELECT 1 FROM switchyard_process WHERE pid = %s AND seen_at > now() - interval '5 seconds'"


@dataclass(slots=True)
class World:
    """Everything the drill breaks; a context manager. Start it in the main thread."""

    folder: Path
    rng: random.Random = field(default_factory=random.Random)
    #: Further settings of every process.
    environ: Mapping[str, str] = field(default_factory=dict)
    postgres: Handle = field(init=False)
    warehouse: Handle = field(init=False)
    redis: RedisHandle = field(init=False)
    llm: LlmControl = field(init=False)
    keeper: Keeper = field(init=False)
    #: `gateways-postgres`, `workers-broker`, `workers-llm` and so on.
    links: dict[str, Link] = field(default_factory=dict, init=False)
    _proxies: Proxies = field(init=False)
    _hands: dict[str, ThreadPoolExecutor] = field(default_factory=dict, init=False)
    _stack: contextlib.ExitStack = field(default_factory=contextlib.ExitStack, init=False)
    _first_port: int = field(default=0, init=False)

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    @property
    def base_urls(self) -> tuple[str, ...]:
        """Where the gateways answer."""
        return tuple(f"http://127.0.0.1:{self._first_port + index}" for index in range(GATEWAYS))

    @property
    def database_url(self) -> str:
        """The platform's database, past all links."""
        return self.postgres.url

    @property
    def redis_url(self) -> str:
        """Log and broker, past all links."""
        return self.redis.url

    @property
    def warehouse_log(self) -> Path:
        """The log of the customer's server, where each execution leaves its lines."""
        return self.warehouse.server.log

    @property
    def logs(self) -> Path:
        """Where every process and server writes."""
        return self.folder / "logs"

    @property
    def processes(self) -> Mapping[str, State]:
        """Return every process of the product by name."""
        return self.keeper.states()

    def deaths(self) -> list[Death]:
        """Return every end of a process so far; those that nobody asked for are the product's fault."""
        return self.keeper.deaths()

    def start(self) -> None:
        """Start servers, links and processes; `wait_ready` tells when they serve."""
        self.logs.mkdir(parents=True, exist_ok=True)
        self._start_servers()
        self._open_links()
        self._prepare_platform()
        self._start_processes()

    def stop(self) -> None:
        """End everything, in order."""
        self._stack.close()

    def wait_ready(self, limit_s: float = 240) -> None:
        """Return when every gateway says that it is ready and every process serves.

        Raises:
            TimeoutError: not all did in `limit_s`; the message names them.
        """
        until = time.monotonic() + limit_s
        while True:
            missing = [name for name in self.processes if not self.serves(name)]
            missing += [url for url in self.base_urls if not _answers(f"{url}/readyz")]
            if not missing:
                return
            if time.monotonic() > until:
                raise TimeoutError(f"not serving after {limit_s:g} s: {missing}; see {self.logs}")
            time.sleep(0.3)

    def serves(self, name: str) -> bool:
        """Tell whether a process is at work: a gateway answers, the others have a fresh heartbeat."""
        state = self.processes.get(name)
        if state is None or not state.alive or state.frozen:
            return False
        if name == "llm-fake":
            return self.llm.answers()
        if name.startswith("gateway"):
            return _answers(f"{self.base_urls[int(name.rpartition('-')[2])]}/healthz")
        try:
            with (
                contextlib.closing(psycopg2.connect(self.database_url, connect_timeout=2)) as connection,
                connection.cursor() as cursor,
            ):
                cursor.execute(_SERVES, (state.pid,))
                return cursor.fetchone() is not None
        except psycopg2.Error:
            return False

    async def by_hand(self, server: str, act: Callable[[], _T]) -> _T:
        """Run `act` in the thread that `server` (`postgres`, `redis`) lives and dies with."""
        return await asyncio.get_running_loop().run_in_executor(self._hands[server], act)

    def run_more(self, name: str, *, index: int) -> str:
        """Start one more of a process and return its name, for `keeper.retire`."""
        process = self._process(name, index=index, key=f"{name}-{index}")
        self.keeper.keep(process, self._environ_of(name))
        return process.name

    def _start_servers(self) -> None:
        servers = self.folder / "logs"
        self._hands = {name: ThreadPoolExecutor(1, thread_name_prefix=name) for name in ("postgres", "redis")}
        for hand in self._hands.values():
            self._stack.callback(hand.shutdown)
        # A crash of the server must lose no commit; a crash of the machine is not among the faults.
        lasting = {"synchronous_commit": "on", "idle_session_timeout": "0", "max_connections": "200"}
        enter = self._stack.enter_context
        self.postgres = enter(embedded_postgres(servers, port=quiet_port(), settings=lasting))
        self.warehouse = enter(embedded_postgres(servers, port=quiet_port(), name="warehouse"))
        self.redis = enter(embedded_redis(servers, port=quiet_port()))
        self.keeper = Keeper(self.logs, random.Random(self.rng.random()))

    def _open_links(self) -> None:
        llm_port = quiet_port()
        self._proxies = self._stack.enter_context(Proxies())
        redis, postgres = _port(self.redis.url), _port(self.postgres.url)
        targets = {
            f"{group}-{server}": target
            for group in GROUPS
            for server, target in (("postgres", postgres), ("redis", redis), ("broker", redis))
        }
        targets |= {"workers-warehouse": _port(self.warehouse.url), "workers-llm": llm_port}
        for name, target in targets.items():
            self.links[name] = self._proxies.link(name, port=quiet_port(), target=target)
        self._first_port = free_ports(GATEWAYS, quiet_port)
        self.llm = LlmControl(f"http://127.0.0.1:{llm_port}")
        # Entered after the links and so left before them: nobody is told to stop over a dead link.
        self._stack.enter_context(self.keeper)
        self.keeper.keep(
            Process(
                name="llm-fake",
                command=(
                    *(sys.executable, "-m", "orchestrator.engines.llm_fake_server", "--port", str(llm_port)),
                    *("--behaviour", USUAL, "--pace-s", "0.05", "--echo"),
                ),
                phase=Phase.MODELS,
                cwd=CHECKOUT,
                stop_grace_s=0.1,
            ),
            os.environ,
        )

    def _prepare_platform(self) -> None:
        """Point this process at the servers, migrate, and make people and their company's database."""
        os.environ |= {
            "DATABASE_URL": self.database_url,
            "REDIS_URL": self.redis_url,
            "SWITCHYARD_MODE": "test",
            "SWITCHYARD_DATA_DIR": str(self.folder / "data"),
            "DJANGO_SETTINGS_MODULE": "settings.test",
        }
        import django
        from django.core.management import call_command

        django.setup()
        call_command("migrate", verbosity=0)
        from tests.drill import people, warehouse

        assert isinstance(self.warehouse.server, PostgresServer)
        reader = warehouse.build(self.warehouse.server.superuser_url)
        for tenant in people.make_people().values():
            warehouse.connect_tenant(tenant, reader.url("127.0.0.1", self.links["workers-warehouse"].port))

    def _start_processes(self) -> None:
        for entry in PROCESSES:
            if entry.role not in _GROUP_OF:
                continue
            for index in range(GATEWAYS if entry.role == "gateway" else 1):
                key = f"{entry.name}-{index}" if entry.role == "gateway" else entry.name
                self.keeper.keep(self._process(entry.name, index=index, key=key), self._environ_of(entry.name))

    def _process(self, name: str, *, index: int, key: str) -> Process:
        entry = next(process for process in PROCESSES if process.name == name)
        return Process(
            name=key,
            command=(sys.executable, *command(entry, index=index)),
            phase=PHASES[entry.role],
            cwd=CHECKOUT,
            stop_grace_s=entry.stop_grace_s,
        )

    def _environ_of(self, name: str) -> dict[str, str]:
        entry = next(process for process in PROCESSES if process.name == name)
        group = _GROUP_OF[entry.role]
        return {
            **os.environ,
            "DATABASE_URL": _through(self.database_url, self.links[f"{group}-postgres"]),
            "REDIS_URL": _through(self.redis_url, self.links[f"{group}-redis"]),
            "SWITCHYARD_BROKER_URL": _through(self.redis_url, self.links[f"{group}-broker"]),
            "SWITCHYARD_ENGINES": "scripted",
            "SWITCHYARD_LLM_SCRIPT": LLM_SCRIPT,
            "SWITCHYARD_LLM_BASE_URL": f"http://127.0.0.1:{self.links['workers-llm'].port}/v1",
            "SWITCHYARD_LLM_MODEL": "drill",
            "SWITCHYARD_GATEWAYS": str(GATEWAYS),
            "PORT": str(self._first_port),
            "OMP_NUM_THREADS": "1",
            "PYTHONUNBUFFERED": "1",
            **self.environ,
        }


def _port(url: str) -> int:
    port = urlsplit(url).port
    assert port is not None
    return port


def _through(url: str, link: Link) -> str:
    parts = urlsplit(url)
    return urlunsplit(parts._replace(netloc=f"{parts.netloc.rpartition(':')[0]}:{link.port}"))


def _answers(url: str) -> bool:
    try:
        return httpx.get(url, timeout=3).status_code == 200
    except httpx.HTTPError:
        return False
