"""Whether `DATABASE_DIRECT_URL` gives sessions that stay ours: the leader's lock and LISTEN live in one."""

from __future__ import annotations

from collections.abc import Iterator

from orchestrator.admin.diagnosis.findings import Check, Finding
from orchestrator.admin.diagnosis.postgres_facts import Server

MOVES = Check(
    id="pooler-shares-sessions",
    subject="database",
    level="problem",
    why="the dispatcher's lock is left behind in somebody else's session: two lead at once, or none ever again",
    remedy="let DATABASE_DIRECT_URL name PostgreSQL itself; DATABASE_URL may stay behind the pooler",
    refuses=frozenset({"dispatcher"}),
)
POOLED = Check(
    id="pooler-before-direct",
    subject="database",
    level="warning",
    why="a pooler of sessions keeps locks, but its own limits may cut the leader's session",
    remedy="let DATABASE_DIRECT_URL name PostgreSQL itself",
)
ELSEWHERE = Check(
    id="direct-elsewhere",
    subject="database",
    level="problem",
    why="locks and migrations would go to another database than the rows: two dispatchers could lead",
    remedy="let DATABASE_DIRECT_URL name the same database as DATABASE_URL",
    refuses=frozenset({"dispatcher"}),
)
CHECKS = (MOVES, POOLED, ELSEWHERE)


def pooled(server: Server) -> bool:
    """Return whether something stands between us and the server.

    A connection is promised the number of the process that serves it, so that it can be cancelled. Who passes many
    connections on can't keep that promise and makes a number up.
    """
    return server.promised_pid != server.pid


def session(main: Server, direct: Server, *, moves: bool) -> Iterator[Finding]:
    """Yield what the direct address is good for; `moves`: its statements were seen in more than one session."""
    another = bool(main.system and direct.system and main.system != direct.system)
    if another or main.name != direct.name:
        yield ELSEWHERE.found(
            f"DATABASE_URL leads to the database {main.name}, DATABASE_DIRECT_URL to {direct.name}"
            f"{' of another server' if another else ''}"
        )
    if moves:
        yield MOVES.found("the direct address goes through a pooler that shares sessions between transactions")
    elif pooled(direct):
        yield POOLED.found("the direct address goes through a pooler")
    else:
        via = ", DATABASE_URL goes through a pooler" if pooled(main) else ""
        yield MOVES.fine(f"the direct address leads to the server itself{via}")
