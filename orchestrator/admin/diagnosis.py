"""What a person checks before asking for help: settings, servers, queues, warehouses; each finding with its remedy."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal, cast

from django.apps import apps
from django.conf import settings
from django.db import DatabaseError, connection
from django.db.migrations.executor import MigrationExecutor
from redis.exceptions import RedisError
from sqlalchemy.exc import SQLAlchemyError

from orchestrator.admin.diagnosis_warehouse import hardening_gaps
from orchestrator.celery import app
from orchestrator.engines.warehouse_sql import open_warehouse
from orchestrator.errors import OrchestratorError, StoreDownError
from orchestrator.log.clients import sync_client
from orchestrator.queues import PROCESSES, QUEUES
from orchestrator.store import processes
from orchestrator.store.engine import direct, rw
from orchestrator.store.rows import Row, one_row
from orchestrator.tenants.models import Warehouse
from orchestrator.tenants.sealing import unseal

Level = Literal["ok", "warning", "problem"]
LEAST_POSTGRES = 15
LEAST_REDIS = (6, 2)

_SERVER = """
SELECT current_setting('server_version_num')::int / 10000 AS version, current_setting('max_connections')::int AS most,
       current_setting('superuser_reserved_connections')::int AS reserved,
       current_user AS role, current_database() AS name,
       r.rolsuper AS super, r.rolcreaterole AS createrole, r.rolcreatedb AS createdb,
       has_schema_privilege(current_user, 'public', 'CREATE') AS may_create,
       (SELECT extversion FROM pg_extension WHERE extname = 'vector') AS vector,
       EXISTS (SELECT 1 FROM pg_available_extensions WHERE name = 'vector') AS vector_available
FROM pg_roles r WHERE r.rolname = current_user
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing that was looked at."""

    subject: str
    level: Level
    text: str
    #: What to do about it; empty when nothing is to be done.
    remedy: str = ""


def examine() -> Iterator[Finding]:
    """Yield everything that was found, the settings first; nothing here raises for what is down."""
    yield from _settings()
    server = _server()
    if server is None:
        yield Finding(
            subject="database", level="problem", text="PostgreSQL does not answer", remedy="is DATABASE_URL right?"
        )
    else:
        yield from database(server)
        yield from connections(server)
        yield from _schema()
    yield from _redis()
    yield from _broker()
    yield from _queues()
    if server is not None:
        yield from _warehouses()


def administrator_sql() -> list[str]:
    """Return the statements that a database administrator runs for a role that lacks a right; empty: it lacks none.

    Apps may add their own by a method `administrator_sql(connection)` on their configuration.

    Raises:
        StoreDownError: PostgreSQL does not answer.
    """
    server = one_row(direct(), _SERVER)
    if server is None:
        raise StoreDownError("the role is not in pg_roles", dependency="database")
    lacking = _missing_rights(server)
    with connection.cursor():  # opens it
        for config in apps.get_app_configs():
            more: Callable[[Any], list[str]] | None = getattr(config, "administrator_sql", None)
            if more is not None and not (server["super"] or server["createrole"]):
                lacking += more(connection.connection)
    return lacking


def _missing_rights(server: Row) -> list[str]:
    role, name = _quoted(server["role"]), _quoted(server["name"])
    statements = []
    if server["vector"] is None:
        statements.append("CREATE EXTENSION IF NOT EXISTS vector;")
    if not server["may_create"]:
        statements.append(f"GRANT CREATE, USAGE ON SCHEMA public TO {role};")
        statements.append(f"GRANT TEMPORARY, CONNECT ON DATABASE {name} TO {role};")
    if settings.SWITCHYARD.development_users and not server["super"] and not server["createdb"]:
        statements.append(f"ALTER ROLE {role} CREATEDB;")
    return statements


def _settings() -> Iterator[Finding]:
    environment = settings.SWITCHYARD
    yield Finding(subject="settings", level="ok", text=f"mode {environment.mode}, every variable is acceptable")
    weak = [
        name
        for name in ("secret_key", "jwt_key", "field_key", "flower_password")
        if getattr(environment, name).get_secret_value().startswith("development-only-")
    ]
    if weak:
        reachable = environment.host not in ("127.0.0.1", "localhost", "::1")
        yield Finding(
            subject="settings",
            level="problem" if reachable else "warning",
            text="secrets that everybody knows: " + ", ".join(weak),
            remedy="name the installation's file by SWITCHYARD_SECRETS_FILE, or set them",
        )


def _server() -> Row | None:
    try:
        return one_row(direct(), _SERVER)
    except (StoreDownError, SQLAlchemyError):
        return None


def database(server: Row) -> Iterator[Finding]:
    """Yield what a server's own words tell about version, extension and role."""
    version = server["version"]
    yield Finding(
        subject="database",
        level="ok" if version >= LEAST_POSTGRES else "problem",
        text=f"PostgreSQL {version}, role {server['role']}",
        remedy="" if version >= LEAST_POSTGRES else f"PostgreSQL {LEAST_POSTGRES} or newer is needed",
    )
    if server["vector"]:
        yield Finding(subject="database", level="ok", text=f"extension vector {server['vector']}")
    else:
        have = "not created in this database" if server["vector_available"] else "not installed on the server"
        yield Finding(
            subject="database",
            level="problem",
            text=f"extension vector: {have}",
            remedy="`doctor --sql`" if server["vector_available"] else "install pgvector on the server",
        )
    if server["super"]:
        yield Finding(
            subject="database",
            level="warning",
            text=f"the role {server['role']} is a superuser",
            remedy="give the product a role of its own that owns its database and nothing else",
        )
    elif settings.SWITCHYARD.development_users and not server["createrole"]:
        yield Finding(
            subject="database",
            level="warning",
            text="the role may not create roles, which the example company's readers need",
            remedy="`doctor --sql` prints the statements for an administrator",
        )


def connections(server: Row) -> Iterator[Finding]:
    """Yield whether the server has room for all that the process table may open."""
    environment = settings.SWITCHYARD
    wanted = sum(
        entry.connections * (environment.gateways if entry.role == "gateway" else 1)
        for entry in PROCESSES
        if entry.only_if != "SWITCHYARD_LLM_MODEL_DIR" or environment.llm_model_dir is not None
    )
    room = server["most"] - server["reserved"]
    yield Finding(
        subject="connections",
        level="ok" if wanted <= room else "problem",
        text=f"the processes may hold {wanted}, the server has room for {room}",
        remedy="" if wanted <= room else "raise max_connections, or run fewer gateways",
    )


def _schema() -> Iterator[Finding]:
    try:
        executor = MigrationExecutor(connection)
        missing = executor.migration_plan(executor.loader.graph.leaf_nodes())
    except DatabaseError as exc:
        yield Finding(subject="schema", level="problem", text=f"unreadable: {type(exc).__name__}")
        return
    if missing:
        yield Finding(
            subject="schema", level="problem", text=f"{len(missing)} migrations missing", remedy="`manage.py migrate`"
        )
    else:
        yield Finding(subject="schema", level="ok", text="every migration is applied")


def _redis() -> Iterator[Finding]:
    client = sync_client(settings.SWITCHYARD.redis_url.get_secret_value())
    try:
        # redis-py types the answers of both its clients as one.
        info = cast("dict[str, Any]", client.info("everything"))
    except (RedisError, OSError) as exc:
        yield Finding(
            subject="redis",
            level="problem",
            text=f"does not answer: {type(exc).__name__}",
            remedy="is REDIS_URL right?",
        )
        return
    finally:
        client.close()
    yield from redis(info)


def redis(info: dict[str, Any]) -> Iterator[Finding]:
    """Yield what Redis' own figures tell about version, eviction and durability."""
    version = str(info.get("redis_version", "0"))
    new_enough = tuple(int(part) for part in re.findall(r"\d+", version)[:2]) >= LEAST_REDIS
    yield Finding(
        subject="redis",
        level="ok" if new_enough else "problem",
        text=f"Redis {version}",
        remedy="" if new_enough else "6.2 or newer is needed",
    )
    policy = info.get("maxmemory_policy", "unknown")
    yield Finding(
        subject="redis",
        level="ok" if policy == "noeviction" else "problem",
        text=f"maxmemory-policy {policy}",
        remedy="" if policy == "noeviction" else "set it to noeviction: a full memory must be an error, not a loss",
    )
    durable = bool(info.get("aof_enabled"))
    yield Finding(
        subject="redis",
        level="ok" if durable else "warning",
        text="append-only file is on" if durable else "no append-only file: a restart forgets the logs and the broker",
        remedy=""
        if durable
        else "`appendonly yes`; nothing accepted is lost without it, but running answers begin again",
    )


def _broker() -> Iterator[Finding]:
    try:
        with app.connection_for_write() as broker:
            broker.ensure_connection(max_retries=1, interval_start=0, timeout=5)
            where = broker.as_uri()
    except Exception as exc:  # each transport has its own errors, and none is to end the examination
        yield Finding(subject="broker", level="problem", text=f"does not answer: {type(exc).__name__}")
        return
    yield Finding(subject="broker", level="ok", text=where)


def _queues() -> Iterator[Finding]:
    try:
        rows = processes.alive(rw())
    except (StoreDownError, SQLAlchemyError):
        yield Finding(subject="processes", level="problem", text="unknown without the database")
        return
    yield from queues(rows)


def queues(rows: Sequence[Row]) -> Iterator[Finding]:
    """Yield which declared queues nobody takes, and whether somebody dispatches."""
    takers = [row for row in rows if row["role"] == "worker" and not row["draining"]]
    taken = {queue for row in takers for queue in row["queues"]}
    missing = [name for name in QUEUES if name not in taken]
    if not rows:
        yield Finding(subject="processes", level="warning", text="nothing runs", remedy="`make run`")
        return
    yield Finding(
        subject="queues",
        level="problem" if missing else "ok",
        text=f"nobody takes {', '.join(missing)}"
        if missing
        else f"{len(takers)} workers take all {len(QUEUES)} queues",
        remedy="look into the logs of their workers" if missing else "",
    )
    dispatching = any(row["role"] == "dispatcher" for row in rows)
    yield Finding(
        subject="dispatcher",
        level="ok" if dispatching else "problem",
        text="alive" if dispatching else "nobody dispatches: turns stay queued",
    )


def _warehouses() -> Iterator[Finding]:
    try:
        found = list(Warehouse.objects.select_related("tenant").order_by("tenant__slug"))
    except DatabaseError:
        return  # the schema's own finding says it
    if not found:
        yield Finding(subject="warehouse", level="warning", text="none is connected", remedy="`switchyard connect`")
    for row in found:
        subject = f"warehouse of {row.tenant.slug}"
        try:
            url = unseal(bytes(row.url_encrypted))
            relations = len(open_warehouse(url).catalogue())
            gaps = hardening_gaps(url)
        except OrchestratorError as exc:
            yield Finding(subject=subject, level="problem", text=f"{row.label}: {exc}")
            continue
        yield Finding(subject=subject, level="ok", text=f"{row.label}: {relations} relations readable")
        for gap in gaps:
            yield Finding(subject=subject, level="warning", text=gap, remedy="harden the role, see docs/operations.md")


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
