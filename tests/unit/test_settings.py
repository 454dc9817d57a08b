"""Every variable is typed and bounded; a wrong one stops the start and names itself, its value unseen."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from settings.env import Environment
from settings.loading import VARIABLES, SettingsError, load

SECRET = "Value Nobody May See"
PRODUCTION = {
    "SWITCHYARD_MODE": "prod",
    "DATABASE_URL": "postgresql://u:p@db/switchyard",
    "REDIS_URL": "redis://:p@redis:6379/0",
    "SWITCHYARD_SECRET_KEY": "a" * 60,
    "SWITCHYARD_JWT_KEY": "b" * 40,
    "SWITCHYARD_FIELD_KEY": "c" * 40,
    "SWITCHYARD_FLOWER_PASSWORD": "d" * 12,
    "SWITCHYARD_DEVELOPMENT_USERS": "false",
}


@pytest.fixture(autouse=True)
def _bare_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (*VARIABLES, "SWITCHYARD_SECRETS_FILE", "HOST", "DEBUG"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def production(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    for name, value in PRODUCTION.items():
        monkeypatch.setenv(name, value)
    return monkeypatch


def refusal() -> str:
    with pytest.raises(SettingsError) as caught:
        load()
    return str(caught.value)


def test_without_any_variable_development_starts() -> None:
    environment = load()

    assert (environment.mode, environment.port, environment.development_users) == ("dev", 8000, True)


@pytest.mark.parametrize(
    "name",
    [
        "SWITCHYARD_MODE",
        "PORT",
        "FLOWER_PORT",
        "SWITCHYARD_GATEWAYS",
        "DATABASE_URL",
        "DATABASE_DIRECT_URL",
        "DATABASE_READ_URL",
        "SWITCHYARD_DATABASE_POOL",
        "REDIS_URL",
        "SWITCHYARD_KEY_PREFIX",
        "SWITCHYARD_SECRET_KEY",
        "SWITCHYARD_JWT_KEY",
        "SWITCHYARD_FIELD_KEY",
        "SWITCHYARD_ACCESS_TOKEN_S",
        "SWITCHYARD_REFRESH_TOKEN_S",
        "SWITCHYARD_DEVELOPMENT_USERS",
        "SWITCHYARD_EXAMPLE_SIZE",
        "SWITCHYARD_DEBUG",
        "SWITCHYARD_LOG_LEVEL",
        "SWITCHYARD_RATE_PER_S",
        "SWITCHYARD_USER_RATE_PER_S",
        "SWITCHYARD_MAX_UPLOAD_BYTES",
        "SWITCHYARD_DEVICE",
        "SWITCHYARD_GPU_THREADS",
        "SWITCHYARD_MAX_BATCH",
        "SWITCHYARD_MAX_WAIT_MS",
        "SWITCHYARD_ROUTER_THRESHOLD",
        "SWITCHYARD_ENGINES",
        "SWITCHYARD_LLM_PORT",
        "SWITCHYARD_LLM_FIRST_TOKEN_S",
        "SWITCHYARD_LLM_NEXT_TOKEN_S",
        "SWITCHYARD_LLM_PACE_S",
        "SWITCHYARD_DELTA_MS",
        "SWITCHYARD_SQL_TIMEOUT_S",
        "SWITCHYARD_SQL_ROW_LIMIT",
        "SWITCHYARD_SQL_COST_LIMIT",
    ],
)
def test_a_wrong_variable_names_itself_and_hides_its_value(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(name, SECRET)

    message = refusal()

    assert f"{name}:" in message
    assert SECRET not in message


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("PORT", "0"),
        ("PORT", "65536"),
        ("SWITCHYARD_GATEWAYS", "0"),
        ("SWITCHYARD_GATEWAYS", "33"),
        ("SWITCHYARD_DATABASE_POOL", "101"),
        ("SWITCHYARD_DELTA_MS", "4"),
        ("SWITCHYARD_ROUTER_THRESHOLD", "1.01"),
        ("SWITCHYARD_KEY_PREFIX", "Has Spaces"),
        ("SWITCHYARD_JWT_KEY", "too-short"),
    ],
)
def test_a_value_out_of_bounds_is_refused(name: str, value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(name, value)

    message = refusal()

    assert f"{name}:" in message


def test_all_wrong_variables_are_named_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PORT", "x")
    monkeypatch.setenv("SWITCHYARD_GATEWAYS", "y")

    message = refusal()

    assert "PORT:" in message
    assert "SWITCHYARD_GATEWAYS:" in message


@pytest.mark.parametrize("name", VARIABLES)
def test_an_empty_variable_is_not_set(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(name, "")

    environment = load()

    assert environment == Environment()


def test_a_bare_name_that_a_shell_exports_for_others_is_not_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOST", "my-laptop")
    monkeypatch.setenv("DEBUG", "*")

    environment = load()

    assert (environment.host, environment.debug) == ("127.0.0.1", False)


def test_every_field_has_a_variable_and_a_sentence() -> None:
    fields = Environment.model_fields.values()

    assert all(field.description and field.description.endswith(".") for field in fields)
    assert len(set(VARIABLES)) == len(VARIABLES)


def test_a_list_is_split_at_its_commas(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SWITCHYARD_ALLOWED_HOSTS", "a.example, b.example,")

    environment = load()

    assert environment.allowed_hosts == ("a.example", "b.example")


def test_secrets_come_from_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "secrets.json"
    file.write_text(json.dumps({"jwt_key": "k" * 40, "database_url": "postgresql://u@h/d"}))
    monkeypatch.setenv("SWITCHYARD_SECRETS_FILE", str(file))

    environment = load()

    assert environment.jwt_key.get_secret_value() == "k" * 40
    assert environment.database_url.get_secret_value() == "postgresql://u@h/d"


def test_a_variable_beats_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "secrets.json"
    file.write_text(json.dumps({"jwt_key": "k" * 40}))
    monkeypatch.setenv("SWITCHYARD_SECRETS_FILE", str(file))
    monkeypatch.setenv("SWITCHYARD_JWT_KEY", "v" * 40)

    environment = load()

    assert environment.jwt_key.get_secret_value() == "v" * 40


def test_a_missing_secrets_file_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SWITCHYARD_SECRETS_FILE", str(tmp_path / "gone.json"))

    message = refusal()

    assert "SWITCHYARD_SECRETS_FILE" in message
    assert "gone.json" in message


def test_a_broken_secrets_file_is_named_without_its_content(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "secrets.json"
    file.write_text('{"jwt_key": "' + SECRET)
    monkeypatch.setenv("SWITCHYARD_SECRETS_FILE", str(file))

    message = refusal()

    assert "SWITCHYARD_SECRETS_FILE" in message
    assert SECRET not in message


def test_a_secret_is_hidden_when_the_environment_is_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SWITCHYARD_JWT_KEY", SECRET * 2)

    environment = load()

    assert SECRET not in repr(environment)


def test_a_complete_production_starts(production: pytest.MonkeyPatch) -> None:
    environment = load()

    assert environment.mode == "prod"


@pytest.mark.parametrize(
    "name", ["SWITCHYARD_SECRET_KEY", "SWITCHYARD_JWT_KEY", "SWITCHYARD_FIELD_KEY", "SWITCHYARD_FLOWER_PASSWORD"]
)
def test_production_refuses_a_default_secret(name: str, production: pytest.MonkeyPatch) -> None:
    production.delenv(name)

    message = refusal()

    assert name in message


@pytest.mark.parametrize("name", ["DATABASE_URL", "REDIS_URL"])
def test_production_needs_its_own_servers(name: str, production: pytest.MonkeyPatch) -> None:
    production.delenv(name)

    message = refusal()

    assert name in message


@pytest.mark.parametrize("name", ["SWITCHYARD_DEBUG", "SWITCHYARD_DEVELOPMENT_USERS"])
def test_production_refuses_what_is_for_development(name: str, production: pytest.MonkeyPatch) -> None:
    production.setenv(name, "true")

    message = refusal()

    assert name in message


@pytest.mark.parametrize("name", ["SWITCHYARD_LLM_SCRIPT", "SWITCHYARD_ENGINES"])
def test_production_refuses_scripted_engines(name: str, production: pytest.MonkeyPatch) -> None:
    production.setenv(name, "scripted" if name == "SWITCHYARD_ENGINES" else "pieces=3")

    message = refusal()

    assert name in message


def test_loading_leaves_other_variables_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOMEBODY_ELSES", "")

    load()

    assert os.environ["SOMEBODY_ELSES"] == ""
