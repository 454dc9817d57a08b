"""The example company in a real PostgreSQL: what its readers may see, and that every reference query answers."""

import json
from collections.abc import Iterator
from contextlib import closing
from datetime import date
from pathlib import Path
from typing import Any

import psycopg2
import pytest
import yaml

from deploy.example.company import build
from deploy.example.management.commands import setup_example
from deploy.example.readers import harden
from deploy.example.router_templates import QUESTIONS
from deploy.servers_postgres import PostgresServer
from deploy.testservers import EmbeddedServers

TODAY = date(2026, 11, 20)
PASSWORDS = {"trattoria": "read-trattoria", "rival": "read-rival"}
DATABASE = "example_company_test"


def reference_queries() -> list[Any]:
    """Return the questions of both SQL sets, each with a readable id."""
    names = ("sql_heldout", "sql_dev")
    questions = [
        question for name in names for question in yaml.safe_load((QUESTIONS / f"{name}.yaml").read_text("utf-8"))
    ]
    return [pytest.param(question["sql"], id=question["question"]) for question in questions]


@pytest.fixture(scope="module")
def company(servers: EmbeddedServers) -> str:
    """Build the small company once and return the admin's URL."""
    build(servers.database_url, database=DATABASE, reader_passwords=PASSWORDS, today=TODAY, size="small", seed=7)
    return servers.database_url


@pytest.fixture(scope="module")
def reader(company: str) -> Iterator["psycopg2.extensions.connection"]:
    """Connect as the reader of trattoria."""
    with closing(
        psycopg2.connect(company, dbname=DATABASE, user="rpt_trattoria_reader", password=PASSWORDS["trattoria"])
    ) as connection:
        connection.autocommit = True
        yield connection


def rows(connection: "psycopg2.extensions.connection", statement: str) -> list[tuple[Any, ...]]:
    """Run a statement and return its rows."""
    with connection.cursor() as cursor:
        cursor.execute(statement)
        return cursor.fetchall()


@pytest.mark.parametrize("sql", reference_queries())
def test_a_reference_query_gives_rows(reader: "psycopg2.extensions.connection", sql: str) -> None:
    answer = rows(reader, sql.replace(":today", f"date '{TODAY}'"))

    assert answer
    assert all(value is not None for row in answer for value in row)


@pytest.mark.parametrize(
    "statement",
    [
        "select salary from app.staff",
        "select * from rpt_rival.branches",
        "insert into branches (id) values (99)",
        "create table public.mine (a int)",
        "create temp table mine (a int)",
        "set default_transaction_read_only = off; create temp table mine (a int)",
    ],
)
def test_a_reader_is_refused(reader: "psycopg2.extensions.connection", statement: str) -> None:
    with pytest.raises((psycopg2.errors.InsufficientPrivilege, psycopg2.errors.ReadOnlySqlTransaction)):
        rows(reader, statement)


def test_a_reader_sees_only_its_own_branches(reader: "psycopg2.extensions.connection") -> None:
    names = {name for (name,) in rows(reader, "select name from branches")}

    assert "Navigli" in names
    assert "Casco Viejo" not in names


def test_a_whole_row_shows_no_hidden_column(reader: "psycopg2.extensions.connection") -> None:
    [(text,)] = rows(reader, "select p::text from payments p limit 1")

    assert "tok_" not in text


def test_columns_carry_their_comments_into_the_views(reader: "psycopg2.extensions.connection") -> None:
    statement = """
        select col_description(attrelid, attnum) from pg_attribute
         where attrelid = 'orders'::regclass and attname = 'business_date'"""

    assert rows(reader, statement) == [("Day the order counts for: the date of opened_at.",)]


def test_the_data_move_with_the_day(company: str) -> None:
    build(company, database="example_moving_test", reader_passwords=PASSWORDS, today=TODAY, size="small", seed=7)
    build(
        company,
        database="example_moving_test",
        reader_passwords=PASSWORDS,
        today=date(2026, 11, 23),
        size="small",
        seed=7,
    )

    with closing(psycopg2.connect(company, dbname="example_moving_test")) as admin:
        assert rows(admin, "select max(business_date) from app.orders") == [(date(2026, 11, 22),)]


def test_after_hardening_a_reader_cannot_change_settings(
    servers: EmbeddedServers, reader: "psycopg2.extensions.connection"
) -> None:
    server = servers.postgres.server
    assert isinstance(server, PostgresServer)
    password = server.superuser_password
    with closing(psycopg2.connect(servers.database_url, dbname=DATABASE, user="postgres", password=password)) as admin:
        harden(admin)
        admin.commit()

    with pytest.raises(psycopg2.errors.InsufficientPrivilege):
        rows(reader, "select set_config('search_path', 'app', true)")


@pytest.mark.parametrize("other", ["switchyard", "postgres", "template1"])
def test_a_reader_connects_to_its_company_alone(
    servers: EmbeddedServers, company: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, other: str
) -> None:
    server = servers.postgres.server
    assert isinstance(server, PostgresServer)
    secrets = tmp_path / "secrets.json"
    secrets.write_text(json.dumps({"database_superuser_url": server.superuser_url}))
    monkeypatch.setenv("SWITCHYARD_SECRETS_FILE", str(secrets))
    setup_example.harden_private(DATABASE, "switchyard")

    with pytest.raises(psycopg2.OperationalError, match="permission denied for database"):
        psycopg2.connect(company, dbname=other, user="rpt_trattoria_reader", password=PASSWORDS["trattoria"])


def test_an_unknown_size_is_refused(company: str) -> None:
    with pytest.raises(ValueError, match="size must be one of"):
        build(company, database=DATABASE, reader_passwords=PASSWORDS, today=TODAY, size="huge", seed=7)


def test_a_tenant_without_a_password_is_refused(company: str) -> None:
    with pytest.raises(ValueError, match="no reader password for rival"):
        build(company, database=DATABASE, reader_passwords={"trattoria": "x"}, today=TODAY, size="small", seed=7)
