"""Read the environment once, and say in plain words what is wrong with it."""

from __future__ import annotations

import os
from pathlib import Path

from pydantic import AliasChoices, ValidationError

from settings.env import Environment, variable_of


class SettingsError(Exception):
    """A variable is missing or wrong; the text names it and says what would be right."""


#: Every variable there is, further names of the same field included.
VARIABLES: tuple[str, ...] = tuple(
    str(name)
    for field in Environment.model_fields.values()
    if isinstance(field.validation_alias, AliasChoices)
    for name in field.validation_alias.choices
    if str(name).isupper()
)


def load() -> Environment:
    """Read and check the environment.

    Raises:
        SettingsError: a variable is wrong; each is named with what is wrong, none of the values shown.
    """
    # An empty variable means "not set", as people write `DATABASE_URL= make run`.
    for name in ("SWITCHYARD_SECRETS_FILE", *VARIABLES):
        if os.environ.get(name) == "":
            del os.environ[name]
    path = os.environ.get("SWITCHYARD_SECRETS_FILE")
    if path and not Path(path).is_file():
        raise SettingsError(f"SWITCHYARD_SECRETS_FILE: there is no file {path}")
    try:
        return Environment()
    except ValueError as exc:
        if not isinstance(exc, ValidationError):
            # The JSON reader's own message says where, never what.
            raise SettingsError(
                f"SWITCHYARD_SECRETS_FILE: {path} is not a JSON object ({type(exc).__name__})"
            ) from None
        lines = []
        for error in exc.errors(include_input=False, include_url=False):
            where = str(error["loc"][0]) if error["loc"] else ""
            name = variable_of(where) if where in Environment.model_fields else where
            lines.append(f"{name}: {error['msg']}" if name else str(error["msg"]))
        raise SettingsError("Settings are wrong:\n  " + "\n  ".join(lines)) from None
