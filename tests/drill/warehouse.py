"""The drill's customer: a database whose answers take their time, and whose server writes down each one.

The function behind the view says in the server's log that it began and that it ended, with the `application_name` that
the platform gives its statements: executions are counted by a program that knows nothing of the platform.
"""

from __future__ import annotations

import secrets
from contextlib import closing
from dataclasses import dataclass
from typing import Final

import psycopg2
from psycopg2 import sql

from orchestrator.pipeline.semantic.model import SemanticLayer
from orchestrator.tenants.models import Tenant, Warehouse
from orchestrator.tenants.sealing import seal

DATABASE: Final = "drill_company"
READER: Final = "drill_reader"
#: How many questions can be asked in one drill.
QUESTIONS: Final = 100_000
#: Shortest and longest time a statement takes.
LEAST_S: Final = 0.3
MOST_S: Final = 3.0

_SCHEMA: Final = f"""
create schema drill;
create table drill.questions (number integer primary key);
insert into drill.questions select generate_series(1, {QUESTIONS});
analyze drill.questions;
-- Raised at LOG, which the server writes at any `log_min_messages` in use.
create function drill.worked(number integer) returns double precision language plpgsql volatile cost 1000 as $$
declare
  pause_s double precision := {LEAST_S} + (number * 37 % 28) * {(MOST_S - LEAST_S) / 27};
begin
  raise log 'ledger begin % %', current_setting('application_name'), number;
  perform pg_sleep(pause_s);
  raise log 'ledger end % %', current_setting('application_name'), number;
  return pause_s;
end $$;
-- The function is of the view's select list, so it runs once for the one row that the number picks.
create view drill.work with (security_barrier) as
  select q.number, drill.worked(q.number) as worked_s from drill.questions q;
"""

LAYER: Final = SemanticLayer.model_validate(
    {
        "name": "drill",
        "facts": {"work": {"relation": "work"}},
        "measures": {},
        "verified": [
            {
                "name": "question",
                "en": ["revenue of drill question {number}", "drill question {number}"],
                "es": ["ventas de la pregunta {number}"],
                "sql": "select work.number as number, work.worked_s as worked_s from work where work.number = :number",
                "slots": {"number": {"kind": "number"}},
                "describe": {"en": ["Drill question {number}"], "es": ["Pregunta {number}"]},
            }
        ],
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reader:
    """The login that may select the view and nothing else."""

    user: str
    password: str
    database: str

    def url(self, host: str, port: int) -> str:
        """Return the address, by way of whatever listens on `host:port`."""
        return f"postgresql://{self.user}:{self.password}@{host}:{port}/{self.database}"


def build(superuser_url: str) -> Reader:
    """Make the company's database on a server, and its reader."""
    password = secrets.token_urlsafe(12)
    with closing(psycopg2.connect(superuser_url)) as server:
        server.autocommit = True
        with server.cursor() as cursor:
            cursor.execute(sql.SQL("create database {}").format(sql.Identifier(DATABASE)))
            cursor.execute(
                sql.SQL("create role {} login noinherit connection limit 30 password {}").format(
                    sql.Identifier(READER), sql.Literal(password)
                )
            )
            cursor.execute(sql.SQL("alter role {} set search_path = drill").format(sql.Identifier(READER)))
    with closing(psycopg2.connect(superuser_url, dbname=DATABASE)) as company, company.cursor() as cursor:
        cursor.execute(_SCHEMA)
        cursor.execute(sql.SQL("grant usage on schema drill to {}").format(sql.Identifier(READER)))
        cursor.execute(sql.SQL("grant select on drill.work to {}").format(sql.Identifier(READER)))
        company.commit()
    return Reader(user=READER, password=password, database=DATABASE)


def connect_tenant(tenant: Tenant, url: str) -> None:
    """Make `url` the database that the tenant's questions are about."""
    Warehouse.objects.update_or_create(
        tenant=tenant,
        defaults={"url_encrypted": seal(url), "layer": LAYER.model_dump(mode="json"), "label": f"{DATABASE} (drill)"},
    )
