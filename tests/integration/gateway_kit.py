"""Gateways as processes of their own, people to use them, and a client that speaks the contract."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson
from pytest_django.plugin import DjangoDbBlocker
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed
from websockets.typing import Subprotocol

from deploy.testservers import EmbeddedServers, quiet_port
from orchestrator import ids
from orchestrator.tenants import tokens
from orchestrator.tenants.accounts import Account, account
from orchestrator.tenants.models import Tenant, User
from tests.stack import free_ports

CHECKOUT = Path(__file__).resolve().parents[2]
#: Gateways listen here and above, by their index.
FIRST_PORT = free_ports(40, quiet_port)


@dataclass(slots=True)
class GatewayProcess:
    """One running gateway."""

    port: int
    process: subprocess.Popen[bytes]
    log: Path

    @property
    def url(self) -> str:
        """Return where the chat socket is."""
        return f"ws://127.0.0.1:{self.port}/ws/chat/"

    def lines(self) -> list[dict[str, Any]]:
        """Return what it has logged as JSON."""
        return [orjson.loads(line) for line in self.log.read_bytes().splitlines() if line.startswith(b"{")]


@contextmanager
def running_gateway(servers: EmbeddedServers, folder: Path, *, index: int, **environ: str) -> Iterator[GatewayProcess]:
    """Run one gateway until the end of the block."""
    environment = os.environ | {
        "DATABASE_URL": servers.database_url,
        "REDIS_URL": servers.redis_url,
        "SWITCHYARD_MODE": "test",
        "SWITCHYARD_DATA_DIR": str(folder),
        "DJANGO_SETTINGS_MODULE": "settings.test",
        "PORT": str(FIRST_PORT),
        **environ,
    }
    log = folder / f"gateway-{index}-{time.monotonic_ns()}.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "channels_app.server", "--index", str(index)],
            cwd=CHECKOUT,
            env=environment,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    gateway = GatewayProcess(port=int(environment["PORT"]) + index, process=process, log=log)
    try:
        _wait_until(lambda: _answers(gateway), limit_s=40, process=process, log=log)
        yield gateway
    finally:
        process.terminate()
        try:
            process.wait(timeout=20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _answers(gateway: GatewayProcess) -> bool:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{gateway.port}/nothing-here", timeout=2):
            return True
    except urllib.error.HTTPError:
        return True
    except OSError:
        return False


def _wait_until(ready: Callable[[], bool], *, limit_s: float, process: subprocess.Popen[bytes], log: Path) -> None:
    ends_at = time.monotonic() + limit_s
    while not ready():
        if process.poll() is not None or time.monotonic() > ends_at:
            raise AssertionError(f"the gateway did not come up:\n{log.read_text()[-4000:]}")
        time.sleep(0.1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """Somebody with an account."""

    account: Account

    def token(self, *, lifetime_s: int = 900, now: float | None = None, **changes: str) -> str:
        """Return an access token, perhaps with other claims than it should have."""
        signing = tokens.signing()
        by = tokens.Signing(
            key=changes.get("key", signing.key),
            issuer=changes.get("issuer", signing.issuer),
            audience=changes.get("audience", signing.audience),
            lifetime_s=lifetime_s,
        )
        return tokens.issue_access(self.account, now=now or time.time(), by=by)[0]


def a_person(blocker: DjangoDbBlocker, *, active: bool = True, language: str = "") -> Person:
    """Make a user of a new tenant."""
    name = ids.new_id("t")[-20:]
    with blocker.unblock():
        tenant = Tenant.objects.create(slug=name, name=name, is_active=active)
        user = User.objects.create_user(username=name, password="x", tenant=tenant, language=language)
        found = account(user.pk)
    assert found is not None
    return Person(account=found)


@dataclass(slots=True)
class Client:
    """A client that checks what the contract lets it check."""

    socket: ClientConnection
    frames: list[dict[str, Any]] = field(default_factory=list)
    _ids: int = 0

    @classmethod
    @asynccontextmanager
    async def to(
        cls, gateway: GatewayProcess, person: Person, *, token: str | None = None, **headers: str
    ) -> AsyncIterator[Client]:
        """Connect with a token among the subprotocols, and read `hello`."""
        protocols = [Subprotocol("chat.v1"), Subprotocol(f"bearer.{token or person.token()}")]
        async with connect(
            gateway.url, subprotocols=protocols, additional_headers=headers, max_size=None, open_timeout=10
        ) as socket:
            client = cls(socket=socket)
            await client.expect("hello")
            yield client

    async def say(self, kind: str, data: object = None, **envelope: object) -> str:
        """Send a frame and return its id."""
        self._ids += 1
        id = str(envelope.pop("id", f"c-{id_of(self)}-{self._ids}"))
        frame = {"v": 1, "type": kind, "id": id, "data": data or {}, **envelope}
        await self.socket.send(orjson.dumps(frame).decode())
        return id

    async def next(self, *, limit_s: float = 8) -> dict[str, Any]:
        """Return the next frame."""
        async with asyncio.timeout(limit_s):
            frame: dict[str, Any] = orjson.loads(await self.socket.recv())
        self.frames.append(frame)
        return frame

    async def expect(self, kind: str, *, limit_s: float = 8) -> dict[str, Any]:
        """Return the next frame, which must be of this type."""
        frame = await self.next(limit_s=limit_s)
        assert frame["type"] == kind, frame
        return frame

    async def until(self, kind: str, *, limit_s: float = 8) -> dict[str, Any]:
        """Return the next frame of this type, passing over others."""
        async with asyncio.timeout(limit_s):
            while True:
                frame = await self.next(limit_s=limit_s)
                if frame["type"] == kind:
                    return frame

    async def seen(self, kind: str, *, after: int = 0, limit_s: float = 8) -> dict[str, Any]:
        """Return a frame of this type, passed over before or still to come; not one of the first `after` of them."""
        while True:
            found = [frame for frame in self.frames if frame["type"] == kind][after:]
            if found:
                return found[0]
            await self.next(limit_s=limit_s)

    async def answer(self, id: str, *, since: int = 0, limit_s: float = 8) -> dict[str, Any]:
        """Return the answer to a frame, still to come or passed over before; not among the first `since` frames."""
        while True:
            found = [frame for frame in self.frames[since:] if frame.get("re") == id]
            if found:
                return found[0]
            await self.next(limit_s=limit_s)

    async def ask(self, kind: str, data: object = None, **envelope: object) -> dict[str, Any]:
        """Send a frame and return its answer."""
        since = len(self.frames)
        return await self.answer(await self.say(kind, data, **envelope), since=since)

    async def open_new(self) -> str:
        """Open a new conversation and return its id."""
        opened = await self.ask("conversation.open")
        assert opened["type"] == "conversation.opened", opened
        conversation: str = opened["data"]["conversation"]
        return conversation

    async def alive(self) -> bool:
        """Return whether the socket still answers."""
        answer = await self.ask("ping", {"t": 1})
        return bool(answer["type"] == "pong")

    async def close_code(self, *, limit_s: float = 8) -> int:
        """Read to the end and return the code it was closed with."""
        try:
            async with asyncio.timeout(limit_s):
                while True:
                    self.frames.append(orjson.loads(await self.socket.recv()))
        except ConnectionClosed as exc:
            return exc.rcvd.code if exc.rcvd is not None else 1006


def id_of(value: object) -> str:
    """Return a short name that differs between living objects."""
    return f"{id(value):x}"
