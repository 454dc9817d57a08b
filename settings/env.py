"""Every variable Switchyard reads, typed, bounded and documented; a wrong one stops the start and names itself.

Secrets come from the file that `SWITCHYARD_SECRETS_FILE` names (JSON, mode 0600,
written by `make run`), or from variables of the same names in upper case; a file
keeps them out of `/proc/*/environ` and of crash reports.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import AliasChoices, Field, SecretStr, field_validator, model_validator
from pydantic_settings import (
    BaseSettings,
    JsonConfigSettingsSource,
    NoDecode,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
)

Port = Annotated[int, Field(ge=1, le=65535)]
#: Marks a value that only a development start may use; production refuses it.
DEVELOPMENT_SECRET = "development-only-"  # noqa: S105 - a marker, refused in production


def _env(name: str, *more: str) -> Any:  # Any: pydantic types its own alias argument so
    return AliasChoices(name, *more)


class Environment(BaseSettings):
    """The typed environment. Field descriptions make the table in `docs/settings.md`."""

    model_config = SettingsConfigDict(
        extra="ignore",
        populate_by_name=True,
        frozen=True,
        hide_input_in_errors=True,
        # `populate_by_name` would read bare names as well, and many a shell exports HOST or DEBUG for others.
        env_prefix="SWITCHYARD_",
    )

    mode: Literal["dev", "test", "prod"] = Field(
        "dev",
        validation_alias=_env("SWITCHYARD_MODE"),
        description="Which settings apply. `prod` refuses debug, default secrets and the development users.",
    )
    data_dir: Path = Field(
        Path(".switchyard"),
        validation_alias=_env("SWITCHYARD_DATA_DIR"),
        description="Where private servers, models and logs live.",
    )
    host: str = Field(
        "127.0.0.1", validation_alias=_env("SWITCHYARD_HOST"), description="Address the gateway listens on."
    )
    port: Port = Field(
        8000, validation_alias=_env("PORT"), description="Port of the first gateway; further ones take the next ports."
    )
    flower_port: Port = Field(5555, validation_alias=_env("FLOWER_PORT"), description="Port of Flower.")
    gateways: int = Field(
        1, ge=1, le=32, validation_alias=_env("SWITCHYARD_GATEWAYS"), description="How many gateway processes run."
    )
    allowed_hosts: Annotated[tuple[str, ...], NoDecode] = Field(
        ("127.0.0.1", "localhost", "[::1]"),
        validation_alias=_env("SWITCHYARD_ALLOWED_HOSTS"),
        description="Host names the server answers to, separated by commas.",
    )
    allowed_origins: Annotated[tuple[str, ...], NoDecode] = Field(
        (),
        validation_alias=_env("SWITCHYARD_ALLOWED_ORIGINS"),
        description="Further Origins (scheme://host[:port]) that may open a socket, by commas. The own one always may.",
    )

    database_url: SecretStr = Field(
        SecretStr(""),
        validation_alias=_env("DATABASE_URL", "database_url"),
        description="PostgreSQL 15+ with pgvector. Unset: `make run` starts a private one.",
    )
    database_direct_url: SecretStr = Field(
        SecretStr(""),
        validation_alias=_env("DATABASE_DIRECT_URL", "database_direct_url"),
        description="The same database without a pooler, for locks, LISTEN and migrations. Default: `DATABASE_URL`.",
    )
    database_read_url: SecretStr = Field(
        SecretStr(""),
        validation_alias=_env("DATABASE_READ_URL", "database_read_url"),
        description="A replica for reads that may lag. Default: `DATABASE_URL`.",
    )
    database_pool: int = Field(
        8,
        ge=1,
        le=100,
        validation_alias=_env("SWITCHYARD_DATABASE_POOL"),
        description="Most connections of one process to the platform's database.",
    )
    redis_url: SecretStr = Field(
        SecretStr(""),
        validation_alias=_env("REDIS_URL", "redis_url"),
        description="Redis 6.2+, `noeviction`. Unset: `make run` starts a private one.",
    )
    broker_url: SecretStr = Field(
        SecretStr(""),
        validation_alias=_env("SWITCHYARD_BROKER_URL", "broker_url"),
        description="Celery's broker. Default: `REDIS_URL`.",
    )
    drain_s: float = Field(
        10.0,
        ge=0,
        le=600,
        validation_alias=_env("SWITCHYARD_DRAIN_S"),
        description="How long a worker that is told to stop lets its stages and jobs run on before it hands them back. "
        "It is killed 5 s after that.",
    )
    key_prefix: str = Field(
        "switchyard",
        pattern=r"^[a-z0-9-]{1,32}$",
        validation_alias=_env("SWITCHYARD_KEY_PREFIX"),
        description="Starts every Redis key, so that two deployments can share a server.",
    )

    secret_key: SecretStr = Field(
        SecretStr(DEVELOPMENT_SECRET + "django-secret-key-of-at-least-fifty-characters"),
        min_length=32,
        validation_alias=_env("SWITCHYARD_SECRET_KEY", "secret_key"),
        description="Django's secret key.",
    )
    jwt_key: SecretStr = Field(
        SecretStr(DEVELOPMENT_SECRET + "jwt-signing-key-of-32-bytes-or-more"),
        min_length=32,
        validation_alias=_env("SWITCHYARD_JWT_KEY", "jwt_key"),
        description="Signs access tokens (HS256); at least 32 characters.",
    )
    field_key: SecretStr = Field(
        SecretStr(DEVELOPMENT_SECRET + "field-encryption-key-of-32-bytes"),
        min_length=32,
        validation_alias=_env("SWITCHYARD_FIELD_KEY", "field_key"),
        description="Encrypts stored warehouse addresses.",
    )
    flower_password: SecretStr = Field(
        SecretStr(DEVELOPMENT_SECRET + "flower"),
        min_length=8,
        validation_alias=_env("SWITCHYARD_FLOWER_PASSWORD", "flower_password"),
        description="Flower's password, user `operator`.",
    )
    jwt_issuer: str = Field(
        "switchyard",
        min_length=1,
        validation_alias=_env("SWITCHYARD_JWT_ISSUER"),
        description="`iss` of access tokens.",
    )
    jwt_audience: str = Field(
        "switchyard",
        min_length=1,
        validation_alias=_env("SWITCHYARD_JWT_AUDIENCE"),
        description="`aud` of access tokens.",
    )
    access_token_s: int = Field(
        900,
        # The warning comes 60 s ahead: a shorter life would warn right after each refresh.
        ge=120,
        le=86_400,
        validation_alias=_env("SWITCHYARD_ACCESS_TOKEN_S"),
        description="Seconds an access token lives.",
    )
    refresh_token_s: int = Field(
        1_209_600,
        ge=600,
        le=31_536_000,
        validation_alias=_env("SWITCHYARD_REFRESH_TOKEN_S"),
        description="Seconds a refresh token lives.",
    )

    development_users: bool = Field(
        True,
        validation_alias=_env("SWITCHYARD_DEVELOPMENT_USERS"),
        description="Create the example tenants and their users (password = user name).",
    )
    example_size: Literal["small", "medium", "large"] = Field(
        "medium",
        validation_alias=_env("SWITCHYARD_EXAMPLE_SIZE"),
        description="How many orders the example company has.",
    )
    start_despite: Annotated[tuple[str, ...], NoDecode] = Field(
        (),
        validation_alias=_env("SWITCHYARD_START_DESPITE"),
        description="Ids of start-up checks, by commas, that must stop no process: for an emergency. "
        "What each would lose is in [operations.md](operations.md#what-refuses-to-start-and-what-to-do).",
    )
    debug: bool = Field(False, validation_alias=_env("SWITCHYARD_DEBUG"), description="Django's debug pages.")
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field(
        "INFO", validation_alias=_env("SWITCHYARD_LOG_LEVEL"), description="Least level that is logged."
    )
    rate_per_s: int = Field(
        20,
        ge=1,
        le=10_000,
        validation_alias=_env("SWITCHYARD_RATE_PER_S"),
        description="Frames a second (and burst) on one connection.",
    )
    user_rate_per_s: int = Field(
        60,
        ge=1,
        le=30_000,
        validation_alias=_env("SWITCHYARD_USER_RATE_PER_S"),
        description="Frames a second (and burst) of one user over all sockets.",
    )
    max_upload_bytes: int = Field(
        20_000_000,
        ge=1_000,
        le=200_000_000,
        validation_alias=_env("SWITCHYARD_MAX_UPLOAD_BYTES"),
        description="Largest document.",
    )

    device: Literal["cpu", "cuda"] = Field(
        "cpu", validation_alias=_env("SWITCHYARD_DEVICE"), description="Where the encoder runs."
    )
    gpu_threads: int = Field(
        1,
        ge=1,
        le=64,
        validation_alias=_env("SWITCHYARD_GPU_THREADS"),
        description="CPU threads of the encoder when it runs on the CPU.",
    )
    max_batch: int = Field(
        16,
        ge=1,
        le=512,
        validation_alias=_env("SWITCHYARD_MAX_BATCH"),
        description="Most questions in one forward pass.",
    )
    max_wait_ms: float = Field(
        4.0,
        ge=0,
        le=100,
        validation_alias=_env("SWITCHYARD_MAX_WAIT_MS"),
        description="Longest wait for more questions to share a pass.",
    )
    encoder_dir: Path | None = Field(
        None,
        validation_alias=_env("SWITCHYARD_ENCODER_DIR"),
        description="Another sentence encoder (a transformers directory). Default: all-MiniLM-L6-v2.",
    )
    encoder_sha256: str | None = Field(
        None,
        pattern=r"^[0-9a-f]{64}$",
        validation_alias=_env("SWITCHYARD_ENCODER_SHA256"),
        description="The sha256 that the weights in `SWITCHYARD_ENCODER_DIR` must have. Unset: taken as they are.",
    )
    classifier_dir: Path | None = Field(
        None,
        validation_alias=_env("SWITCHYARD_CLASSIFIER_DIR"),
        description="An AutoModelForSequenceClassification directory whose labels are the routes, for routing.",
    )
    router_dir: Path | None = Field(
        None,
        validation_alias=_env("SWITCHYARD_ROUTER_DIR"),
        description="Where the trained router head lies. Default: `router` in the data folder.",
    )
    router_threshold: float | None = Field(
        None,
        ge=0,
        le=1,
        validation_alias=_env("SWITCHYARD_ROUTER_THRESHOLD"),
        description="Confidence below which a question is asked back. Default: the head's own.",
    )
    engines: Literal["real", "scripted"] = Field(
        "real",
        validation_alias=_env("SWITCHYARD_ENGINES"),
        description="`scripted` replaces the models by deterministic ones (tests, load).",
    )

    llm_base_url: str = Field(
        "",
        validation_alias=_env("SWITCHYARD_LLM_BASE_URL", "OPENAI_BASE_URL"),
        description="An OpenAI-compatible server. Unset: the built-in writer.",
    )
    llm_api_key: SecretStr = Field(
        SecretStr(""),
        validation_alias=_env("SWITCHYARD_LLM_API_KEY", "OPENAI_API_KEY", "llm_api_key"),
        description="Its key.",
    )
    llm_model: str = Field("", validation_alias=_env("SWITCHYARD_LLM_MODEL"), description="The model's name there.")
    llm_model_dir: Path | None = Field(
        None,
        validation_alias=_env("SWITCHYARD_LLM_MODEL_DIR"),
        description="A local model directory, served by a supervised `transformers serve`.",
    )
    llm_port: Port = Field(8090, validation_alias=_env("SWITCHYARD_LLM_PORT"), description="Port of that local server.")
    llm_first_token_s: float = Field(
        15.0,
        ge=0.1,
        le=300,
        validation_alias=_env("SWITCHYARD_LLM_FIRST_TOKEN_S"),
        description="Longest wait for the first token.",
    )
    llm_next_token_s: float = Field(
        10.0,
        ge=0.1,
        le=300,
        validation_alias=_env("SWITCHYARD_LLM_NEXT_TOKEN_S"),
        description="Longest silence inside an answer.",
    )
    llm_pace_s: float = Field(
        0.0,
        ge=0,
        le=5,
        validation_alias=_env("SWITCHYARD_LLM_PACE_S"),
        description="Pause between pieces of the scripted or built-in writer (tests, demonstrations).",
    )
    llm_script: str = Field(
        "",
        validation_alias=_env("SWITCHYARD_LLM_SCRIPT"),
        description="What the scripted writer plays, instead of any model (tests, load); "
        "`http_routes=sql` in it leaves those routes to `SWITCHYARD_LLM_BASE_URL`.",
    )
    delta_ms: int = Field(
        30,
        ge=5,
        le=1000,
        validation_alias=_env("SWITCHYARD_DELTA_MS"),
        description="Tokens are gathered this long before they are sent.",
    )

    breaker_failures: int = Field(
        5,
        ge=1,
        le=1_000,
        validation_alias=_env("SWITCHYARD_BREAKER_FAILURES"),
        description="Failures in a row after which the language model, or a tenant's warehouse, is left alone.",
    )
    breaker_cool_s: float = Field(
        2.0,
        ge=0.1,
        le=600,
        validation_alias=_env("SWITCHYARD_BREAKER_COOL_S"),
        description="How long it is left alone at first; longer each time that the probe after it fails.",
    )
    breaker_cool_most_s: float = Field(
        10.0,
        ge=0.1,
        le=3_600,
        validation_alias=_env("SWITCHYARD_BREAKER_COOL_MOST_S"),
        description="Longest time that it is left alone between two probes.",
    )

    sql_timeout_s: float = Field(
        10.0,
        ge=0.1,
        le=600,
        validation_alias=_env("SWITCHYARD_SQL_TIMEOUT_S"),
        description="Longest statement in a warehouse.",
    )
    sql_row_limit: int = Field(
        1_000,
        ge=1,
        le=100_000,
        validation_alias=_env("SWITCHYARD_SQL_ROW_LIMIT"),
        description="Most rows of a table artifact.",
    )
    sql_cost_limit: float = Field(
        5_000_000,
        ge=1,
        validation_alias=_env("SWITCHYARD_SQL_COST_LIMIT"),
        description="EXPLAIN cost over which a statement is refused.",
    )

    @field_validator("allowed_hosts", "allowed_origins", "start_despite", mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        return tuple(part.strip() for part in value.split(",") if part.strip()) if isinstance(value, str) else value

    @field_validator("database_url", "database_direct_url", "database_read_url")
    @classmethod
    def _postgres(cls, value: SecretStr) -> SecretStr:
        if value.get_secret_value() and not value.get_secret_value().startswith(("postgres://", "postgresql://")):
            raise ValueError("must start with postgresql://")
        return value

    @field_validator("redis_url")
    @classmethod
    def _redis(cls, value: SecretStr) -> SecretStr:
        if value.get_secret_value() and not value.get_secret_value().startswith(("redis://", "rediss://", "unix://")):
            raise ValueError("must start with redis://, rediss:// or unix://")
        return value

    @model_validator(mode="after")
    def _production(self) -> Self:
        if self.mode != "prod":
            return self
        weak = [
            name
            for name in ("secret_key", "jwt_key", "field_key", "flower_password")
            if getattr(self, name).get_secret_value().startswith(DEVELOPMENT_SECRET)
        ]
        if weak:
            raise ValueError("production needs its own " + ", ".join(variable_of(name) for name in weak))
        if self.debug:
            raise ValueError("SWITCHYARD_DEBUG must be off in production")
        if self.development_users:
            raise ValueError("SWITCHYARD_DEVELOPMENT_USERS must be off in production")
        if self.engines == "scripted" or self.llm_script:
            raise ValueError("SWITCHYARD_ENGINES and SWITCHYARD_LLM_SCRIPT may script nothing in production")
        for name in ("database_url", "redis_url"):
            if not getattr(self, name).get_secret_value():
                raise ValueError(f"production needs {variable_of(name)}")
        return self

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Read explicit values, then the environment, then the secrets file."""
        path = os.environ.get("SWITCHYARD_SECRETS_FILE")
        files = (JsonConfigSettingsSource(settings_cls, json_file=Path(path)),) if path else ()
        return (init_settings, env_settings, *files)


def variable_of(field: str) -> str:
    """Return the environment variable a field is read from first."""
    alias = Environment.model_fields[field].validation_alias
    return str(alias.choices[0]) if isinstance(alias, AliasChoices) else field.upper()
