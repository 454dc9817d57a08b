"""Tables made of CSV files are in the backup, and questions find them where the backup is brought back."""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

from deploy.testservers import EmbeddedServers
from orchestrator.admin.archive.backup import backup
from orchestrator.admin.archive.manifest import ArchiveError
from orchestrator.admin.archive.restore import read_manifest, restore
from orchestrator.engines.warehouse_sql import open_warehouse
from orchestrator.errors import NoAnswerError
from orchestrator.tenants.models import Tenant, Warehouse
from orchestrator.tenants.sealing import unseal

CHECKOUT = Path(__file__).resolve().parents[2]
KEY = "a-field-key-of-more-than-32-characters"


pytestmark = pytest.mark.usefixtures("database")


def switchyard(data: Path, *arguments: str, **environ: str) -> subprocess.CompletedProcess[str]:
    """Run a command as an operator of the installation with that data folder."""
    return subprocess.run(
        [sys.executable, "-m", "channels_app.cli.main", *arguments],
        cwd=CHECKOUT,
        env=os.environ | {"COLUMNS": "300", "SWITCHYARD_DATA_DIR": str(data), "SWITCHYARD_FIELD_KEY": KEY} | environ,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


@pytest.fixture
def data(tmp_path: Path, tenant: Tenant) -> Path:
    """Return a data folder in which the tenant's CSV has been connected."""
    (tmp_path / "orders.csv").write_text("store,amount\nNorth,2.5\nSouth,3\n", encoding="utf-8")
    done = switchyard(tmp_path / "old", "connect", "--tenant", tenant.slug, "--csv", str(tmp_path / "orders.csv"))
    assert done.returncode == 0, done.stderr
    return tmp_path / "old"


def saved(data: Path, url: str, name: str = "yard.backup") -> Path:
    backup(url, data.parent / name, field_key=KEY, data=data)
    return data.parent / name


def rows(file: Path) -> list[tuple[object, ...]]:
    with sqlite3.connect(file) as database:
        return database.execute("SELECT store, amount FROM orders ORDER BY store").fetchall()


def test_a_restore_from_the_command_line_brings_the_tables_and_their_address(
    data: Path, tenant: Tenant, tmp_path: Path, emptied: EmbeddedServers
) -> None:
    file = tmp_path / "yard.backup"
    made = switchyard(data, "backup", str(file))
    data.rename(tmp_path / "gone")
    servers = {"DATABASE_URL": emptied.database_url, "REDIS_URL": emptied.redis_url}

    done = switchyard(tmp_path / "new", "restore", str(file), **servers)

    assert made.returncode == 0, made.stderr
    assert "1 database made of CSV files" in made.stdout
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"Also back: tables/{tenant.slug}.db" in done.stdout
    assert "Stopp" not in done.stdout
    assert done.stdout.splitlines()[-1].endswith("Now start it: make run with the same SWITCHYARD_DATA_DIR")
    assert rows(tmp_path / "new" / "tables" / f"{tenant.slug}.db") == [("North", 2.5), ("South", 3)]
    # The doctor opens each warehouse by its sealed address, from the new folder.
    seen = switchyard(tmp_path / "new", "doctor", **servers).stdout
    assert f"warehouse of {tenant.slug}, tables/{tenant.slug}.db: 1 relations readable" in seen


def test_with_another_key_the_way_back_is_said_and_leads_back(
    data: Path, tenant: Tenant, tmp_path: Path, emptied: EmbeddedServers
) -> None:
    file = tmp_path / "yard.backup"
    switchyard(data, "backup", str(file))
    other = {"DATABASE_URL": emptied.database_url, "REDIS_URL": emptied.redis_url, "SWITCHYARD_FIELD_KEY": KEY[::-1]}

    done = switchyard(tmp_path / "new", "restore", str(file), **other)

    assert done.returncode == 0, done.stdout + done.stderr
    assert "copy the value of `field_key` from the old installation's secrets.json" in done.stdout
    seen = switchyard(tmp_path / "new", "doctor", **other).stdout
    assert "its address was sealed with another field key  [warehouse-sealed]" in seen
    assert "do   copy the value of `field_key`" in seen
    (tmp_path / "new" / "secrets.json").write_text(json.dumps({"field_key": KEY}))
    mended = switchyard(tmp_path / "new", "doctor", **other | {"SWITCHYARD_FIELD_KEY": ""}).stdout
    assert f"warehouse of {tenant.slug}, tables/{tenant.slug}.db: 1 relations readable" in mended


def test_an_absolute_address_of_before_is_shortened_by_the_migration(
    data: Path, tenant: Tenant, platform: EmbeddedServers
) -> None:
    from importlib import import_module

    from django.apps import apps
    from django.conf import settings as django_settings
    from django.db import connection

    from orchestrator.tenants.sealing import seal

    environment = django_settings.SWITCHYARD
    file = environment.data_dir.resolve() / "tables" / "x.db"
    Warehouse.objects.filter(tenant=tenant).update(url_encrypted=seal(f"sqlite:///{file}"), label=str(file))
    migration = import_module("orchestrator.tenants.migrations.0003_tables_move_with_their_folder")

    migration.shorten(apps, connection.schema_editor())

    row = Warehouse.objects.get(tenant=tenant)
    assert (unseal(bytes(row.url_encrypted)), row.label) == ("sqlite:///tables/x.db", "tables/x.db")


def test_a_damaged_table_file_is_refused_before_anything_is_touched(
    data: Path, platform: EmbeddedServers, emptied: EmbeddedServers, tmp_path: Path
) -> None:
    file = saved(data, platform.database_url)
    parts, broken = tmp_path / "parts", tmp_path / "broken.backup"
    with tarfile.open(file) as tar:
        tar.extractall(parts, filter="data")
        names = tar.getnames()
    table = parts / names[-1]
    with sqlite3.connect(table) as database:
        database.execute("DELETE FROM orders WHERE store = 'North'")
    with tarfile.open(broken, "w") as tar:
        for name in names:
            tar.add(parts / name, arcname=name)

    with pytest.raises(ArchiveError, match="1 rows instead of 2"):
        restore(
            emptied.database_url,
            broken,
            field_key=KEY,
            known=frozenset(read_manifest(file).migrations),
            data=tmp_path / "new",
        )

    assert not (tmp_path / "new").exists()


def test_other_tables_of_that_name_stay_unless_they_may_go(
    data: Path, tenant: Tenant, platform: EmbeddedServers, emptied: EmbeddedServers, tmp_path: Path
) -> None:
    file = saved(data, platform.database_url)
    known = frozenset(read_manifest(file).migrations)
    mine = tmp_path / "new" / "tables" / f"{tenant.slug}.db"
    mine.parent.mkdir(parents=True)
    with sqlite3.connect(mine) as database:
        database.execute("CREATE TABLE mine (x)")
    before = mine.read_bytes()
    with pytest.raises(ArchiveError, match="--replace replaces it"):
        restore(emptied.database_url, file, field_key=KEY, known=known, data=tmp_path / "new")
    untouched = mine.read_bytes()

    restore(emptied.database_url, file, field_key=KEY, known=known, data=tmp_path / "new", replace=True)

    assert untouched == before
    assert rows(mine) == [("North", 2.5), ("South", 3)]


def test_a_backup_of_before_without_tables_is_still_restored(
    data: Path, platform: EmbeddedServers, emptied: EmbeddedServers, tmp_path: Path
) -> None:
    file = tmp_path / "old.backup"
    backup(platform.database_url, file, field_key=KEY)
    parts, old = tmp_path / "parts", tmp_path / "format-1.backup"
    with tarfile.open(file) as tar:
        tar.extractall(parts, filter="data")
    manifest = parts / "manifest.json"
    text = manifest.read_text().replace('"format": 2', '"format": 1').replace(',\n  "files": {}', "")
    assert "files" not in text
    manifest.write_text(text)
    with tarfile.open(old, "w") as tar:
        for name in ("manifest.json", "database.dump"):
            tar.add(parts / name, arcname=name)

    done = restore(
        emptied.database_url,
        old,
        field_key=KEY,
        known=frozenset(read_manifest(old).migrations),
        data=tmp_path / "new",
    )

    assert done.manifest.rows > 0


def test_tables_that_are_gone_are_no_moments_weakness(tmp_path: Path) -> None:
    with pytest.raises(NoAnswerError) as caught:
        open_warehouse(f"sqlite:///{tmp_path / 'gone.db'}").catalogue()

    assert not caught.value.retryable
    assert caught.value.detail_key == "sql.no_file"
