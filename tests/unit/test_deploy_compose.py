import json
from pathlib import Path

import yaml

from deploy.compose import FILE, compose, make_secrets, render
from deploy.pins import requirements
from orchestrator.queues import PROCESSES


def services() -> dict[str, dict[str, object]]:
    content = compose()["services"]
    assert isinstance(content, dict)
    return content


def test_the_committed_file_is_the_one_that_the_process_table_gives() -> None:
    assert FILE.read_text(encoding="utf-8") == render(), "run `make compose`"


def test_the_file_reads_back_as_what_was_meant() -> None:
    assert yaml.safe_load(render()) == compose()


def test_every_process_of_the_table_is_a_service() -> None:
    assert {entry.name for entry in PROCESSES} <= services().keys()


def test_the_servers_keep_their_files_in_volumes_and_say_how_they_are() -> None:
    servers = [services()["postgres"], services()["redis"]]

    assert all(server["volumes"] and server["healthcheck"] for server in servers)


def test_every_process_has_a_health_check() -> None:
    without = {entry.name for entry in PROCESSES if "healthcheck" not in services()[entry.name]}

    assert without == set()


def test_every_process_waits_for_the_servers_and_the_setup() -> None:
    waits = [services()[entry.name]["depends_on"] for entry in PROCESSES]

    assert waits == [
        {
            "postgres": {"condition": "service_healthy"},
            "redis": {"condition": "service_healthy"},
            "setup": {"condition": "service_completed_successfully"},
        }
    ] * len(PROCESSES)


def test_docker_waits_longer_than_a_process_waits_for_itself() -> None:
    grace_s = {entry.name: float(str(services()[entry.name]["stop_grace_period"])[:-1]) for entry in PROCESSES}

    assert all(grace_s[entry.name] > entry.stop_grace_s for entry in PROCESSES)


def test_secrets_are_files_that_no_environment_repeats(tmp_path: Path) -> None:
    make_secrets(tmp_path / "compose")

    product = json.loads((tmp_path / "compose" / "switchyard.json").read_text())
    assert not [value for value in product.values() if value in render()]
    assert product["database_url"].startswith("postgresql://switchyard:")


def test_secrets_are_made_once(tmp_path: Path) -> None:
    make_secrets(tmp_path)
    before = {path.name: path.read_text() for path in tmp_path.iterdir()}

    make_secrets(tmp_path)

    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == before


def test_the_image_installs_what_the_project_asks_for() -> None:
    names = requirements(["ml"])

    assert "torch==2.13.0" in names
    assert [name for name in names if name.startswith("django>=")]


def test_the_image_and_the_bootstrap_install_the_same_pytorch_first() -> None:
    root = FILE.parent

    assert "RUN pip install torch==2.13.0" in (root / "Dockerfile").read_text()
    assert 'FIRST = "torch==2.13.0"' in (root / "deploy" / "bootstrap.py").read_text()
