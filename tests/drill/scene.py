"""One fault, looked at closely: servers of its own, bent workers, and what each of them did."""

from __future__ import annotations

import hashlib
import os
import re
import signal
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from django.conf import settings
from redis import Redis

from deploy.servers_postgres import PostgresServer
from deploy.testservers import EmbeddedServers, Handle, embedded_postgres, quiet_port
from orchestrator.engines.embedder_scripted import ScriptedEmbedder
from orchestrator.engines.retriever import Chunk
from orchestrator.engines.retriever_pg import PgRetriever
from orchestrator.log.keys import Keys
from orchestrator.pipeline.models import Document
from orchestrator.store.engine import rw
from orchestrator.tenants.models import Tenant
from tests.drill import warehouse
from tests.integration.core import kit
from tests.integration.core.kit import Person
from tests.integration.core.workers import ENDINGS, Desk, lines, until
from tests.stack import Stack, running_stack

#: A question by route; `{n}` makes it one of its kind.
QUESTIONS = {
    "sql": "revenue of drill question {n}",
    "rag": "what does the policy say about question {n}?",
    "chat": "hello, this is question {n}",
}
POLICY = "Every question has a number, and the policy says that an answer repeats it."


@dataclass(slots=True, kw_only=True)
class Scene:
    """Servers, and the processes that a test started on them."""

    servers: EmbeddedServers
    redis: Redis
    keys: Keys
    stack: Stack
    #: The customer's database server: another one than the platform's.
    company: Handle

    def start(self, *keys: str, **environ: str) -> None:
        """Start processes, for example `worker-llm-1`, the workers with the bent app, and wait until they serve."""
        usual = self.stack.environ
        self.stack.environ = {**usual, **environ}
        for key in keys:
            name, _, index = key.rpartition("-")
            self.stack.start(name, index=int(index), app="tests.drill.bent_app")
        self.stack.environ = usual
        self.stack.wait_serving()

    def desks(self, who: Person, count: int) -> list[Desk]:
        """Return so many conversations of one person."""
        return [Desk(who, self.redis, self.keys) for _ in range(count)]

    def workers(self) -> list[str]:
        """Return the names of the workers that run."""
        return [key for key in self.stack.running if key.startswith("worker")]

    def said(self, event: str) -> list[dict[str, Any]]:
        """Return the lines of all workers that say `event`."""
        return [line for key in self.workers() for line in lines(self.stack, key) if line.get("event") == event]

    def works(self) -> Counter[tuple[str, int, str]]:
        """Return how often the work of each (turn, fence, hop) was run."""
        return Counter((line["turn"], line["fence"], line["hop"]) for line in self.said("stage works"))

    def statements(self) -> Counter[str]:
        """Return how often each (turn:fence) reached the customer's database, as its server wrote down."""
        log = self.company.server.log.read_text(errors="replace")
        return Counter(re.findall(r"ledger begin switchyard:(\w+:\d+):\w+ ", log))

    def signal(self, key: str, number: signal.Signals) -> None:
        """Send a signal to a process and whatever it started."""
        os.killpg(self.stack.running[key].pid, number)

    def runs_on(self, turn: str, hop: str, limit_s: float = 30) -> str:
        """Return the worker, `worker-llm-1` for example, that runs a hop of a turn once there is one."""
        found: list[str] = []

        def running() -> bool:
            rows = kit.look(
                "SELECT worker FROM switchyard_stage WHERE turn_id = :turn AND hop = :hop AND state = 'running'",
                turn=turn,
                hop=hop,
            )
            found[:] = [str(row["worker"]).partition("@")[0] for row in rows]
            return bool(found)

        until(running, limit_s)
        return found[0]

    def give_warehouse(self, who: Person) -> None:
        """Connect a person's tenant to a database whose answers take up to three seconds; once a scene."""
        server = self.company.server
        assert isinstance(server, PostgresServer)
        reader = warehouse.build(server.superuser_url)
        warehouse.connect_tenant(Tenant.objects.get(pk=who.tenant), reader.url("127.0.0.1", server.port))


@contextmanager
def set_scene(folder: Path, **environ: str) -> Iterator[Scene]:
    """Run servers of a test's own; `environ` is further environment of all that is started on them."""
    with (
        kit.own_platform(folder) as servers,
        embedded_postgres(folder / "servers", port=quiet_port(), name="company") as company,
    ):
        usual = {"SWITCHYARD_ENGINES": "scripted", "SWITCHYARD_MODE": "test"}
        logs = folder / "logs"
        logs.mkdir()
        with (
            Redis.from_url(servers.redis_url, socket_timeout=5) as redis,
            running_stack(logs, {**usual, **environ}, names=(), gateways=0) as stack,
        ):
            keys = Keys(settings.SWITCHYARD.key_prefix)
            yield Scene(servers=servers, redis=redis, keys=keys, stack=stack, company=company)


def told_once(desk: Desk, turn: str) -> dict[str, Any]:
    """Return a completed turn's row, of which row, log and outbox tell the same one ending.

    Raises:
        AssertionError: they don't.
    """
    row = desk.until_ended(turn, 60)
    endings = [frame for frame in desk.frames() if frame["data"].get("turn") == turn and frame["type"] in ENDINGS]
    assert row["state"] == "completed", (row["state"], row["error_code"], row["error_message"])
    assert len(kit.outbox(turn)) == 1
    assert [frame["data"]["text"] for frame in endings] == [row["answer"]]
    assert desk.text(turn) == row["answer"]
    return row


def give_policy(who: Person) -> None:
    """Give a person's tenant one indexed document."""
    made = Document.objects.create(
        tenant_id=who.tenant,
        title="Policy",
        filename="policy.md",
        mime="text/markdown",
        size_bytes=len(POLICY),
        digest=hashlib.sha256(POLICY.encode()).digest(),
        language="en",
        state="indexed",
        chunks=1,
    )
    embedder = ScriptedEmbedder()
    piece = Chunk(n=0, heading="Policy", text=POLICY, start=0, end=len(POLICY))
    vectors = np.asarray(embedder.embed([POLICY]))
    PgRetriever(rw()).index(who.tenant, made.pk, [piece], vectors, model=embedder.name, language="en")
