"""The one table of queues and the one table of processes.

Routing, workers, compose, readiness, admission and the docs derive from here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

Pool = Literal["threads", "prefork"]
Role = Literal["gateway", "worker", "dispatcher", "beat", "flower", "llm-server"]
#: What a worker gets beyond `SWITCHYARD_DRAIN_S`, to hand back what still runs and to leave.
LEAVE_S = 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Queue:
    """A Celery queue and what its waiting users read."""

    name: str
    #: Most messages of this queue that may be in the broker or running: about twice the concurrency, so that what
    #: waits, waits in PostgreSQL where it can be ordered, counted and shown.
    admitted: int
    #: Catalogue key of the plain words for `turn.queued.waiting_for`.
    waiting_key: str

    @property
    def share(self) -> int:
        """Return how many of the slots one tenant may hold: enough to keep every worker busy, never the whole room."""
        return max(1, self.admitted // 2)


@dataclass(frozen=True, slots=True, kw_only=True)
class Process:
    """One entry of the process table, once for each replica."""

    name: str
    role: Role
    #: For workers: the queues it takes, the more urgent first.
    queues: tuple[str, ...] = ()
    pool: Pool = "threads"
    concurrency: int = 1
    #: Setting that says how many of it run; fixed at 1 when empty.
    replicas_setting: str = ""
    #: Seconds between SIGTERM and SIGKILL; a worker's follow from `SWITCHYARD_DRAIN_S`, see `grace_s`.
    stop_grace_s: float = 15.0
    #: Database connections one replica may hold: read-write pool + Django's own + the heartbeat's.
    connections: int = 2
    #: Started only when this setting is set.
    only_if: str = ""


QUEUES: Mapping[str, Queue] = {
    queue.name: queue
    for queue in (
        Queue(name="gpu", admitted=64, waiting_key="waiting.gpu"),
        # Bulk embedding holds at most 4 of the gpu worker's slots: that is all the dispatcher lets into the broker.
        Queue(name="gpu.bulk", admitted=4, waiting_key="waiting.gpu_bulk"),
        Queue(name="sql", admitted=16, waiting_key="waiting.sql"),
        Queue(name="rag", admitted=16, waiting_key="waiting.rag"),
        Queue(name="llm", admitted=32, waiting_key="waiting.llm"),
        Queue(name="jobs", admitted=4, waiting_key="waiting.jobs"),
        Queue(name="batch", admitted=4, waiting_key="waiting.batch"),
    )
}

PROCESSES: tuple[Process, ...] = (
    Process(name="gateway", role="gateway", replicas_setting="SWITCHYARD_GATEWAYS", stop_grace_s=20, connections=12),
    Process(name="dispatcher", role="dispatcher", connections=4),
    Process(name="worker-gpu", role="worker", queues=("gpu", "gpu.bulk"), concurrency=32, connections=10),
    Process(name="worker-sql", role="worker", queues=("sql",), concurrency=8, connections=10),
    Process(name="worker-rag", role="worker", queues=("rag",), concurrency=8, connections=10),
    Process(name="worker-llm", role="worker", queues=("llm",), concurrency=16, connections=10),
    # One more than its pools at night: what looks after the tables has a connection of its own.
    Process(name="worker-jobs", role="worker", queues=("jobs", "batch"), concurrency=4, connections=8),
    Process(name="beat", role="beat", connections=2),
    Process(name="flower", role="flower", connections=0),
    Process(name="llm-server", role="llm-server", only_if="SWITCHYARD_LLM_MODEL_DIR", connections=0),
)


def grace_s(process: Process, *, drain_s: float) -> float:
    """Return the seconds between SIGTERM and SIGKILL where running stages get `drain_s` to finish."""
    return drain_s + LEAVE_S if process.role == "worker" else process.stop_grace_s


def command(process: Process, *, index: int = 0) -> list[str]:
    """Return the arguments after the interpreter that start `process`, the same under the supervisor and in compose.

    `index` tells replicas apart: gateway `i` listens on `PORT + i`.
    """
    match process.role:
        case "gateway":
            return ["-m", "channels_app.server", "--index", str(index)]
        case "worker":
            # --without-heartbeat would hide the worker from Flower; gossip and mingle only cost start-up time here.
            return [
                "-m", "celery", "-A", "orchestrator.celery", "--quiet", "worker",
                "--queues", ",".join(process.queues),
                "--pool", process.pool,
                "--concurrency", str(process.concurrency),
                "--hostname", f"{process.name}-{index}@%h",
                "--without-gossip", "--without-mingle",
                "--loglevel", "INFO",
            ]  # fmt: skip
        case "dispatcher":
            return ["manage.py", "dispatch"]
        case "beat":
            return ["-m", "celery", "-A", "orchestrator.celery", "--quiet", "beat", "--loglevel", "INFO"]
        case "flower":
            return ["manage.py", "flower"]
        case "llm-server":
            return ["manage.py", "serve_model"]
