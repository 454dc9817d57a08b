"""The labelled questions that the router learns from and is judged by."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from orchestrator.errors import EngineError
from orchestrator.events import Route

#: What a training folder may hold; the first is required. The files of the third kind carry no route.
TRAIN_FILES = ("router_train.jsonl", "router_train_more.jsonl")
TRAIN_NOWHERE_FILES = ("router_train_out_of_scope.jsonl",)
HELD_OUT_FILES = ("router_heldout_en.jsonl", "router_heldout_es.jsonl")
HELD_OUT_NOWHERE_FILES = ("router_out_of_scope.jsonl",)


class _Line(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True)

    text: str
    route: str | None = None
    language: Literal["en", "es"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """One labelled question; `route` is None when it belongs to no route."""

    text: str
    route: Route | None
    language: Literal["en", "es"]


def read_training(directory: Path) -> list[Question]:
    """Return the questions to learn from, in scope and out of it.

    Raises:
        EngineError: the required file is missing, or a line is malformed.
    """
    return _read(directory, TRAIN_FILES, TRAIN_NOWHERE_FILES)


def read_held_out(directory: Path) -> list[Question]:
    """Return the questions to be judged by, which no training ever sees.

    Raises:
        EngineError: the required file is missing, or a line is malformed.
    """
    return _read(directory, HELD_OUT_FILES, HELD_OUT_NOWHERE_FILES)


def questions_sha256(questions: Iterable[Question]) -> str:
    """Return a hash of the set that does not depend on the order of its lines."""
    lines = sorted(f"{question.route}\t{question.language}\t{question.text}\n" for question in questions)
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def _read(directory: Path, routed: Sequence[str], nowhere: Sequence[str]) -> list[Question]:
    if not (directory / routed[0]).is_file():
        raise EngineError(f"no {routed[0]} in {directory}", engine="router")
    found = [question for name in routed for question in _read_file(directory / name, in_scope=True)]
    found += [question for name in nowhere for question in _read_file(directory / name, in_scope=False)]
    return found


def _read_file(file: Path, *, in_scope: bool) -> list[Question]:
    if not file.is_file():
        return []
    found: list[Question] = []
    for number, text in enumerate(file.read_text(encoding="utf-8").splitlines(), start=1):
        if not text.strip():
            continue
        try:
            line = _Line.model_validate_json(text)
        except ValidationError as exc:
            raise EngineError(f"{file.name}, line {number}: {exc.errors()[0]['msg']}", engine="router") from exc
        found.append(
            Question(text=line.text, route=_route(line, file, number) if in_scope else None, language=line.language)
        )
    return found


def _route(line: _Line, file: Path, number: int) -> Route:
    match line.route:
        case "sql" | "rag" | "chat" | "job":
            return line.route
        case _:
            raise EngineError(f"{file.name}, line {number}: no route {line.route!r}", engine="router")
