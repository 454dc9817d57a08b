"""One suite for every warehouse: scripted, SQLite, PostgreSQL."""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import psycopg2
import pytest
from sqlalchemy.engine import make_url

from deploy.servers_postgres import PostgresServer
from deploy.testservers import EmbeddedServers
from orchestrator.engines.warehouse import Column, Limits, Table, Warehouse
from orchestrator.engines.warehouse_guarded import GuardedWarehouse
from orchestrator.engines.warehouse_scripted import ScriptedWarehouse
from orchestrator.engines.warehouse_sql import MysqlWarehouse, PostgresWarehouse, open_warehouse
from orchestrator.engines.warehouse_sqlite import SqliteWarehouse
from orchestrator.errors import (
    DeadlineExceededError,
    DependencyDownError,
    EngineError,
    GuardRefusedError,
    InvalidInputError,
    NoAnswerError,
    StoppedError,
)
from orchestrator.pipeline.sql_guard import guard
from orchestrator.resilience.breaker_local import LocalBreaker
from orchestrator.resilience.breaker_states import Policy
from orchestrator.resilience.stop import Stop

ROWS = tuple((number, f"name {number % 7}", number / 2) for number in range(1, 401))
ALL = "SELECT id, label, amount FROM things ORDER BY id LIMIT 1001"
HIDDEN = "SELECT secret FROM things LIMIT 1001"
BROKEN = "SELECT id + nothing FROM things LIMIT 1"
#: What lasts as long as it is let.
ENDLESS = {
    "postgres": "SELECT count(*) FROM things a, things b, things c, things d WHERE a.id + b.id > c.id - d.id",
    "sqlite": "SELECT count(*) FROM things a, things b, things c, things d WHERE a.id + b.id > c.id - d.id",
}
LIMITS = Limits(cost=1e15)


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """A warehouse that holds `things` of ROWS, with a column `secret` that it must not show."""

    warehouse: Warehouse
    endless: str


def scripted() -> Case:
    columns = (
        Column(name="id", type="integer"),
        Column(name="label", type="text"),
        Column(name="amount", type="number"),
    )
    warehouse = ScriptedWarehouse(
        relations={"things": columns},
        answers={ALL: Table(columns=columns, rows=ROWS, truncated=False)},
        endless=("endless",),
        denied=(HIDDEN,),
    )
    return Case(warehouse=warehouse, endless="endless")


def sqlite(folder: Path) -> Case:
    path = folder / "things.db"
    connection = sqlite3.connect(path)
    connection.execute("create table things (id integer, label text, amount real, secret text)")
    connection.executemany("insert into things values (?, ?, ?, 'canary')", ROWS)
    connection.commit()
    connection.close()
    return Case(warehouse=SqliteWarehouse(path, hidden=("things.secret",)), endless=ENDLESS["sqlite"])


@pytest.fixture(scope="session")
def owner_url(servers: EmbeddedServers) -> str:
    server = servers.postgres.server
    assert isinstance(server, PostgresServer)
    return server.superuser_url


@pytest.fixture(scope="session")
def reader_url(owner_url: str) -> str:
    """Make a schema with hidden columns and a role that may only select the rest; return the role's address."""
    connection = psycopg2.connect(owner_url)
    connection.autocommit = True
    with connection.cursor() as cursor:
        cursor.execute(
            "drop schema if exists things_for_readers cascade; create schema things_for_readers;"
            "create table things_for_readers.things (id int, label text, amount numeric, secret text);"
            "create table things_for_readers.moments (day date, at timestamp, flag boolean, wide text)"
        )
        cursor.executemany("insert into things_for_readers.things values (%s, %s, %s, 'canary')", ROWS)
        cursor.execute(
            "insert into things_for_readers.moments values "
            "('2026-05-03', '2026-05-03 10:20:30', true, repeat('x', 3000)), (null, null, null, repeat('y', 3000));"
            "create role things_reader login password 'pw';"
            "alter role things_reader set search_path = things_for_readers;"
            "grant usage on schema things_for_readers to things_reader;"
            "grant select (id, label, amount) on things_for_readers.things to things_reader;"
            "grant select on things_for_readers.moments to things_reader"
        )
        cursor.execute("select current_database()")
        row = cursor.fetchone()
        assert row is not None
        cursor.execute(f'grant connect on database "{row[0]}" to things_reader')
    connection.close()
    return make_url(owner_url).set(username="things_reader", password="pw").render_as_string(hide_password=False)


@pytest.fixture
def postgres(reader_url: str) -> Iterator[PostgresWarehouse]:
    warehouse = open_warehouse(reader_url, pool_size=1)
    assert isinstance(warehouse, PostgresWarehouse)
    yield warehouse
    warehouse.close()


@pytest.fixture(params=["scripted", "guarded", "sqlite", "postgres"])
def case(request: pytest.FixtureRequest, tmp_path: Path) -> Case:
    match request.param:
        case "scripted":
            return scripted()
        case "guarded":
            breaker = LocalBreaker("warehouse", dependency="warehouse", policy=Policy())
            return replace(scripted(), warehouse=GuardedWarehouse(scripted().warehouse, breaker))
        case "sqlite":
            return sqlite(tmp_path)
    return Case(warehouse=request.getfixturevalue("postgres"), endless=ENDLESS["postgres"])


@pytest.fixture(params=["sqlite", "postgres"])
def real(request: pytest.FixtureRequest, tmp_path: Path) -> Case:
    if request.param == "sqlite":
        return sqlite(tmp_path)
    return Case(warehouse=request.getfixturevalue("postgres"), endless=ENDLESS["postgres"])


def test_the_catalogue_names_only_what_may_be_read(case: Case) -> None:
    things = case.warehouse.catalogue()["things"]

    assert [(column.name, column.type) for column in things] == [
        ("id", "integer"),
        ("label", "text"),
        ("amount", "number"),
    ]


def test_rows_come_with_their_names_and_plain_values(case: Case) -> None:
    table = case.warehouse.run(ALL, limits=LIMITS, stop=Stop())

    assert [column.name for column in table.columns] == ["id", "label", "amount"]
    assert (table.rows, table.truncated) == (ROWS, False)


def test_rows_beyond_the_cap_are_cut_and_it_is_said(case: Case) -> None:
    table = case.warehouse.run(ALL, limits=replace(LIMITS, rows=10), stop=Stop())

    assert (table.rows, table.truncated) == (ROWS[:10], True)


def test_as_many_rows_as_the_cap_are_not_called_cut(case: Case) -> None:
    table = case.warehouse.run(ALL, limits=replace(LIMITS, rows=len(ROWS)), stop=Stop())

    assert (len(table.rows), table.truncated) == (len(ROWS), False)


def test_bytes_beyond_the_cap_are_cut_and_it_is_said(case: Case) -> None:
    table = case.warehouse.run(ALL, limits=replace(LIMITS, bytes=500), stop=Stop())

    assert table.truncated
    assert 0 < len(table.rows) < 40


def test_what_the_role_may_not_read_is_refused(case: Case) -> None:
    with pytest.raises(GuardRefusedError):
        case.warehouse.run(HIDDEN, limits=LIMITS, stop=Stop())


def test_a_failing_statement_says_so_without_the_servers_words(case: Case) -> None:
    with pytest.raises(EngineError) as failure:
        case.warehouse.run(BROKEN, limits=LIMITS, stop=Stop())

    assert "nothing" not in str(failure.value)


def test_a_statement_that_lasts_too_long_is_ended(case: Case) -> None:
    started_s = time.monotonic()

    with pytest.raises(DeadlineExceededError):
        case.warehouse.run(case.endless, limits=replace(LIMITS, timeout_s=0.4), stop=Stop())

    assert time.monotonic() - started_s < 3


def test_a_stop_ends_a_running_statement(case: Case) -> None:
    stop = Stop()
    timer = threading.Timer(0.4, stop.set)
    timer.start()
    started_s = time.monotonic()

    with pytest.raises(StoppedError) as ending:
        case.warehouse.run(case.endless, limits=replace(LIMITS, timeout_s=30), stop=stop)

    timer.join()
    assert ending.value.reached == "sql"
    assert time.monotonic() - started_s < 5


def test_a_stop_that_came_before_runs_nothing(case: Case) -> None:
    stop = Stop()
    stop.set()

    with pytest.raises(StoppedError):
        case.warehouse.run(case.endless, limits=LIMITS, stop=stop)


def test_a_warehouse_answers_again_after_a_stop_and_a_failure(case: Case) -> None:
    stop = Stop()
    threading.Timer(0.2, stop.set).start()
    with pytest.raises(StoppedError):
        case.warehouse.run(case.endless, limits=replace(LIMITS, timeout_s=30), stop=stop)
    with pytest.raises(EngineError):
        case.warehouse.run(BROKEN, limits=LIMITS, stop=Stop())

    assert len(case.warehouse.run(ALL, limits=LIMITS, stop=Stop()).rows) == len(ROWS)


def test_many_threads_share_a_warehouse(case: Case) -> None:
    counts: list[int] = []
    threads = [
        threading.Thread(target=lambda: counts.append(len(case.warehouse.run(ALL, limits=LIMITS, stop=Stop()).rows)))
        for _ in range(6)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert counts == [len(ROWS)] * 6


# -- PostgreSQL alone


def test_postgres_says_the_types_of_its_columns(postgres: PostgresWarehouse) -> None:
    table = postgres.run("SELECT day, at, flag FROM moments LIMIT 3", limits=LIMITS, stop=Stop())

    assert [column.type for column in table.columns] == ["date", "datetime", "boolean"]
    assert table.rows == (("2026-05-03", "2026-05-03T10:20:30", True), (None, None, None))


def test_postgres_refuses_what_would_cost_too_much(postgres: PostgresWarehouse) -> None:
    with pytest.raises(GuardRefusedError):
        postgres.run(ENDLESS["postgres"], limits=Limits(cost=1_000), stop=Stop())


@pytest.mark.usefixtures("reader_url")
def test_postgres_is_read_only_even_to_an_owner(owner_url: str) -> None:
    warehouse = open_warehouse(owner_url)

    with pytest.raises((GuardRefusedError, EngineError)):
        warehouse.run("INSERT INTO things_for_readers.things (id) VALUES (0)", limits=LIMITS, stop=Stop())


def test_postgres_leaves_a_percent_sign_alone(postgres: PostgresWarehouse) -> None:
    table = postgres.run(
        "SELECT count(*) FROM things WHERE label LIKE 'name%' AND id % 2 = 0", limits=LIMITS, stop=Stop()
    )

    assert table.rows == ((200,),)


def test_postgres_forgets_what_a_statement_set(postgres: PostgresWarehouse) -> None:
    show = "SELECT current_setting('application_name')"
    postgres.run("SELECT set_config('application_name', 'changed', false)", limits=LIMITS, stop=Stop())

    assert postgres.run(show, limits=LIMITS, stop=Stop()).rows == (("switchyard-warehouse",),)


def test_postgres_shows_its_administrator_whose_statement_it_is(postgres: PostgresWarehouse) -> None:
    limits = replace(LIMITS, run_as="switchyard:turn_01:1")

    table = postgres.run("SELECT current_setting('application_name') AS name", limits=limits, stop=Stop())

    assert table.rows == (("switchyard:turn_01:1",),)


def test_postgres_takes_no_statement_for_a_name(postgres: PostgresWarehouse) -> None:
    limits = replace(LIMITS, run_as="x'; SET statement_timeout = 0; --")

    table = postgres.run("SELECT current_setting('application_name') AS name", limits=limits, stop=Stop())

    assert table.rows == (("switchyard-warehouse",),)


def test_a_postgres_that_is_not_there_is_down() -> None:
    warehouse = open_warehouse("postgresql://nobody:pw@127.0.0.1:1/nothing")

    with pytest.raises(DependencyDownError) as failure:
        warehouse.run(ALL, limits=LIMITS, stop=Stop())

    assert "pw" not in str(failure.value)


# -- SQLite alone


def test_sqlite_denies_a_hidden_column_behind_a_common_table_expression(tmp_path: Path) -> None:
    warehouse = sqlite(tmp_path).warehouse

    with pytest.raises(GuardRefusedError):
        warehouse.run(
            "WITH things_view AS (SELECT secret FROM main.things) SELECT * FROM things_view", limits=LIMITS, stop=Stop()
        )


@pytest.mark.parametrize(
    "sql",
    [
        "ATTACH DATABASE '/tmp/stolen.db' AS stolen",
        "PRAGMA query_only = off",
        "SELECT * FROM sqlite_master",
        "SELECT load_extension('x')",
        "DELETE FROM things",
        "CREATE TABLE z (a)",
        "WITH RECURSIVE t(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM t) SELECT max(n) FROM t",
    ],
)
def test_sqlite_denies_what_a_guard_should_have_stopped(tmp_path: Path, sql: str) -> None:
    with pytest.raises((GuardRefusedError, EngineError)):
        sqlite(tmp_path).warehouse.run(sql, limits=replace(LIMITS, timeout_s=1), stop=Stop())


def test_a_missing_sqlite_file_is_not_worth_another_try(tmp_path: Path) -> None:
    with pytest.raises(NoAnswerError):
        SqliteWarehouse(tmp_path / "none.db").run(ALL, limits=LIMITS, stop=Stop())


# -- the guard's text on both real engines


@pytest.mark.parametrize(
    "sql",
    [
        "select * from things order by amount desc nulls last limit 3",
        "select label, count(*) as n, sum(amount) total from things group by label having count(*) > 1 order by total",
        "with t as (select label, amount from things) select label, rank() over (order by amount) from t limit 5",
        "select label from things where amount between 1 and 5 union select 'x' order by label",
    ],
)
def test_guarded_text_runs_as_it_is(real: Case, sql: str) -> None:
    warehouse = real.warehouse
    text = guard(sql, dialect=warehouse.dialect, catalogue=warehouse.catalogue(), limit_rows=100).sql

    assert warehouse.run(text, limits=LIMITS, stop=Stop()).rows


@pytest.mark.parametrize("url", ["mssql://x/y", "sqlite://", "nonsense", "mysql"])
def test_an_address_of_another_kind_is_refused(url: str) -> None:
    with pytest.raises(InvalidInputError):
        open_warehouse(url)


def test_a_mysql_address_is_accepted_where_its_driver_is_installed() -> None:
    pytest.importorskip("pymysql", reason="MySQL's driver is not among our dependencies")

    assert isinstance(open_warehouse("mysql://reader:pw@127.0.0.1/shop"), MysqlWarehouse)
