"""What each warehouse says of declared keys: scripted, guarded, SQLite, PostgreSQL."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import psycopg2
import pytest
from sqlalchemy.engine import make_url

from deploy.servers_postgres import PostgresServer
from deploy.testservers import EmbeddedServers
from orchestrator.engines.warehouse import Reference, Structure, Warehouse
from orchestrator.engines.warehouse_guarded import GuardedWarehouse
from orchestrator.engines.warehouse_scripted import ScriptedWarehouse
from orchestrator.engines.warehouse_sql import open_warehouse
from orchestrator.engines.warehouse_sqlite import SqliteWarehouse
from orchestrator.resilience.breaker_local import LocalBreaker
from orchestrator.resilience.breaker_states import Policy

TABLES = """
create table owners (owner_id integer primary key, code varchar(9) not null unique, nick varchar(9) unique);
create table pets (id integer primary key, owner_id integer references owners, friend_id integer references pets (id));
create table doses (pet_id integer, day integer, primary key (pet_id, day));
create table dose_notes (pet_id integer, day integer, foreign key (pet_id, day) references doses (pet_id, day));
create view pet_list as select id from pets;
"""
EXPECTED = Structure(
    references=(
        Reference(relation="pets", column="friend_id", target="pets", target_column="id"),
        Reference(relation="pets", column="owner_id", target="owners", target_column="owner_id"),
    ),
    keys=frozenset({("owners", "owner_id"), ("owners", "code"), ("pets", "id")}),
    views=frozenset({"pet_list"}),
)


@pytest.fixture(scope="session")
def keys_url(servers: EmbeddedServers) -> str:
    """Make the tables as one role and let another read them, who owns none."""
    server = servers.postgres.server
    assert isinstance(server, PostgresServer)
    connection = psycopg2.connect(server.superuser_url)
    connection.autocommit = True
    with connection.cursor() as cursor:
        cursor.execute(
            f"create schema keys_for_readers; set search_path = keys_for_readers; {TABLES}"
            "create type mood as enum ('calm', 'wild'); create table moods (mood mood);"
            "create role keys_reader login password 'pw'; alter role keys_reader set search_path = keys_for_readers;"
            "grant usage on schema keys_for_readers to keys_reader;"
            "grant select on all tables in schema keys_for_readers to keys_reader"
        )
    connection.close()
    url = make_url(server.superuser_url).set(username="keys_reader", password="pw")
    return url.render_as_string(hide_password=False)


@pytest.fixture(params=["scripted", "guarded", "sqlite", "postgres"])
def warehouse(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Warehouse]:
    scripted = ScriptedWarehouse(relations={}, answers={}, declared=EXPECTED)
    match request.param:
        case "scripted":
            yield scripted
        case "guarded":
            yield GuardedWarehouse(scripted, LocalBreaker("warehouse", dependency="warehouse", policy=Policy()))
        case "sqlite":
            with sqlite3.connect(tmp_path / "keys.db") as connection:
                connection.executescript(TABLES)
            yield SqliteWarehouse(tmp_path / "keys.db")
        case _:
            opened = open_warehouse(request.getfixturevalue("keys_url"), pool_size=1)
            yield opened
            opened.close()


def test_declared_keys_are_told_and_those_of_several_columns_left_out(warehouse: Warehouse) -> None:
    found = warehouse.structure()

    assert sorted(found.references, key=lambda each: each.column) == list(EXPECTED.references)
    assert (found.keys, found.views) == (EXPECTED.keys, EXPECTED.views)


def test_a_column_of_listed_values_is_a_text(keys_url: str) -> None:
    warehouse = open_warehouse(keys_url, pool_size=1)

    columns = warehouse.catalogue()["moods"]

    warehouse.close()
    assert [(column.name, column.type) for column in columns] == [("mood", "text")]
