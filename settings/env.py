"""Every variable Switchyard reads, typed, bounded and documented; a wrong one stops the start and names itself.

Secrets come from the file that `SWITCHYARD_SECRETS_FILE` names (JSON, mode 0600,
written by `make run`), or from variables of the same names in upper case; a file
keeps them out of `/proc/*/environ` and of crash reports.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import AliasChoices, Field, SecretStr, field_validator, model_validator
from pydantic_settings import (
    BaseSettings,
    JsonConfigSettingsSource,
    NoDecode,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
)

from settings.env_engines import EngineSettings
from settings.env_mail import MailSettings
from settings.fields import Port, env

#: Marks a value that only a development start may use; production refuses it.
DEVELOPMENT_SECRET = "development-only-"  # noqa: S105 - a marker, refused in production


class Environment(EngineSettings, MailSettings):
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
        validation_alias=env("SWITCHYARD_MODE"),
        description="Which settings apply. `prod` refuses debug, default secrets and the development users.",
    )
    data_dir: Path = Field(
        Path(".switchyard"),
        validation_alias=env("SWITCHYARD_DATA_DIR"),
        description="Where private servers, models and logs live.",
    )
    host: str = Field(
        "127.0.0.1", validation_alias=env("SWITCHYARD_HOST"), description="Address the gateway listens on."
    )
    port: Port = Field(
        8000, validation_alias=env("PORT"), description="Port of the first gateway; further ones take the next ports."
    )
    flower_port: Port = Field(5555, validation_alias=env("FLOWER_PORT"), description="Port of Flower.")
    gateways: int = Field(
        1, ge=1, le=32, validation_alias=env("SWITCHYARD_GATEWAYS"), description="How many gateway processes run."
    )
    allowed_hosts: Annotated[tuple[str, ...], NoDecode] = Field(
        ("127.0.0.1", "localhost", "[::1]"),
        validation_alias=env("SWITCHYARD_ALLOWED_HOSTS"),
        description="Host names the server answers to, separated by commas.",
    )
    allowed_origins: Annotated[tuple[str, ...], NoDecode] = Field(
        (),
        validation_alias=env("SWITCHYARD_ALLOWED_ORIGINS"),
        description="Further Origins (scheme://host[:port]) that may open a socket, by commas. The own one always may.",
    )

    database_url: SecretStr = Field(
        SecretStr(""),
        validation_alias=env("DATABASE_URL", "database_url"),
        description="PostgreSQL 15+ with pgvector. Unset: `make run` starts a private one.",
    )
    database_direct_url: SecretStr = Field(
        SecretStr(""),
        validation_alias=env("DATABASE_DIRECT_URL", "database_direct_url"),
        description="The same database without a pooler, for locks, LISTEN and migrations. Default: `DATABASE_URL`.",
    )
    database_read_url: SecretStr = Field(
        SecretStr(""),
        validation_alias=env("DATABASE_READ_URL", "database_read_url"),
        description="A replica for reads that may lag. Default: `DATABASE_URL`.",
    )
    database_pool: int = Field(
        8,
        ge=1,
        le=100,
        validation_alias=env("SWITCHYARD_DATABASE_POOL"),
        description="Most connections of one process to the platform's database.",
    )
    redis_url: SecretStr = Field(
        SecretStr(""),
        validation_alias=env("REDIS_URL", "redis_url"),
        description="Redis 6.2+, `noeviction`. Unset: `make run` starts a private one.",
    )
    broker_url: SecretStr = Field(
        SecretStr(""),
        validation_alias=env("SWITCHYARD_BROKER_URL", "broker_url"),
        description="Celery's broker. Default: `REDIS_URL`.",
    )
    drain_s: float = Field(
        10.0,
        ge=0,
        le=600,
        validation_alias=env("SWITCHYARD_DRAIN_S"),
        description="How long a worker that is told to stop lets its stages and jobs run on before it hands them back. "
        "It is killed 5 s after that.",
    )
    key_prefix: str = Field(
        "switchyard",
        pattern=r"^[a-z0-9-]{1,32}$",
        validation_alias=env("SWITCHYARD_KEY_PREFIX"),
        description="Starts every Redis key, so that two deployments can share a server.",
    )

    secret_key: SecretStr = Field(
        SecretStr(DEVELOPMENT_SECRET + "django-secret-key-of-at-least-fifty-characters"),
        min_length=32,
        validation_alias=env("SWITCHYARD_SECRET_KEY", "secret_key"),
        description="Django's secret key.",
    )
    jwt_key: SecretStr = Field(
        SecretStr(DEVELOPMENT_SECRET + "jwt-signing-key-of-32-bytes-or-more"),
        min_length=32,
        validation_alias=env("SWITCHYARD_JWT_KEY", "jwt_key"),
        description="Signs access tokens (HS256); at least 32 characters.",
    )
    field_key: SecretStr = Field(
        SecretStr(DEVELOPMENT_SECRET + "field-encryption-key-of-32-bytes"),
        min_length=32,
        validation_alias=env("SWITCHYARD_FIELD_KEY", "field_key"),
        description="Encrypts stored warehouse addresses.",
    )
    flower_password: SecretStr = Field(
        SecretStr(DEVELOPMENT_SECRET + "flower"),
        min_length=8,
        validation_alias=env("SWITCHYARD_FLOWER_PASSWORD", "flower_password"),
        description="Flower's password, user `operator`.",
    )
    jwt_issuer: str = Field(
        "switchyard",
        min_length=1,
        validation_alias=env("SWITCHYARD_JWT_ISSUER"),
        description="`iss` of access tokens.",
    )
    jwt_audience: str = Field(
        "switchyard",
        min_length=1,
        validation_alias=env("SWITCHYARD_JWT_AUDIENCE"),
        description="`aud` of access tokens.",
    )
    access_token_s: int = Field(
        900,
        # The warning comes 60 s ahead: a shorter life would warn right after each refresh.
        ge=120,
        le=86_400,
        validation_alias=env("SWITCHYARD_ACCESS_TOKEN_S"),
        description="Seconds an access token lives.",
    )
    refresh_token_s: int = Field(
        1_209_600,
        ge=600,
        le=31_536_000,
        validation_alias=env("SWITCHYARD_REFRESH_TOKEN_S"),
        description="Seconds a refresh token lives.",
    )

    development_users: bool = Field(
        True,
        validation_alias=env("SWITCHYARD_DEVELOPMENT_USERS"),
        description="Create the example tenants and their users (password = user name).",
    )
    example_size: Literal["small", "medium", "large"] = Field(
        "medium",
        validation_alias=env("SWITCHYARD_EXAMPLE_SIZE"),
        description="How many orders the example company has.",
    )
    start_despite: Annotated[tuple[str, ...], NoDecode] = Field(
        (),
        validation_alias=env("SWITCHYARD_START_DESPITE"),
        description="Ids of start-up checks, by commas, that must stop no process: for an emergency. "
        "What each would lose is in [operations.md](operations.md#what-refuses-to-start-and-what-to-do).",
    )
    debug: bool = Field(False, validation_alias=env("SWITCHYARD_DEBUG"), description="Django's debug pages.")
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field(
        "INFO", validation_alias=env("SWITCHYARD_LOG_LEVEL"), description="Least level that is logged."
    )
    rate_per_s: int = Field(
        20,
        ge=1,
        le=10_000,
        validation_alias=env("SWITCHYARD_RATE_PER_S"),
        description="Frames a second (and burst) on one connection.",
    )
    user_rate_per_s: int = Field(
        60,
        ge=1,
        le=30_000,
        validation_alias=env("SWITCHYARD_USER_RATE_PER_S"),
        description="Frames a second (and burst) of one user over all sockets.",
    )
    max_upload_bytes: int = Field(
        20_000_000,
        ge=1_000,
        le=200_000_000,
        validation_alias=env("SWITCHYARD_MAX_UPLOAD_BYTES"),
        description="Largest document.",
    )

    device: Literal["cpu", "cuda"] = Field(
        "cpu", validation_alias=env("SWITCHYARD_DEVICE"), description="Where the encoder runs."
    )
    gpu_threads: int = Field(
        1,
        ge=1,
        le=64,
        validation_alias=env("SWITCHYARD_GPU_THREADS"),
        description="CPU threads of the encoder when it runs on the CPU.",
    )
    max_batch: int = Field(
        16,
        ge=1,
        le=512,
        validation_alias=env("SWITCHYARD_MAX_BATCH"),
        description="Most questions in one forward pass.",
    )
    max_wait_ms: float = Field(
        4.0,
        ge=0,
        le=100,
        validation_alias=env("SWITCHYARD_MAX_WAIT_MS"),
        description="Longest wait for more questions to share a pass.",
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
