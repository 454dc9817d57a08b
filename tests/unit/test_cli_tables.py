"""CSV files become a database that questions can be asked of."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from channels_app.cli.tables import TableError, load


def write(path: Path, text: str, encoding: str = "utf-8") -> Path:
    path.write_bytes(text.encode(encoding))
    return path


def look(path: Path, statement: str) -> list[tuple[object, ...]]:
    with sqlite3.connect(path) as database:
        return database.execute(statement).fetchall()


def test_columns_are_typed_by_what_stands_in_them(tmp_path: Path) -> None:
    sales = write(
        tmp_path / "Sales 2026.csv",
        "Order No;Día;When;Branch;Amount €;Paid\n"
        "1;2026-01-05;2026-01-05 10:00;Gràcia;12.50;yes\n"
        "2;2026-01-06;;Centro;;no\n",
        "utf-8-sig",
    )

    rows = load([sales], tmp_path / "out" / "acme.db")

    columns = look(tmp_path / "out" / "acme.db", "SELECT name, type FROM pragma_table_info('sales_2026')")
    assert rows == {"sales_2026": 2}
    assert columns == [
        ("order_no", "INTEGER"),
        ("dia", "DATE"),
        ("when", "DATETIME"),
        ("branch", "TEXT"),
        ("amount", "REAL"),
        ("paid", "TEXT"),
    ]
    assert look(tmp_path / "out" / "acme.db", "SELECT branch, amount FROM sales_2026") == [
        ("Gràcia", 12.5),
        ("Centro", None),
    ]


def test_names_that_are_the_same_or_none_are_told_apart(tmp_path: Path) -> None:
    one = write(tmp_path / "t.csv", "a,A,,2nd\n1,2,3,4\n")
    (tmp_path / "other").mkdir()
    two = write(tmp_path / "other" / "t.csv", "a\n1\n")

    rows = load([one, two], tmp_path / "x.db")

    names = [name for (name,) in look(tmp_path / "x.db", "SELECT name FROM pragma_table_info('t')")]
    assert list(rows) == ["t", "t_2"]
    assert names == ["a", "a_2", "column_3", "column_4_2nd"]


def test_what_does_not_fit_the_type_far_down_is_kept_as_it_stands(tmp_path: Path) -> None:
    file = write(tmp_path / "n.csv", "n\n" + "1\n" * 6_000 + "unknown\n")

    load([file], tmp_path / "x.db")

    assert look(tmp_path / "x.db", "SELECT count(*), max(typeof(n)) FROM n WHERE typeof(n) = 'text'") == [(1, "text")]


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"", "a heading and at least one row"),
        (b"a,b\n", "a heading and at least one row"),
        (b"a,b\n1,2\n1,2,3\n", "line 3: 3 cells where the heading has 2"),
        ("día\n¡5!\n".encode("latin-1"), "not UTF-8"),
    ],
)
def test_a_file_that_is_no_table_leaves_an_earlier_database_alone(tmp_path: Path, content: bytes, told: str) -> None:
    load([write(tmp_path / "good.csv", "a\n1\n")], tmp_path / "x.db")
    bad = tmp_path / "bad.csv"
    bad.write_bytes(content)

    with pytest.raises(TableError, match=told):
        load([bad], tmp_path / "x.db")

    assert look(tmp_path / "x.db", "SELECT a FROM good") == [(1,)]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["bad.csv", "good.csv", "x.db"]
