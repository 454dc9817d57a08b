"""Models, the language model, the breakers before them, and what a statement may cost."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings

from settings.fields import Port, env


class EngineSettings(BaseSettings):
    """The part of the environment about engines."""

    encoder_dir: Path | None = Field(
        None,
        validation_alias=env("SWITCHYARD_ENCODER_DIR"),
        description="Another sentence encoder (a transformers directory). Default: all-MiniLM-L6-v2.",
    )
    encoder_sha256: str | None = Field(
        None,
        pattern=r"^[0-9a-f]{64}$",
        validation_alias=env("SWITCHYARD_ENCODER_SHA256"),
        description="The sha256 that the weights in `SWITCHYARD_ENCODER_DIR` must have. Unset: taken as they are.",
    )
    classifier_dir: Path | None = Field(
        None,
        validation_alias=env("SWITCHYARD_CLASSIFIER_DIR"),
        description="An AutoModelForSequenceClassification directory whose labels are the routes, for routing.",
    )
    router_dir: Path | None = Field(
        None,
        validation_alias=env("SWITCHYARD_ROUTER_DIR"),
        description="Where the trained router head lies. Default: `router` in the data folder.",
    )
    router_threshold: float | None = Field(
        None,
        ge=0,
        le=1,
        validation_alias=env("SWITCHYARD_ROUTER_THRESHOLD"),
        description="Confidence below which a question is asked back. Default: the head's own.",
    )
    engines: Literal["real", "scripted"] = Field(
        "real",
        validation_alias=env("SWITCHYARD_ENGINES"),
        description="`scripted` replaces the models by deterministic ones (tests, load).",
    )

    llm_base_url: str = Field(
        "",
        validation_alias=env("SWITCHYARD_LLM_BASE_URL", "OPENAI_BASE_URL"),
        description="An OpenAI-compatible server. Unset: the built-in writer.",
    )
    llm_api_key: SecretStr = Field(
        SecretStr(""),
        validation_alias=env("SWITCHYARD_LLM_API_KEY", "OPENAI_API_KEY", "llm_api_key"),
        description="Its key.",
    )
    llm_model: str = Field("", validation_alias=env("SWITCHYARD_LLM_MODEL"), description="The model's name there.")
    llm_model_dir: Path | None = Field(
        None,
        validation_alias=env("SWITCHYARD_LLM_MODEL_DIR"),
        description="A local model directory, served by a supervised `transformers serve`.",
    )
    llm_port: Port = Field(8090, validation_alias=env("SWITCHYARD_LLM_PORT"), description="Port of that local server.")
    llm_first_token_s: float = Field(
        15.0,
        ge=0.1,
        le=300,
        validation_alias=env("SWITCHYARD_LLM_FIRST_TOKEN_S"),
        description="Longest wait for the first token.",
    )
    llm_next_token_s: float = Field(
        10.0,
        ge=0.1,
        le=300,
        validation_alias=env("SWITCHYARD_LLM_NEXT_TOKEN_S"),
        description="Longest silence inside an answer.",
    )
    llm_pace_s: float = Field(
        0.0,
        ge=0,
        le=5,
        validation_alias=env("SWITCHYARD_LLM_PACE_S"),
        description="Pause between pieces of the scripted or built-in writer (tests, demonstrations).",
    )
    llm_script: str = Field(
        "",
        validation_alias=env("SWITCHYARD_LLM_SCRIPT"),
        description="What the scripted writer plays, instead of any model (tests, load); "
        "`http_routes=sql` in it leaves those routes to `SWITCHYARD_LLM_BASE_URL`.",
    )
    delta_ms: int = Field(
        30,
        ge=5,
        le=1000,
        validation_alias=env("SWITCHYARD_DELTA_MS"),
        description="Tokens are gathered this long before they are sent.",
    )

    breaker_failures: int = Field(
        5,
        ge=1,
        le=1_000,
        validation_alias=env("SWITCHYARD_BREAKER_FAILURES"),
        description="Failures in a row after which the language model, or a tenant's warehouse, is left alone.",
    )
    breaker_cool_s: float = Field(
        2.0,
        ge=0.1,
        le=600,
        validation_alias=env("SWITCHYARD_BREAKER_COOL_S"),
        description="How long it is left alone at first; longer each time that the probe after it fails.",
    )
    breaker_cool_most_s: float = Field(
        10.0,
        ge=0.1,
        le=3_600,
        validation_alias=env("SWITCHYARD_BREAKER_COOL_MOST_S"),
        description="Longest time that it is left alone between two probes.",
    )

    sql_timeout_s: float = Field(
        10.0,
        ge=0.1,
        le=600,
        validation_alias=env("SWITCHYARD_SQL_TIMEOUT_S"),
        description="Longest statement in a warehouse.",
    )
    sql_row_limit: int = Field(
        1_000,
        ge=1,
        le=100_000,
        validation_alias=env("SWITCHYARD_SQL_ROW_LIMIT"),
        description="Most rows of a table artifact.",
    )
    sql_cost_limit: float = Field(
        5_000_000,
        ge=1,
        validation_alias=env("SWITCHYARD_SQL_COST_LIMIT"),
        description="EXPLAIN cost over which a statement is refused.",
    )
