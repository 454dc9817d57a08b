"""Run a verified query as the stage `sql` would, and ask its own questions of the layer that holds it."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final, Literal

from sqlglot import exp

from orchestrator import catalogue
from orchestrator.admin.warehouse_trial import LIMIT_MS, SHOWN, opened
from orchestrator.engines.warehouse import Cell
from orchestrator.errors import EngineError, GuardRefusedError, OrchestratorError
from orchestrator.pipeline.semantic.lexicon import Lexicon
from orchestrator.pipeline.semantic.model import SemanticLayer, Slot, Verified
from orchestrator.pipeline.semantic.values import read_values
from orchestrator.pipeline.semantic.verified import HOLE, filled, find_verified
from orchestrator.pipeline.sql_guard import guard_tree
from orchestrator.pipeline.stage_sql import limits, today
from orchestrator.resilience.stop import Stop
from orchestrator.tenants.models import Warehouse

_LANGUAGES: Final[tuple[Literal["en", "es"], ...]] = ("en", "es")


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What a verified query gave."""

    sql: str
    headings: Sequence[str]
    rows: Sequence[Sequence[Cell]]
    total: int
    #: What the holes were filled with.
    holes: Mapping[str, str]
    #: Questions of its own that do not find it.
    missed: Sequence[str]
    #: Whether none does.
    lost: bool


def outcome(warehouse: Warehouse, layer: SemanticLayer, verified: Verified) -> Outcome:
    """Return the rows of `verified`, a query of `layer`, its holes filled with values of the database.

    Raises:
        OrchestratorError: the guard or the database refuses it, or there is no answer in 15 s; `reason_of` says why.
    """
    allowed = replace(limits(), timeout_s=min(limits().timeout_s, LIMIT_MS / 1000))
    with opened(warehouse) as port:
        lexicon = Lexicon(layer, read_values(layer, port, limits=allowed, stop=Stop()))
        holes = {name: _sample(slot, lexicon, today()) for name, slot in verified.slots.items()}
        guarded = guard_tree(
            _whole(verified, holes, layer.dialect),
            dialect=port.dialect,
            catalogue=port.catalogue(),
            limit_rows=allowed.rows,
        )
        table = port.run(guarded.sql, limits=allowed, stop=Stop())
    asked, missed = _asked(verified, holes, lexicon)
    return Outcome(
        sql=guarded.sql,
        headings=[column.name for column in table.columns],
        rows=table.rows[:SHOWN],
        total=len(table.rows),
        holes=holes,
        missed=missed,
        lost=asked == missed,
    )


def reason_of(error: OrchestratorError) -> str:
    """Return why a statement gave nothing, in words that help whoever wrote it."""
    match error:
        case GuardRefusedError():
            return f"The guard does not let it run: {error.reason}."
        case EngineError(engine="warehouse"):
            return f"The database does not run it: {error}."
        case _:
            return catalogue.of_error(error, "en")


def _whole(verified: Verified, holes: Mapping[str, str], dialect: str) -> exp.Expr:
    try:
        tree = filled(verified, holes, dialect)
    except EngineError as exc:
        raise GuardRefusedError("the statement can't be read") from exc
    for left in tree.find_all(exp.Placeholder):
        raise GuardRefusedError(f"the statement has a hole :{left.name} that is not among its holes")
    return tree


def _sample(slot: Slot, lexicon: Lexicon, day: dt.date) -> str:
    if slot.default is not None:
        return slot.default
    match slot.kind:
        case "number":
            return "10"
        case "start":
            return (day - dt.timedelta(days=28)).isoformat()
        case "end":
            return day.isoformat()
        case "value":
            known = lexicon.values.get(slot.dimension or "") or tuple(
                lexicon.layer.dimensions[slot.dimension].values if slot.dimension else ()
            )
            return next(iter(known), "")


def _asked(verified: Verified, holes: Mapping[str, str], lexicon: Lexicon) -> tuple[list[str], list[str]]:
    """Return the query's questions, their holes filled, and those of them that do not find it."""
    asked: dict[str, bool] = {}
    for language, questions in zip(_LANGUAGES, (verified.en, verified.es), strict=True):
        for question in questions:
            text = HOLE.sub(lambda hole: holes.get(hole.group(1), ""), question)
            match = find_verified(text, lexicon, language=language, today=today())
            asked[text] = match is not None and match.name == verified.name
    return list(asked), [text for text, found in asked.items() if not found]
