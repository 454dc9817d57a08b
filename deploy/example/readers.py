"""The reader roles: one login per tenant that can select that tenant's views and nothing else."""

from collections.abc import Mapping, Sequence
from importlib.resources import files
from typing import Final

import psycopg2
import structlog
from psycopg2 import sql
from psycopg2.extensions import connection as Connection

from deploy.example.views import TENANTS, reader_role, report_schema

_log = structlog.get_logger(__name__)

#: Connections a reader may hold at once, over all processes.
CONNECTION_LIMIT: Final = 10


def ensure_readers(target: Connection, database: str, passwords: Mapping[str, str], *, error: type[Exception]) -> None:
    """Create the reader roles with their passwords and settings, or set them again where the role may.

    Raises:
        error: a role is missing and this one may not create it; the message holds the statements to run.
    """
    with target.cursor() as cursor:
        cursor.execute("select rolsuper or rolcreaterole from pg_roles where rolname = current_user")
        may_create = cursor.fetchone() == (True,)
        cursor.execute(
            "select rolname from pg_roles where rolname = any(%s)", ([reader_role(tenant) for tenant in TENANTS],)
        )
        present = {name for (name,) in cursor.fetchall()}
        if may_create:
            for tenant in TENANTS:
                create = reader_role(tenant) not in present
                _set_role(target, _role_statements(tenant, passwords[tenant], create=create), create=create)
            return
        if absent := [tenant for tenant in TENANTS if reader_role(tenant) not in present]:
            # The password is left out: an error message ends in logs.
            lines = [
                statement.as_string(target)
                for tenant in absent
                for statement in _role_statements(tenant, "<password>", create=True)
            ]
            raise error(
                f"this role has no CREATEROLE, and the readers of {database!r} are missing; "
                "run as a superuser, then start again:\n" + ";\n".join(lines) + ";"
            )


def creation_statements(connection: Connection) -> list[str]:
    """Return what a superuser runs to make every reader; the passwords are theirs to fill in, as setup shows them."""
    return [
        statement.as_string(connection) + ";"
        for tenant in TENANTS
        for statement in _role_statements(tenant, "<password>", create=True)
    ]


def grant_views(target: Connection, database: str) -> None:
    """Let each reader connect and select its own views; take everything else from PUBLIC, as far as this role may."""
    with target.cursor() as cursor:
        name = sql.Identifier(database)
        cursor.execute(sql.SQL("revoke all on database {} from public").format(name))
        cursor.execute("revoke all on schema public from public")
        for tenant in TENANTS:
            schema, role = sql.Identifier(report_schema(tenant)), sql.Identifier(reader_role(tenant))
            cursor.execute(sql.SQL("grant connect on database {} to {}").format(name, role))
            cursor.execute(sql.SQL("grant usage on schema {} to {}").format(schema, role))
            cursor.execute(sql.SQL("grant select on all tables in schema {} to {}").format(schema, role))
        cursor.execute("select rolsuper from pg_roles where rolname = current_user")
        superuser = cursor.fetchone() == (True,)
    if superuser:
        harden(target)
    else:
        _log.warning("example_company_not_hardened", reason="only a superuser can revoke system functions from PUBLIC")


def harden(superuser: Connection) -> None:
    """Revoke from PUBLIC, in this connection's database, the system functions that a reader must not call.

    For after `build` when the role that builds is no superuser; once for a database is enough. No other role without
    an explicit grant can call them there afterwards, so never use it on the platform's own database, which needs
    advisory locks.
    """
    with superuser.cursor() as cursor:
        cursor.execute((files(__package__) / "harden.sql").read_text("utf-8"))


def _set_role(target: Connection, statements: Sequence[sql.Composed], *, create: bool) -> None:
    with target.cursor() as cursor:
        cursor.execute("savepoint reader_role")
        try:
            for statement in statements:
                cursor.execute(statement)
        except psycopg2.errors.InsufficientPrivilege:
            # Since PostgreSQL 16 CREATEROLE may alter only the roles it made: what somebody else set up stays as it is.
            if create:
                raise
            cursor.execute("rollback to savepoint reader_role")
            _log.warning("example_reader_not_altered", reason="the role was made by another one")
        cursor.execute("release savepoint reader_role")


def _role_statements(tenant: str, password: str, *, create: bool) -> list[sql.Composed]:
    role = sql.Identifier(reader_role(tenant))
    settings = {
        "default_transaction_read_only": sql.Literal("on"),
        "statement_timeout": sql.Literal("3s"),
        "lock_timeout": sql.Literal("1s"),
        "idle_in_transaction_session_timeout": sql.Literal("10s"),
        "search_path": sql.Identifier(report_schema(tenant)),
    }
    verb = sql.SQL("create" if create else "alter")
    return [
        sql.SQL("{} role {} login noinherit nocreatedb nocreaterole connection limit {} password {}").format(
            verb, role, sql.Literal(CONNECTION_LIMIT), sql.Literal(password)
        ),
        *(sql.SQL("alter role {} set {} = {}").format(role, sql.SQL(key), value) for key, value in settings.items()),
    ]
