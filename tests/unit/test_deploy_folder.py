import json
from pathlib import Path

import pytest

from deploy.folder import CHECKOUT, DataFolder, SetupError, read_private, write_private
from deploy.keys import product_secrets
from deploy.servers import ServerRecord


def test_the_data_folder_defaults_to_one_that_git_ignores() -> None:
    folder = DataFolder.of({})

    assert folder.root == CHECKOUT / ".switchyard"


def test_a_new_data_folder_is_for_its_owner_alone(tmp_path: Path) -> None:
    folder = DataFolder.of({"SWITCHYARD_DATA_DIR": str(tmp_path / "a b")})

    assert folder.root.stat().st_mode & 0o777 == 0o700


def test_a_data_folder_that_cannot_be_made_is_named_with_its_variable(tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    with pytest.raises(SetupError, match="SWITCHYARD_DATA_DIR"):
        DataFolder.of({"SWITCHYARD_DATA_DIR": str(tmp_path / "file" / "below")})


def test_a_data_folder_in_use_is_refused_with_the_way_out(tmp_path: Path) -> None:
    folder = DataFolder(root=tmp_path)

    with folder.locked(), pytest.raises(SetupError, match=r"already runs .*PORT="), folder.locked():
        pass


def test_a_data_folder_is_free_again_after_its_start_ended(tmp_path: Path) -> None:
    folder = DataFolder(root=tmp_path)
    with folder.locked():
        pass

    with folder.locked():
        holder = (tmp_path / "lock").read_text()

    assert holder.strip().isdigit()


def test_a_private_file_is_readable_for_its_owner_alone(tmp_path: Path) -> None:
    write_private(tmp_path / "secrets.json", {"a": 1})

    assert (tmp_path / "secrets.json").stat().st_mode & 0o777 == 0o600


def test_a_damaged_private_file_is_never_replaced_silently(tmp_path: Path) -> None:
    (tmp_path / "secrets.json").write_text("{")

    with pytest.raises(SetupError, match="cannot be read"):
        read_private(tmp_path / "secrets.json")


def test_secrets_are_made_once_and_kept(tmp_path: Path) -> None:
    folder = DataFolder(root=tmp_path)
    first = product_secrets(folder, {})

    second = product_secrets(folder, {})

    assert first == second


def test_an_address_of_an_earlier_start_is_forgotten(tmp_path: Path) -> None:
    folder = DataFolder(root=tmp_path)
    product_secrets(folder, {"redis_url": "redis://127.0.0.1:1/0"})

    product_secrets(folder, {"database_url": "postgresql://x"})

    content = json.loads(folder.secrets.read_text())
    assert content["database_url"] == "postgresql://x"
    assert "redis_url" not in content


def test_the_superusers_address_is_for_the_setup_alone(tmp_path: Path) -> None:
    folder = DataFolder(root=tmp_path)

    product_secrets(folder, {}, {"database_superuser_url": "postgresql://postgres@x"})

    assert "database_superuser_url" in json.loads(folder.setup_secrets.read_text())
    assert "superuser" not in folder.secrets.read_text()


def test_the_record_of_the_servers_survives_a_restart(tmp_path: Path) -> None:
    record = ServerRecord.load(tmp_path / "servers.json")
    record.redis_port = 12345
    record.save(tmp_path / "servers.json")

    again = ServerRecord.load(tmp_path / "servers.json")

    assert again == record
