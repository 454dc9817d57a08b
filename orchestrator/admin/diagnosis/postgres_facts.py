"""Ask a PostgreSQL about itself: one connection of its own, one statement, bounded waits."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from concurrent.futures import TimeoutError as LateError
from dataclasses import dataclass
from typing import Any

import psycopg2
from psycopg2.extras import RealDictCursor

from orchestrator.admin.diagnosis.findings import AwayError
from orchestrator.store.engine import psycopg2_url

CONNECT_S = 2
#: A limit of ours that a direct connection takes on and a pooler may drop.
STATEMENT_LIMIT_MS = 3000
_WAIT_S = 2.0
_ROUNDS = 3

_SERVER = """
SELECT current_setting('server_version_num')::int / 10000 AS version,
       current_setting('max_connections')::int AS most,
       current_setting('superuser_reserved_connections')::int
           + coalesce(current_setting('reserved_connections', true)::int, 0) AS reserved,
       (SELECT count(*) FROM pg_stat_activity
        WHERE backend_type = 'client backend' AND datname IS DISTINCT FROM current_database()) AS others,
       r.rolconnlimit AS role_limit, d.datconnlimit AS database_limit,
       current_user::text AS role, current_database()::text AS name,
       r.rolsuper AS super, r.rolcreaterole AS createrole, r.rolcreatedb AS createdb,
       coalesce(has_schema_privilege(current_user, to_regnamespace('public'), 'CREATE'), false) AS may_create,
       (SELECT extversion FROM pg_extension WHERE extname = 'vector') AS vector,
       EXISTS (SELECT 1 FROM pg_available_extensions WHERE name = 'vector') AS vector_available,
       pg_is_in_recovery() AS standby, current_setting('transaction_read_only') = 'on' AS read_only,
       current_setting('fsync') = 'on' AS fsync,
       current_setting('synchronous_commit') <> 'off' AS synchronous_commit,
       current_setting('full_page_writes') = 'on' AS full_page_writes,
       (SELECT setting::int FROM pg_settings WHERE name = 'idle_session_timeout') AS idle_session_ms,
       (SELECT setting::int FROM pg_settings WHERE name = 'statement_timeout') AS statement_ms,
       pg_backend_pid() AS pid, has_function_privilege('pg_control_system()', 'EXECUTE') AS may_identify,
       coalesce(has_table_privilege(to_regclass('django_migrations'), 'SELECT'), false) AS migrated,
       extract(epoch FROM clock_timestamp())::float AS now
FROM pg_roles r, pg_database d WHERE r.rolname = current_user AND d.datname = current_database()
"""


# Of its own: a statement that names a function which the role may not call fails as a whole.
_SYSTEM = "SELECT system_identifier::text AS system FROM pg_control_system()"
_APPLIED = "SELECT app, name FROM django_migrations"
#: An application's label and a migration's name.
Name = tuple[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """What one PostgreSQL says of itself, to the role that asks."""

    version: int
    most: int
    reserved: int
    #: Connections to other databases of the server.
    others: int
    #: -1: none.
    role_limit: int
    database_limit: int
    role: str
    name: str
    super: bool
    createrole: bool
    createdb: bool
    may_create: bool
    vector: str | None
    vector_available: bool
    standby: bool
    read_only: bool
    fsync: bool
    synchronous_commit: bool
    full_page_writes: bool
    idle_session_ms: int
    #: The limit that holds, which should be `STATEMENT_LIMIT_MS`.
    statement_ms: int
    #: The process that answered, and the one that the connection was promised: a pooler in between makes them differ.
    pid: int
    promised_pid: int
    #: Which cluster it is; empty where the role may not know.
    system: str
    #: Migrations that the database has got.
    applied: frozenset[Name]
    #: The server's clock less ours, and how wrong that may be.
    ahead_s: float
    unsure_s: float


def ask(url: str) -> Server:
    """Return what the server says of itself.

    Raises:
        AwayError: it can't be reached, or doesn't let us in.
    """
    with _connection(url) as connection, connection.cursor(cursor_factory=RealDictCursor) as cursor:
        before_s = time.time()
        cursor.execute(_SERVER)
        after_s = time.time()
        row: dict[str, Any] = dict(cursor.fetchone() or {})
        now_s, system = float(row.pop("now")), ""
        if row.pop("may_identify"):
            cursor.execute(_SYSTEM)
            system = str(cursor.fetchone()["system"])
        applied: list[dict[str, str]] = []
        if row.pop("migrated"):
            cursor.execute(_APPLIED)
            applied = cursor.fetchall()
        return Server(
            **row,
            applied=frozenset((entry["app"], entry["name"]) for entry in applied),
            system=system,
            promised_pid=connection.info.backend_pid,
            ahead_s=now_s - (before_s + after_s) / 2,
            unsure_s=(after_s - before_s) / 2,
        )


def moves(url: str) -> bool:
    """Return whether one connection's statements run in several sessions, as behind a pooler of transactions.

    Each round another connection holds a transaction open meanwhile, on the session that ours had last. Where there
    is no second session, ours has to wait, which a session of its own would never do.

    Raises:
        AwayError: as for `ask`.
    """
    with _connection(url) as mine, _connection(url) as other, ThreadPoolExecutor(1) as waiting:
        other.autocommit = False
        for _ in range(_ROUNDS):
            before = _pid(mine)
            _pid(other)
            now = waiting.submit(_pid, mine)
            try:
                if now.result(timeout=_WAIT_S) != before:
                    return True
            except LateError:
                return True
            finally:
                other.rollback()
    return False


def rows(url: str, statement: str, values: Mapping[str, object] | None = None) -> list[dict[str, Any]]:
    """Return what one statement gives, with `%(name)s` for values.

    Raises:
        AwayError: as for `ask`.
    """
    with _connection(url) as connection, connection.cursor(cursor_factory=RealDictCursor) as cursor:
        cursor.execute(statement, values)
        return [dict(row) for row in cursor.fetchall()]


@contextlib.contextmanager
def _connection(url: str) -> Iterator[Any]:  # Any: psycopg2's stubs lack `info`
    address = psycopg2_url(url).set(drivername="postgresql").render_as_string(hide_password=False)
    connection = None
    try:
        connection = psycopg2.connect(
            address,
            connect_timeout=CONNECT_S,
            options=f"-c statement_timeout={STATEMENT_LIMIT_MS}",
            application_name="switchyard-check",
        )
        connection.autocommit = True
        yield connection
    except psycopg2.Error as exc:
        raise AwayError(" ".join(str(exc).split()) or type(exc).__name__) from exc
    finally:
        if connection is not None:
            connection.close()


def _pid(connection: Any) -> int:  # Any: as above
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        return int(cursor.fetchone()[0])
