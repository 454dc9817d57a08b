"""A backup of a real database, brought back into an empty one: counts and hashes equal, or a plain refusal."""

from __future__ import annotations

import stat
import tarfile
from dataclasses import replace
from pathlib import Path

import psycopg2
import pytest

from deploy.testservers import EmbeddedServers
from orchestrator.admin.archive import manifest as manifests
from orchestrator.admin.archive.backup import backup
from orchestrator.admin.archive.manifest import ArchiveError, figures, unlike
from orchestrator.admin.archive.restore import own_entries, read_manifest, restore
from tests.integration.admin_kit import a_tenant, a_turn

KEY = "a-field-key-of-more-than-32-characters"


pytestmark = pytest.mark.usefixtures("database")


@pytest.fixture
def empty(emptied: EmbeddedServers) -> str:
    """Return an empty database's address."""
    return emptied.database_url


@pytest.fixture
def saved(platform: EmbeddedServers, tmp_path: Path) -> Path:
    """Return a backup of the platform with a conversation in it."""
    a_turn(a_tenant(), "¿Cuánto? 🍝 'quoted' \\ and \"so\"")
    file = tmp_path / "yard.backup"
    backup(platform.database_url, file, field_key=KEY)
    return file


def known(file: Path) -> frozenset[str]:
    return frozenset(read_manifest(file).migrations)


def look(url: str) -> dict[str, manifests.Figures]:
    with psycopg2.connect(url) as connection:
        return figures(connection)


def test_everything_comes_back_row_by_row(platform: EmbeddedServers, saved: Path, empty: str) -> None:
    before = look(platform.database_url)

    done = restore(empty, saved, field_key=KEY, known=known(saved))

    after = look(empty)
    assert before["switchyard_turn"].rows > 0
    assert after == before == done.manifest.tables
    assert not done.other_key


def test_a_backup_is_private_and_replaces_nothing(platform: EmbeddedServers, saved: Path) -> None:
    kept = saved.read_bytes()

    with pytest.raises(ArchiveError, match="exists already"):
        backup(platform.database_url, saved, field_key=KEY)

    assert stat.S_IMODE(saved.stat().st_mode) == 0o600
    assert saved.read_bytes() == kept
    assert [path.name for path in saved.parent.iterdir()] == [saved.name]


def test_no_key_and_no_password_is_in_a_backup(platform: EmbeddedServers, saved: Path) -> None:
    password = platform.database_url.split(":")[2].split("@")[0]

    content = saved.read_bytes()

    assert KEY.encode() not in content
    assert password.encode() not in content


def test_a_database_in_use_is_not_overwritten_unless_it_may_be(
    platform: EmbeddedServers, saved: Path, empty: str
) -> None:
    restore(empty, saved, field_key=KEY, known=known(saved))
    before = look(empty)
    with pytest.raises(ArchiveError, match="--replace"):
        restore(empty, saved, field_key=KEY, known=known(saved))
    untouched = look(empty)
    with psycopg2.connect(empty) as connection, connection.cursor() as cursor:
        cursor.execute("TRUNCATE switchyard_turn CASCADE")
        cursor.execute("CREATE TABLE of_a_later_version (turn varchar REFERENCES switchyard_turn)")

    restore(empty, saved, field_key=KEY, known=known(saved), replace=True)

    assert untouched == before
    assert look(empty) == before


def test_a_restore_waits_for_nobody_it_refuses_while_something_runs(saved: Path, empty: str) -> None:
    restore(empty, saved, field_key=KEY, known=known(saved))
    with psycopg2.connect(empty) as connection, connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO switchyard_process (incarnation, name, role, host, pid, queues, slots, draining)"
            " VALUES ('inc_x', 'gateway-0', 'gateway', 'h', 1, '[]', 0, false)"
        )

    with pytest.raises(ArchiveError, match="stop them first"):
        restore(empty, saved, field_key=KEY, known=known(saved), replace=True)


def test_another_field_key_is_told(saved: Path, empty: str) -> None:
    assert restore(empty, saved, field_key=KEY[::-1], known=known(saved)).other_key


def test_a_backup_of_a_later_version_is_refused(saved: Path, empty: str) -> None:
    with pytest.raises(ArchiveError, match="update Switchyard first"):
        restore(empty, saved, field_key=KEY, known=frozenset({"chat.0001_initial"}))

    assert look(empty) == {}


@pytest.mark.parametrize("length", [0, 100, 1_500, -12_000])
def test_what_is_cut_off_or_no_backup_leaves_the_database_as_it_was(saved: Path, empty: str, length: int) -> None:
    migrations = known(saved)
    whole = saved.read_bytes()
    saved.write_bytes(whole[:length])

    with pytest.raises(ArchiveError):
        restore(empty, saved, field_key=KEY, known=migrations)

    assert look(empty) == {}


def test_a_damaged_dump_comes_back_not_at_all(saved: Path, empty: str, tmp_path: Path) -> None:
    migrations = known(saved)
    with tarfile.open(saved) as tar:
        tar.extractall(tmp_path / "parts", filter="data")
    dump = tmp_path / "parts" / "database.dump"
    content = bytearray(dump.read_bytes())
    content[len(content) // 2 : len(content) // 2 + 400] = b"\x00" * 400
    dump.write_bytes(content)
    broken = tmp_path / "broken.backup"
    with tarfile.open(broken, "w") as tar:
        for name in ("manifest.json", "database.dump"):
            tar.add(tmp_path / "parts" / name, arcname=name)

    with pytest.raises(ArchiveError):
        restore(empty, broken, field_key=KEY, known=migrations)

    assert look(empty) == {}


def test_a_replacement_that_fails_on_its_way_leaves_everything_as_it_was(saved: Path, empty: str) -> None:
    restore(empty, saved, field_key=KEY, known=known(saved))
    with psycopg2.connect(empty) as connection, connection.cursor() as cursor:
        cursor.execute("CREATE TABLE of_a_later_version (turn varchar REFERENCES switchyard_turn)")
        cursor.execute("CREATE SCHEMA mine")
        # Holds on to a table that is to be replaced, and the restore drops nothing that it does not know.
        cursor.execute("CREATE VIEW mine.held AS SELECT id FROM switchyard_turn")
    before = look(empty)

    with pytest.raises(ArchiveError, match="psql failed"):
        restore(empty, saved, field_key=KEY, known=known(saved), replace=True)
    after = look(empty)
    with psycopg2.connect(empty) as connection, connection.cursor() as cursor:
        cursor.execute("DROP SCHEMA mine CASCADE")

    assert "of_a_later_version" in after
    assert after == before


def test_every_difference_is_named() -> None:
    one = manifests.Figures(rows=1, hash="5")
    wanted = {"a": one, "b": one, "c": one, "d": one}

    told = unlike(wanted, {"a": one, "b": replace(one, rows=2), "c": replace(one, hash="6"), "e": one})

    assert told == ["b: 2 rows instead of 1", "c: other contents", "d: missing", "e: too much"]


def test_what_only_a_superuser_may_make_is_left_out() -> None:
    listed = "; head\n2; 3079 1 EXTENSION - vector \n5; 2615 2200 SCHEMA - public me\n220; 1259 1 TABLE public t me"

    assert own_entries(listed).splitlines() == ["; head", "220; 1259 1 TABLE public t me"]
