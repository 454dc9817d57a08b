from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import AliasChoices, BaseModel, Field, SecretStr

from orchestrator.admin.reference import events_page, settings_page
from orchestrator.events import DURABLE_EVENTS
from settings.env import Environment

DOCS = Path(__file__).resolve().parents[2] / "docs"


def test_the_table_of_settings_is_current() -> None:
    assert (DOCS / "settings.md").read_text("utf-8") == settings_page(Environment)


def test_the_table_of_events_is_current() -> None:
    assert (DOCS / "protocol-events.md").read_text("utf-8") == events_page()


def test_every_setting_says_what_it_does() -> None:
    silent = [name for name, field in Environment.model_fields.items() if not field.description]

    assert silent == []


def test_every_event_of_the_log_is_in_the_table() -> None:
    page = events_page()

    assert [kind.type for kind in DURABLE_EVENTS if f"## `{kind.type}`" not in page] == []


class _Example(BaseModel):
    pace: float = Field(0.5, ge=0, le=5, validation_alias=AliasChoices("PACE", "OLD_PACE"), description="A | B")
    mode: Literal["a", "b"] = Field("a", validation_alias=AliasChoices("MODE"), description="Which.")
    key: SecretStr = Field(
        SecretStr("development-only-x"), min_length=8, validation_alias=AliasChoices("KEY", "key"), description="Key."
    )


def test_a_row_tells_variables_bounds_default_and_never_a_secret() -> None:
    rows = settings_page(_Example).splitlines()[-3:]

    assert rows == [
        "| `PACE` or `OLD_PACE` | number, 0 to 5 | `0.5` | A \\| B |",
        "| `MODE` | `a`, `b` | `a` | Which. |",
        "| `KEY` | text, at least 8 characters, secret (`key`) | for development only | Key. |",
    ]
