"""Look after the tables without being in anybody's way: one at a time, on a connection of its own."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import ClassVar

import psycopg2
from django.conf import settings
from psycopg2 import errors, sql

from orchestrator.engines.pg_stop import ended_by
from orchestrator.errors import StoppedError, StoreDownError
from orchestrator.resilience.stop import Stop
from orchestrator.store.engine import psycopg2_url
from orchestrator.store.rows import Row
from orchestrator.store.watching import WatchedConnection, WatchedCursor

#: Longest wait for a table's lock: whoever comes after us waits behind us.
LOCK_S = 2.0
#: Longest work on one table; what is begun again begins anew, so a shorter bound would never get through a big one.
TABLE_S = 300.0

#: The most dead rows first, so that a night that is too short was not for nothing. `ours`: as `VACUUM` itself decides.
TABLES = """
SELECT c.relname AS "table", o.rolname AS owner, pg_total_relation_size(c.oid) AS size_bytes,
       coalesce(s.n_live_tup, 0) AS live, coalesce(s.n_dead_tup, 0) AS dead,
       CASE WHEN pg_has_role(c.relowner, 'USAGE') OR pg_has_role(d.datdba, 'USAGE') THEN true
            WHEN current_setting('server_version_num')::int >= 170000 THEN has_table_privilege(c.oid, 'MAINTAIN')
            ELSE false END AS ours
FROM pg_class c
JOIN pg_namespace n ON n.oid = c.relnamespace AND n.nspname = 'public'
JOIN pg_roles o ON o.oid = c.relowner
JOIN pg_database d ON d.datname = current_database()
LEFT JOIN pg_stat_user_tables s ON s.relid = c.oid
WHERE c.relkind = 'r' ORDER BY dead DESC, "table"
"""

#: Also one that is being built concurrently in this moment.
INVALID_INDEXES = """
SELECT i.relname AS "index", t.relname AS "table"
FROM pg_index x
JOIN pg_class i ON i.oid = x.indexrelid
JOIN pg_class t ON t.oid = x.indrelid
JOIN pg_namespace n ON n.oid = t.relnamespace AND n.nspname = 'public'
WHERE NOT x.indisvalid ORDER BY 1
"""

WHOLE = """
SELECT pg_database_size(datname) AS size_bytes, age(datfrozenxid) AS oldest_transaction_age
FROM pg_database WHERE datname = current_database()
"""


class _PatientCursor(WatchedCursor):
    """One whose statements may take a table's time, where a pool's would be cut after 17 s."""

    wait_s: ClassVar[float] = TABLE_S + 15


@contextmanager
def connected() -> Iterator[psycopg2.extensions.connection]:
    """Give a connection past any pooler, as gentle to the disks as autovacuum is.

    Raises:
        StoreDownError: PostgreSQL does not answer.
    """
    chosen = settings.SWITCHYARD
    url = chosen.database_direct_url.get_secret_value() or chosen.database_url.get_secret_value()
    try:
        connection = psycopg2.connect(
            psycopg2_url(url).set(drivername="postgresql").render_as_string(hide_password=False),
            connection_factory=WatchedConnection,
            connect_timeout=5,
            application_name="switchyard-maintenance",
            options=f"-c lock_timeout={LOCK_S * 1000:.0f} -c statement_timeout=15000 -c vacuum_cost_delay=2",
            tcp_user_timeout=20_000,
            keepalives_idle=10,
            keepalives_interval=5,
            keepalives_count=3,
        )
    except psycopg2.OperationalError as exc:
        raise StoreDownError(f"PostgreSQL: {type(exc).__name__}", dependency="database") from exc
    try:
        # VACUUM can't run in a transaction.
        connection.autocommit = True
        connection.cursor_factory = _PatientCursor
        yield connection
    finally:
        connection.close()


def look(connection: psycopg2.extensions.connection, statement: str) -> list[Row]:
    """Return the rows of one of the statements above.

    Raises:
        StoreDownError: PostgreSQL does not answer.
    """
    try:
        with connection.cursor() as cursor:
            cursor.execute(statement)
            names = [column.name for column in cursor.description or ()]
            return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]
    except (psycopg2.OperationalError, psycopg2.InterfaceError) as exc:
        raise StoreDownError(f"PostgreSQL: {type(exc).__name__}", dependency="database") from exc


def vacuum(connection: psycopg2.extensions.connection, table: str, *, limit_s: float, stop: Stop) -> str | None:
    """Vacuum and analyse one table; return why that could not be done, in plain words, or None.

    Readers and writers go on meanwhile, so the empty end of a table, which only an exclusive lock gives back, is kept.

    Raises:
        StoppedError: the stop came; the connection is of no more use.
        StoreDownError: PostgreSQL does not answer.
    """
    statement = sql.SQL("VACUUM (ANALYZE, TRUNCATE false) {}").format(sql.Identifier("public", table))
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT set_config('statement_timeout', %s, false)", [f"{limit_s * 1000:.0f}"])
            with ended_by(stop, connection):
                cursor.execute(statement)
    except psycopg2.Error as exc:
        if stop.is_set():
            raise StoppedError("job") from exc
        return _why_not(exc, limit_s)
    return None


def _why_not(error: psycopg2.Error, limit_s: float) -> str:
    match error:
        case errors.LockNotAvailable():
            return "another session holds it"
        case errors.QueryCanceled():
            return f"it takes longer than {limit_s:.0f} s"
        case psycopg2.OperationalError() | psycopg2.InterfaceError():
            raise StoreDownError(f"PostgreSQL: {type(error).__name__}", dependency="database") from error
        case _:
            # Such as a damaged index: the server's own words name the place and no contents.
            return str(error.diag.message_primary or type(error).__name__)[:200]
