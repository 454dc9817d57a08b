"""What a warehouse's reading role can do that it need not: the second wall behind the SQL guard."""

from __future__ import annotations

from collections.abc import Iterator

from django.db import DatabaseError
from sqlalchemy import create_engine, text
from sqlalchemy.engine import make_url
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.pool import NullPool

from orchestrator.admin.diagnosis.findings import Check, Finding
from orchestrator.errors import ConflictError, DependencyDownError, OrchestratorError
from orchestrator.store.engine import psycopg2_url
from orchestrator.tenants.sealing import WAY_BACK

NONE = Check(
    id="warehouse-none",
    subject="warehouses",
    level="warning",
    why="questions about figures have nothing to be answered from",
    remedy="`switchyard connect <database url>`",
)
UNREADABLE = Check(
    id="warehouse-away",
    subject="warehouses",
    level="problem",
    why="this tenant's questions about figures end with an error",
    remedy="is its database running, and its address right? `switchyard connect` replaces it",
)
SEALED = Check(
    id="warehouse-sealed",
    subject="warehouses",
    level="problem",
    why="this tenant's questions about figures end with an error",
    remedy=f"{WAY_BACK}. Only if the old key is lost: `switchyard connect`, which drafts the figures anew",
)
SOFT = Check(
    id="warehouse-role",
    subject="warehouses",
    level="warning",
    why="the role is the second wall behind the SQL guard: a hole in the first should lead nowhere",
    remedy="take these rights from it, as deploy/example/harden.sql does",
)
CHECKS = (NONE, UNREADABLE, SEALED, SOFT)

#: Calls that a read-only transaction doesn't stop, by what they do.
_FUNCTIONS = (
    ("change settings", "pg_catalog.set_config(text,text,boolean)"),
    ("run SQL text", "pg_catalog.query_to_xml(text,boolean,boolean,text)"),
    ("sleep", "pg_catalog.pg_sleep(double precision)"),
    ("hold advisory locks", "pg_catalog.pg_advisory_lock(bigint)"),
    ("notify", "pg_catalog.pg_notify(text,text)"),
    ("write large objects", "pg_catalog.lo_from_bytea(oid,bytea)"),
)
_ROLE = """
SELECT rolsuper AS super, rolcreaterole AS createrole, rolcreatedb AS createdb, rolbypassrls AS bypasses,
       current_setting('default_transaction_read_only') = 'on' AS read_only,
       current_setting('statement_timeout') <> '0' AS timeout,
       has_database_privilege(current_database(), 'TEMP') AS temp,
       (SELECT count(*) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
        WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f') AND n.nspname NOT IN ('pg_catalog', 'information_schema')
          AND n.nspname NOT LIKE 'pg\\_%'
          AND (has_table_privilege(c.oid, 'INSERT') OR has_table_privilege(c.oid, 'UPDATE')
               OR has_table_privilege(c.oid, 'DELETE'))) AS writable
FROM pg_roles WHERE rolname = current_user
"""


def warehouses() -> Iterator[Finding]:
    """Yield what each tenant's warehouse gives; the platform's own database holds the list."""
    # Processes that look at the table of checks as they start need none of this.
    from orchestrator.engines.warehouse_sql import open_warehouse
    from orchestrator.tenants.models import Warehouse
    from orchestrator.tenants.sealing import unseal

    try:
        found = list(Warehouse.objects.select_related("tenant").order_by("tenant__slug"))
    except DatabaseError:
        return  # the schema's own finding says it
    if not found:
        yield NONE.found("none is connected")
    for row in found:
        name = f"warehouse of {row.tenant.slug}, {row.label}"
        try:
            url = unseal(bytes(row.url_encrypted))
            relations = len(open_warehouse(url).catalogue())
            gaps_found = hardening_gaps(url)
        except ConflictError:
            yield SEALED.found(f"{name}: its address was sealed with another field key")
            continue
        except OrchestratorError as exc:
            yield UNREADABLE.found(f"{name}: {exc}")
            continue
        yield UNREADABLE.fine(f"{name}: {relations} relations readable")
        if gaps_found:
            yield SOFT.found(f"{name}: {'; '.join(gaps_found)}")


def hardening_gaps(url: str) -> list[str]:
    """Return what the role behind a PostgreSQL address can do beyond reading, in words; other databases give none.

    Raises:
        DependencyDownError: the server does not answer.
    """
    if make_url(url).get_backend_name() not in ("postgresql", "postgres"):
        return []
    engine = create_engine(psycopg2_url(url), poolclass=NullPool, connect_args={"connect_timeout": 5})
    try:
        with engine.connect() as connection:
            role = connection.execute(text(_ROLE)).mappings().one()
            callable_ = [
                what
                for what, signature in _FUNCTIONS
                if connection.execute(
                    text("SELECT has_function_privilege(CAST(:signature AS text), 'EXECUTE')"), {"signature": signature}
                ).scalar()
            ]
    except SQLAlchemyError as exc:
        raise DependencyDownError(
            f"the warehouse does not answer: {type(exc).__name__}", dependency="warehouse"
        ) from exc
    finally:
        engine.dispose()
    return gaps(dict(role), callable_)


def gaps(role: dict[str, object], callable_: list[str]) -> list[str]:
    """Return the role's surplus rights as sentences. Pure."""
    if role["super"]:
        return ["the role is a superuser: any hole in the guard would be a hole in the server"]
    found = []
    if role["createrole"] or role["createdb"]:
        found.append("the role may create roles or databases")
    if role["bypasses"]:
        found.append("the role passes row-level security by")
    if role["writable"]:
        found.append(f"the role may write to {role['writable']} relations")
    if role["temp"]:
        found.append("the role may create temporary tables")
    if not role["read_only"]:
        found.append("its transactions are not read-only by default")
    if not role["timeout"]:
        found.append("it has no statement_timeout of its own")
    if callable_:
        found.append("the role may call functions that " + ", ".join(callable_))
    return found
