"""What a database administrator has to run for the product's role."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.apps import apps
from django.conf import settings
from django.db import connection

from orchestrator.admin.diagnosis.postgres_facts import Server, ask


def administrator_sql() -> list[str]:
    """Return the statements for a role that lacks a right; empty: it lacks none.

    Apps may add their own by a method `administrator_sql(connection)` on their configuration.

    Raises:
        AwayError: PostgreSQL does not answer.
    """
    environment = settings.SWITCHYARD
    server = ask(environment.database_direct_url.get_secret_value() or environment.database_url.get_secret_value())
    lacking = missing_rights(server, example=environment.development_users)
    with connection.cursor():  # opens it
        for config in apps.get_app_configs():
            more: Callable[[Any], list[str]] | None = getattr(config, "administrator_sql", None)
            if more is not None and not (server.super or server.createrole):
                lacking += more(connection.connection)
    return lacking


def missing_rights(server: Server, *, example: bool) -> list[str]:
    """Return the statements that mend what the server says; `example`: the example company is wanted. Pure."""
    role, name = _quoted(server.role), _quoted(server.name)
    statements = []
    if server.vector is None:
        statements.append("CREATE EXTENSION IF NOT EXISTS vector;")
    if not server.may_create:
        statements.append(f"GRANT CREATE, USAGE ON SCHEMA public TO {role};")
        statements.append(f"GRANT TEMPORARY, CONNECT ON DATABASE {name} TO {role};")
    if example and not server.super and not server.createdb:
        statements.append(f"ALTER ROLE {role} CREATEDB;")
    return statements


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
