import ast
import importlib.util
import json
import sys
import threading
from pathlib import Path
from types import ModuleType

import pytest

SOURCE = Path(__file__).parents[2] / "deploy" / "bootstrap.py"


@pytest.fixture
def bootstrap(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    spec = importlib.util.spec_from_file_location("bootstrap_under_test", SOURCE)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, spec.name, module)
    spec.loader.exec_module(module)
    venv = tmp_path / ".venv"
    venv.mkdir()
    for name in ("pyproject.toml", "constraints.txt"):
        (tmp_path / name).write_text(name)
    for name, value in {"CHECKOUT": tmp_path, "VENV": venv, "STAMP": venv / "stamp", "PIP_LOG": venv / "log"}.items():
        monkeypatch.setattr(module, name, value)
    return module


@pytest.fixture
def installed(bootstrap: ModuleType, monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, ...]]:
    """Record what pip is asked for; the environment itself is outside this test."""
    asked: list[tuple[str, ...]] = []
    monkeypatch.setattr(bootstrap, "pip", lambda *arguments: asked.append(arguments))
    monkeypatch.setattr(bootstrap, "usable", lambda venv: True)
    return asked


def test_the_file_is_understood_by_a_python_that_is_too_old() -> None:
    tree = ast.parse(SOURCE.read_text(), feature_version=(3, 7))

    assert tree.body


def test_another_python_is_refused_in_plain_words(bootstrap: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")

    with pytest.raises(bootstrap.SetupError, match=r"Python 3\.11 or 3\.12 is needed"):
        bootstrap.switch_to_a_supported_python((3, 9), ["run"])


def test_pytorch_is_installed_before_everything_else(bootstrap: ModuleType, installed: list[tuple[str, ...]]) -> None:
    bootstrap.ensure_environment(("embedded", "ml"))

    assert installed[0] == ("install", "torch==2.13.0")
    assert "-c" in installed[1]
    assert installed[1][-1].endswith("[embedded,ml]")


def test_a_second_start_asks_pip_for_nothing(bootstrap: ModuleType, installed: list[tuple[str, ...]]) -> None:
    bootstrap.ensure_environment(("embedded", "ml"))
    installed.clear()

    bootstrap.ensure_environment(("embedded", "ml"))

    assert installed == []


def test_an_environment_for_development_serves_a_run_too(
    bootstrap: ModuleType, installed: list[tuple[str, ...]]
) -> None:
    bootstrap.ensure_environment(("dev", "embedded", "ml"))
    installed.clear()

    bootstrap.ensure_environment(("embedded", "ml"))

    assert installed == []


def test_changed_pins_are_installed_with_all_extras_there_were(
    bootstrap: ModuleType, installed: list[tuple[str, ...]]
) -> None:
    bootstrap.ensure_environment(("embedded", "ml"))
    installed.clear()

    bootstrap.ensure_environment(("dev",))

    assert installed[1][-1].endswith("[dev,embedded,ml]")


def test_a_changed_constraint_is_noticed(bootstrap: ModuleType, installed: list[tuple[str, ...]]) -> None:
    bootstrap.ensure_environment(("ml",))
    installed.clear()
    (bootstrap.CHECKOUT / "constraints.txt").write_text("other")

    bootstrap.ensure_environment(("ml",))

    assert len(installed) == 2


def test_an_installation_that_was_cut_is_done_again(bootstrap: ModuleType, installed: list[tuple[str, ...]]) -> None:
    bootstrap.STAMP.write_text(json.dumps({"fingerprint": "half"})[:-3])

    bootstrap.ensure_environment(("ml",))

    assert len(installed) == 2


def test_two_starts_prepare_one_after_the_other(bootstrap: ModuleType, tmp_path: Path) -> None:
    entered = threading.Event()
    second = threading.Thread(target=lambda: _enter(bootstrap, tmp_path / "lock", entered))

    with bootstrap.exclusively(tmp_path / "lock"):
        second.start()
        early = entered.wait(0.3)
    second.join(5)

    assert not early
    assert entered.is_set()


def _enter(bootstrap: ModuleType, path: Path, entered: threading.Event) -> None:
    with bootstrap.exclusively(path):
        entered.set()


def test_what_pip_is_busy_with_fits_the_rest_of_a_line(bootstrap: ModuleType) -> None:
    log = (
        "Collecting scipy (from -r x)\n  Downloading scipy-1.17.1-cp311.whl (36 MB)\nRequirement already satisfied: a\n"
    )

    assert bootstrap.doing_now(log) == "Downloading scipy-1.17.1-cp311.whl (36 MB)"
    assert bootstrap.doing_now("Installing collected packages: " + "many, " * 50)[:10] == "Installing"
    assert len(bootstrap.doing_now("Installing collected packages: " + "many, " * 50)) == 50


def test_every_command_of_the_makefile_is_known(bootstrap: ModuleType) -> None:
    lines = (SOURCE.parents[1] / "Makefile").read_text().splitlines()
    used = {line.split()[1] for line in lines if line.startswith("\t$(BOOTSTRAP)")}

    assert used == set(bootstrap.COMMANDS)
