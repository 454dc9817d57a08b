"""What the parts of the typed environment are written with."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import AliasChoices, Field

Port = Annotated[int, Field(ge=1, le=65535)]


def env(name: str, *more: str) -> Any:  # Any: pydantic types its own alias argument so
    """Return the variable that a field is read from, and its other names."""
    return AliasChoices(name, *more)
