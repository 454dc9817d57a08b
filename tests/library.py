"""A public library's database: eleven tables with foreign keys, or the same without any, as from CSV files."""

from __future__ import annotations

import re
import sqlite3
from pathlib import Path

TABLES = """
create table country (country_id integer primary key, country text not null, last_update datetime);
create table city (city_id integer primary key, city text not null,
    country_id integer not null references country (country_id), last_update datetime);
create table branch (branch_id integer primary key, name text not null,
    city_id integer not null references city (city_id), last_update datetime);
create table genre (genre_id integer primary key, name text not null, last_update datetime);
create table author (author_id integer primary key, first_name text not null, last_name text not null,
    last_update datetime);
create table book (book_id integer primary key, title text not null, genre_id integer references genre (genre_id),
    binding text, pages integer, publication_year integer, daily_rate numeric, last_update datetime);
create table book_author (book_id integer not null references book (book_id),
    author_id integer not null references author (author_id), primary key (book_id, author_id));
create table copy (copy_id integer primary key, book_id integer not null references book (book_id),
    branch_id integer not null references branch (branch_id), last_update datetime);
create table member (member_id integer primary key, first_name text not null, last_name text not null, email text,
    city_id integer not null references city (city_id), branch_id integer not null references branch (branch_id),
    is_active boolean not null, joined_on date not null, last_update datetime);
create table loan (loan_id integer primary key, copy_id integer not null references copy (copy_id),
    member_id integer not null references member (member_id), last_update datetime, loan_date date not null,
    due_date date not null, return_date date);
create table fine (fine_id integer primary key, loan_id integer not null references loan (loan_id),
    member_id integer not null references member (member_id), reason text, amount numeric not null,
    updated_at datetime, fine_date date not null);
"""
TOUCHED = "2026-10-15 00:00:00"


def make(path: Path, *, keys: bool) -> Path:
    """Write the library into a SQLite file; without `keys`, no table declares any."""
    tables = (
        TABLES if keys else re.sub(r" primary key(?! \()| references \w+ \(\w+\)|, primary key \([^)]*\)", "", TABLES)
    )
    connection = sqlite3.connect(path)
    connection.executescript(tables)
    for table, rows in ROWS.items():
        holes = ", ".join("?" for _ in rows[0])
        connection.executemany(f"insert into {table} values ({holes})", rows)
    connection.commit()
    connection.close()
    return path


#: The members live in other cities than their branch; two of them share a name, and one has left.
ROWS: dict[str, list[tuple[object, ...]]] = {
    "country": [(1, "Spain", TOUCHED), (2, "France", TOUCHED)],
    "city": [(1, "Bilbao", 1, TOUCHED), (2, "Lyon", 2, TOUCHED), (3, "Burgos", 1, TOUCHED)],
    "branch": [(1, "Harbour", 1, TOUCHED), (2, "Old Town", 2, TOUCHED)],
    "genre": [(1, "Crime", TOUCHED), (2, "Poetry", TOUCHED)],
    "author": [(1, "Ana", "Sol", TOUCHED), (2, "Bo", "Berg", TOUCHED), (3, "Cy", "Lund", TOUCHED)],
    "book": [
        (1, "Night Train", 1, "paperback", 200, 1999, 0.5, TOUCHED),
        (2, "Cold Case", 1, "hardback", 300, 2020, 0.7, TOUCHED),
        (3, "Verses", 2, "paperback", 100, 2020, 0.2, TOUCHED),
    ],
    # "Cold Case" was written by two: books by author count it twice, books in all once.
    "book_author": [(1, 1), (2, 1), (2, 2), (3, 3)],
    "copy": [(1, 1, 1, TOUCHED), (2, 1, 2, TOUCHED), (3, 2, 1, TOUCHED), (4, 3, 2, TOUCHED), (5, 3, 2, TOUCHED)],
    "member": [
        (1, "Eva", "Ruiz", "a@example.com", 1, 2, 1, "2025-02-01", TOUCHED),
        (2, "Eva", "Ruiz", "b@example.com", 3, 1, 1, "2026-10-03", TOUCHED),
        (3, "Max", "Noir", "c@example.com", 2, 1, 0, "2026-10-20", TOUCHED),
        (4, "Lea", "Noir", "d@example.com", 2, 2, 1, "2026-11-02", TOUCHED),
    ],
    "loan": [
        (1, 1, 1, TOUCHED, "2026-09-01", "2026-09-20", "2026-10-02"),
        (2, 1, 2, TOUCHED, "2026-10-05", "2026-10-20", "2026-10-12"),
        (3, 2, 1, TOUCHED, "2026-10-06", "2026-10-21", None),
        (4, 3, 3, TOUCHED, "2026-10-30", "2026-11-14", "2026-11-01"),
        (5, 4, 4, TOUCHED, "2026-11-03", "2026-11-18", None),
        (6, 5, 4, TOUCHED, "2026-11-03", "2026-11-18", None),
        (7, 1, 4, TOUCHED, "2025-12-03", "2025-12-18", "2026-01-09"),
    ],
    "fine": [
        (1, 1, 1, "late", 6.0, TOUCHED, "2026-10-02"),
        (2, 7, 4, "late", 4.5, TOUCHED, "2026-01-09"),
        (3, 4, 3, "damage", 12.0, TOUCHED, "2026-11-01"),
        (4, 3, 1, "late", 1.0, TOUCHED, "2026-11-10"),
    ],
}
