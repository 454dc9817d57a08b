"""A database that is connected again: what people said of its figures stays, unless they want it gone."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from orchestrator.tenants.models import Tenant, Warehouse
from tests.integration.test_cli_operating import switchyard

pytestmark = pytest.mark.usefixtures("database")


def tables(path: Path, *statements: str) -> str:
    with sqlite3.connect(path) as database:
        for statement in statements:
            database.execute(statement)
    return f"sqlite:///{path}"


def label(tenant: Tenant, words: str | None = None) -> str:
    """Return what the count of orders is called, after having changed it."""
    row = Warehouse.objects.get(tenant=tenant)
    (name,) = (name for name in row.layer["measures"] if name.endswith("orders_count"))
    if words is not None:
        row.layer["measures"][name]["labels"]["en"] = [words]
        row.save()
    return str(row.layer["measures"][name]["labels"]["en"][0])


@pytest.fixture
def shop(tenant: Tenant, tmp_path: Path) -> str:
    """Connect a database whose orders somebody then calls deals."""
    address = tables(tmp_path / "shop.db", "CREATE TABLE orders (id INTEGER PRIMARY KEY, amount REAL)")
    assert switchyard("connect", address, "--tenant", tenant.slug).returncode == 0
    assert label(tenant, "deals") == "deals"
    return address


def test_what_was_said_stays_and_a_new_table_is_drafted_into_it(tenant: Tenant, shop: str, tmp_path: Path) -> None:
    tables(tmp_path / "shop.db", "CREATE TABLE visits (id INTEGER PRIMARY KEY, day DATE)", "DROP TABLE orders")
    tables(tmp_path / "shop.db", "CREATE TABLE orders (id INTEGER PRIMARY KEY, total REAL)")

    again = switchyard("connect", shop, "--tenant", tenant.slug)

    assert "Kept what was said about the figures" in again.stdout
    assert "Drafted into it: visits." in again.stdout
    assert "orders has no column amount" in again.stderr
    assert label(tenant) == "deals"


def test_a_new_draft_is_made_when_it_is_wanted_or_the_database_is_another(
    tenant: Tenant, shop: str, tmp_path: Path
) -> None:
    anew = switchyard("connect", shop, "--draft", "--tenant", tenant.slug)
    assert label(tenant) != "deals"
    other = tables(tmp_path / "other.db", "CREATE TABLE films (id INTEGER PRIMARY KEY, title TEXT)")
    moved = switchyard("connect", other, "--tenant", tenant.slug)

    assert "Drafted" in anew.stdout
    assert moved.stdout.startswith("Replaced: ")
    assert "Drafted" in moved.stdout
    assert moved.returncode == 0
