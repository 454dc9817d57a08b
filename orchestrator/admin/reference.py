"""Pages of reference, written from the code they describe. Pure."""

from __future__ import annotations

import types
import typing
from collections.abc import Iterator, Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any, Literal, Union, get_args, get_origin

from annotated_types import Ge, Gt, Le, Lt, MaxLen, MinLen
from pydantic import AliasChoices, BaseModel, SecretStr
from pydantic.fields import FieldInfo

from orchestrator import events
from orchestrator.events import Event, StageProgress

_SETTINGS_HEAD = """\
# Settings

Written by `manage.py settings_table`; a test holds it current. A wrong value stops the start and names its variable. An
empty variable counts as unset.

Secrets may come from variables, or from the JSON file (mode 0600) that `SWITCHYARD_SECRETS_FILE` names, under the name
in brackets: a file keeps them out of process listings and crash reports. `make run` makes that file, with its own keys,
in the data folder.

| variable | value | default | what it does |
|---|---|---|---|
"""
_EVENTS_HEAD = """\
# Events

Written by `manage.py protocol_table` from `orchestrator/events.py`; a test holds it current. What they mean to a
client: [protocol.md](protocol.md).

The envelope of a durable event carries `seq` and `epoch`; an ephemeral one may be lost and carries neither. *Rank* is
the event's place within an attempt: the log refuses a lower one than it has, so nothing is ever written behind what a
reader has seen.

"""
#: Every event with a rank that depends on its fields says so here; the others are asked.
_RANKS: Mapping[str, str] = {
    "turn.queued": "10, 200 between `classify` and the rest, or 495 before the writer",
    "stage.started": "100 `classify`, 300 `sql`, 400 `rag`, 500 `llm`, 600 `job`",
    "stage.finished": "90 after its stage's `stage.started`",
    "turn.routed": "150",
    "artifact.ready": "50 after its stage's `stage.started`",
    "message.started": "550",
    "message.delta": "560",
    "turn.accepted": "0",
    "message.completed": "1000",
    "turn.failed": "1000",
    "turn.cancelled": "1000",
}


def settings_page(model: type[BaseModel]) -> str:
    """Return the table of every setting of a pydantic model, in the order of its fields."""
    return _SETTINGS_HEAD + "".join(_setting(name, field) for name, field in model.model_fields.items())


def _setting(name: str, field: FieldInfo) -> str:
    secret = _is_secret(field.annotation)
    variables = " or ".join(f"`{variable}`" for variable in _variables(name, field))
    kind = _kind(field.annotation, field.metadata) + (f", secret (`{name}`)" if secret else "")
    return f"| {variables} | {kind} | {_default(field, secret=secret)} | {_cell(field.description or '')} |\n"


def _variables(name: str, field: FieldInfo) -> list[str]:
    alias = field.validation_alias
    if isinstance(alias, AliasChoices):
        # Names in lower case are those of the secrets file.
        return [str(choice) for choice in alias.choices if str(choice).isupper()]
    return [str(alias) if isinstance(alias, str) else name.upper()]


def _is_secret(annotation: Any) -> bool:  # Any: whatever stands as a field's type
    return annotation is SecretStr or SecretStr in get_args(annotation)


def _default(field: FieldInfo, *, secret: bool) -> str:
    value = field.default
    if secret:
        text = value.get_secret_value() if isinstance(value, SecretStr) else ""
        return "for development only" if text else "unset"
    if value is None or value == "":
        return "unset"
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    if isinstance(value, tuple):
        return f"`{','.join(value)}`" if value else "none"
    return f"`{value}`"


def _kind(annotation: Any, metadata: list[Any]) -> str:  # Any: types and pydantic's own markers
    origin, args = get_origin(annotation), get_args(annotation)
    if origin is Literal:
        return ", ".join(f"`{value}`" for value in args)
    if origin in (Union, types.UnionType):
        return _kind(next(arg for arg in args if arg is not type(None)), metadata)
    if origin is tuple:
        return "list, separated by commas"
    if origin is typing.Annotated:
        return _kind(args[0], [*metadata, *args[1:]])
    words = {
        str: "text",
        SecretStr: "text",
        int: "whole number",
        float: "number",
        bool: "`true`, `false`",
        Path: "path",
    }
    return words.get(annotation, str(annotation)) + _bounds(metadata)


def _bounds(metadata: list[Any]) -> str:  # Any: pydantic's own markers
    found: dict[str, Any] = {}
    for mark in metadata:
        for nested in [mark, *getattr(mark, "metadata", [])]:
            match nested:
                case Ge(ge=value) | Gt(gt=value):
                    found["least"] = value
                case Le(le=value) | Lt(lt=value):
                    found["most"] = value
                case MinLen(min_length=value):
                    found["shortest"] = value
                case MaxLen(max_length=value):
                    found["longest"] = value
                case _ if getattr(nested, "pattern", None):
                    found["pattern"] = nested.pattern
    parts = []
    if "least" in found and "most" in found:
        parts.append(f"{found['least']:,} to {found['most']:,}")
    elif "least" in found:
        parts.append(f"at least {found['least']:,}")
    elif "most" in found:
        parts.append(f"at most {found['most']:,}")
    if found.get("shortest", 0) > 1:
        parts.append(f"at least {found['shortest']} characters")
    if "pattern" in found:
        parts.append(f"matches `{found['pattern']}`")
    return ", " + ", ".join(parts) if parts else ""


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


def events_page() -> str:
    """Return a section for each event type, with its fields."""
    return _EVENTS_HEAD + "\n".join(_event(kind) for kind in (*events.DURABLE_EVENTS, StageProgress))


def _event(kind: type[Event]) -> str:
    place = f"durable, rank {_RANKS[kind.type]}" if kind.durable else "ephemeral"
    ending = ", ends the turn" if kind.ending else ""
    said = " ".join((kind.__doc__ or "").split())
    rows = "".join(f"| `{name}` | {type_} | {always} |\n" for name, type_, always in _fields(kind))
    return f"## `{kind.type}`\n\n{said} *{place}{ending}.*\n\n| `data` | type | |\n|---|---|---|\n{rows}"


def _fields(kind: type[Event]) -> Iterator[tuple[str, str, str]]:
    hints = typing.get_type_hints(kind)
    for field in fields(kind):
        if kind is events.ArtifactReady and field.name == "stage":
            continue  # only places the event; `data()` leaves it out
        hint = hints[field.name]
        may_miss = type(None) in get_args(hint)
        yield field.name, _wire(hint), "may be missing" if may_miss else ""


def _wire(hint: Any) -> str:  # Any: a type hint
    origin, args = get_origin(hint), get_args(hint)
    if origin is Literal:
        return ", ".join(f"`{value}`" for value in args)
    if origin in (Union, types.UnionType):
        return _wire(next(arg for arg in args if arg is not type(None)))
    if origin is tuple:
        return f"list of {_wire(args[0])}"
    names = {str: "string", int: "integer", float: "number", bool: "boolean"}
    return names.get(hint, "object")
