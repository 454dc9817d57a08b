"""Whether the server has room for every connection that the processes may open."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from orchestrator.admin.diagnosis.findings import Check, Finding
from orchestrator.admin.diagnosis.postgres_facts import Server
from orchestrator.queues import PROCESSES, Process
from orchestrator.store.rows import Row

#: What the process table's figures assume for `SWITCHYARD_DATABASE_POOL`.
ASSUMED_POOL = 8

ROOM = Check(
    id="connection-sum",
    subject="database",
    level="problem",
    why="under load some process gets no connection, and its turns wait or fail though nothing is broken",
    remedy="raise max_connections or the role's limit, run fewer replicas, or lower SWITCHYARD_DATABASE_POOL",
)
CHECKS = (ROOM,)


def wanted(
    *, gateways: int, pool: int, local_model: bool, rows: Sequence[Row] = (), table: Sequence[Process] = PROCESSES
) -> dict[str, int]:
    """Return the most connections by process, for as many replicas as are configured or, if that is more, alive."""
    found = {}
    for entry in table:
        if entry.only_if and not local_model:
            continue
        # Replicas are named `worker-sql-0`, or as their entry.
        living = sum(row["name"] == entry.name or _stem(row["name"]) == entry.name for row in rows)
        replicas = max(gateways if entry.role == "gateway" else 1, living)
        # Only these two keep the whole pool busy.
        more = max(0, pool - ASSUMED_POOL) if entry.role in ("gateway", "worker") else 0
        if entry.connections:
            found[entry.name] = replicas * (entry.connections + more)
    return found


def connections(server: Server, by_process: Mapping[str, int]) -> Iterator[Finding]:
    """Yield whether the sum fits into what the server, the database and the role allow."""
    total = sum(by_process.values())
    rooms = {
        f"max_connections {server.most}, of which {server.reserved} are reserved and {server.others} used by others": (
            server.most - server.reserved - server.others
        )
    }
    if server.role_limit >= 0:
        rooms[f"the limit of the role {server.role}"] = server.role_limit
    if server.database_limit >= 0:
        rooms[f"the limit of the database {server.name}"] = server.database_limit
    why, room = min(rooms.items(), key=lambda entry: entry[1])
    told = f"the processes may hold {total}, there is room for {room} ({why})"
    yield ROOM.fine(told) if total <= room else ROOM.found(told)


def _stem(name: str) -> str:
    stem, _, number = name.rpartition("-")
    return stem if number.isdigit() else name
