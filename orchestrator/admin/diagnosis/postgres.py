"""Whether a PostgreSQL keeps what it has confirmed, and has all that the product needs."""

from __future__ import annotations

from collections.abc import Iterator

from orchestrator.admin.diagnosis.findings import EVERY, Check, Finding
from orchestrator.admin.diagnosis.postgres_facts import STATEMENT_LIMIT_MS, Server

LEAST_POSTGRES = 15
#: Pools leave connections at rest for seconds; below this a role's limit cuts them all the time.
LEAST_IDLE_MS = 60_000
#: What a role's own limit may be where a pooler drops ours.
MOST_STATEMENT_MS = 60_000

AWAY = Check(
    id="postgres-away",
    subject="database",
    level="problem",
    why="nothing can be accepted; processes start, wait and go on when it is back",
    remedy="is PostgreSQL running, and is DATABASE_URL right?",
)
VERSION = Check(
    id="postgres-version",
    subject="database",
    level="problem",
    why="statements of the product fail on an older server",
    remedy=f"PostgreSQL {LEAST_POSTGRES} or newer is needed",
    refuses=EVERY,
)
READ_ONLY = Check(
    id="postgres-read-only",
    subject="database",
    level="problem",
    why="nothing can be accepted or ended on a server that takes no writes",
    remedy="let DATABASE_URL name the primary; a standby belongs into DATABASE_READ_URL",
    refuses=EVERY,
)
FSYNC = Check(
    id="postgres-fsync",
    subject="database",
    level="problem",
    why="accepted turns, and the whole database, can be lost when the machine goes down",
    remedy="set `fsync = on` in postgresql.conf and reload the server",
    refuses=EVERY,
)
SYNCHRONOUS = Check(
    id="postgres-commit",
    subject="database",
    level="warning",
    why="what was accepted in the last half second is lost when the server crashes, though the client was told `ack`",
    remedy="set `synchronous_commit = on` for the server, or ALTER ROLE ... SET synchronous_commit = on",
)
FULL_PAGES = Check(
    id="postgres-full-pages",
    subject="database",
    level="warning",
    why="a crash in the middle of a write can leave torn pages that recovery does not mend",
    remedy="set `full_page_writes = on`, unless the file system promises whole pages (ZFS)",
)
VECTOR = Check(
    id="pgvector",
    subject="database",
    level="problem",
    why="passages can't be stored or searched",
    remedy="`switchyard doctor --sql` prints the statement for an administrator",
)
SUPERUSER = Check(
    id="postgres-superuser",
    subject="database",
    level="warning",
    why="any mistake in the product would be a mistake with all rights on the server",
    remedy="give the product a role of its own that owns its database and nothing else",
)
MAY_NOT_CREATE = Check(
    id="postgres-roles",
    subject="database",
    level="warning",
    why="the example company's readers need roles of their own",
    remedy="`switchyard doctor --sql` prints the statements, or set SWITCHYARD_DEVELOPMENT_USERS=false",
)
IDLE = Check(
    id="postgres-idle-limit",
    subject="database",
    level="warning",
    why="the server cuts connections at rest, and the next statement pays for a new one",
    remedy="ALTER ROLE ... SET idle_session_timeout = 0 (the leader sets its own short one)",
)
LIMITS = Check(
    id="postgres-limits-dropped",
    subject="database",
    level="warning",
    why="the statement limits that each connection asks for don't hold, so one slow statement can hold a slot for ever",
    remedy="the pooler drops `options`: ALTER ROLE ... SET statement_timeout = '30s' on the server instead",
)
CHECKS = (
    AWAY,
    VERSION,
    READ_ONLY,
    FSYNC,
    SYNCHRONOUS,
    FULL_PAGES,
    VECTOR,
    SUPERUSER,
    MAY_NOT_CREATE,
    IDLE,
    LIMITS,
)  # fmt: skip


def database(server: Server, *, example: bool) -> Iterator[Finding]:
    """Yield what a server's own words tell; `example`: the example company is wanted, which needs more rights."""
    told = f"PostgreSQL {server.version}, role {server.role}"
    yield VERSION.fine(told) if server.version >= LEAST_POSTGRES else VERSION.found(told)
    if server.standby or server.read_only:
        why = "a standby" if server.standby else "read-only for this role"
        yield READ_ONLY.found(f"DATABASE_URL leads to a server that is {why}")
    yield from _durability(server)
    if server.vector:
        yield VECTOR.fine(f"extension vector {server.vector}")
    elif server.vector_available:
        yield VECTOR.found("extension vector: not created in this database")
    else:
        yield VECTOR.found("extension vector: not installed on the server", "install pgvector on the server")
    if server.super:
        yield SUPERUSER.found(f"the role {server.role} is a superuser")
    elif example and not server.createrole:
        yield MAY_NOT_CREATE.found("the role may not create roles, which the example company's readers need")
    if 0 < server.idle_session_ms < LEAST_IDLE_MS:
        yield IDLE.found(f"idle_session_timeout is {server.idle_session_ms / 1000:g} s for the role {server.role}")
    if not 0 < server.statement_ms <= MOST_STATEMENT_MS:
        yield LIMITS.found(
            f"asked for a statement_timeout of {STATEMENT_LIMIT_MS} ms, got {server.statement_ms or 'none'}"
        )


def _durability(server: Server) -> Iterator[Finding]:
    if not server.fsync:
        yield FSYNC.found("fsync is off")
    if not server.synchronous_commit:
        yield SYNCHRONOUS.found("synchronous_commit is off")
    if not server.full_page_writes:
        yield FULL_PAGES.found("full_page_writes is off")
    if server.fsync and server.synchronous_commit and server.full_page_writes:
        yield FSYNC.fine("what is committed is on the disk")


def away(error: str) -> Finding:
    """Return that a server doesn't answer, in its own words; a pooler that refuses our options gets its own remedy."""
    if "unsupported startup parameter" in error:
        remedy = (
            "pgbouncer.ini: ignore_startup_parameters = options,extra_float_digits (and see postgres-limits-dropped)"
        )
        return AWAY.found(f"a pooler refuses the connection: {error}", remedy)
    return AWAY.found(f"PostgreSQL does not answer: {error}")
