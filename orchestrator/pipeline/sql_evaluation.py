"""Holds answers against reference queries: how many questions of a file are answered rightly."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import sqlglot
import yaml
from pydantic import BaseModel, ConfigDict, TypeAdapter
from sqlglot import exp

from orchestrator.engines.llm import LanguageModel
from orchestrator.engines.warehouse import Limits, Warehouse
from orchestrator.errors import NoAnswerError, OrchestratorError
from orchestrator.pipeline.semantic.model import SemanticLayer
from orchestrator.pipeline.sql_answer import answer_sql
from orchestrator.pipeline.sql_guard import GuardedSql, guard_tree
from orchestrator.resilience.deadline import Deadline
from orchestrator.resilience.stop import Stop

#: (expected rows, given rows, whether order counts) -> whether they agree.
SameRows = Callable[[Sequence[Sequence[object]], Sequence[Sequence[object]], bool], bool]


class Question(BaseModel):
    """One entry of a question file; its statement may name `:today`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    question: str
    language: Literal["en", "es"]
    ordered: bool
    sql: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """How one question went."""

    question: Question
    result: Literal["right", "wrong", "no_answer", "error"]
    #: The answer's statement, or why there is none.
    detail: str
    #: The reference, regenerated.
    reference: str


def read_questions(path: Path) -> list[Question]:
    """Return the questions of a YAML file."""
    return TypeAdapter(list[Question]).validate_python(yaml.safe_load(path.read_text("utf-8")))


def evaluate_paraphrases(
    path: Path,
    layer: SemanticLayer,
    warehouse: Warehouse,
    today: dt.date,
    *,
    same_rows: SameRows,
    llm: LanguageModel | None = None,
    limits: Limits | None = None,
) -> list[Outcome]:
    """Return the outcome of every question of the file, in its order."""
    used = limits or Limits()
    return [_outcome(question, layer, warehouse, today, same_rows, llm, used) for question in read_questions(path)]


def reference(question: Question, warehouse: Warehouse, today: dt.date) -> GuardedSql:
    """Return the reference statement of a question, guarded like any other."""
    tree = sqlglot.parse_one(question.sql, dialect=warehouse.dialect)

    def place(node: exp.Expr) -> exp.Expr:
        if isinstance(node, exp.Placeholder) and node.name == "today":
            return exp.cast(exp.Literal.string(today.isoformat()), "date")
        return node

    return guard_tree(
        tree.transform(place), dialect=warehouse.dialect, catalogue=warehouse.catalogue(), limit_rows=Limits().rows
    )


def _outcome(
    question: Question,
    layer: SemanticLayer,
    warehouse: Warehouse,
    today: dt.date,
    same_rows: SameRows,
    llm: LanguageModel | None,
    limits: Limits,
) -> Outcome:
    wanted = reference(question, warehouse, today).sql
    expected = warehouse.run(wanted, limits=limits, stop=Stop())
    try:
        given = answer_sql(
            question.question,
            language=question.language,
            today=today,
            layer=layer,
            warehouse=warehouse,
            llm=llm,
            limits=limits,
            deadline=Deadline.after_ms(60_000),
            stop=Stop(),
        )
    except NoAnswerError as exc:
        return Outcome(question=question, result="no_answer", detail=str(exc), reference=wanted)
    except OrchestratorError as exc:
        return Outcome(question=question, result="error", detail=f"{type(exc).__name__}: {exc}", reference=wanted)
    right = same_rows(expected.rows, given.table.rows, question.ordered)
    return Outcome(question=question, result="right" if right else "wrong", detail=given.sql, reference=wanted)
