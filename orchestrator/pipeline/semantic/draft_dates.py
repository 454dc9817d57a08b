"""Up to which day a drafted layer's facts have rows, so that no example asks for a period without any."""

from __future__ import annotations

import datetime as dt

from sqlglot import exp

from orchestrator.engines.warehouse import Limits, Warehouse
from orchestrator.errors import OrchestratorError
from orchestrator.pipeline.semantic.model import Fact, SemanticLayer
from orchestrator.pipeline.semantic.reach import parsed
from orchestrator.pipeline.sql_guard import guard_tree
from orchestrator.resilience.stop import Stop


def with_last_days(layer: SemanticLayer, warehouse: Warehouse, *, limits: Limits, stop: Stop) -> SemanticLayer:
    """Return the layer with the last day of each fact that has a date; what can't be read keeps none.

    A fact without rows gets the first day there is: every period is after it.
    """
    facts = {name: _known(fact, layer, warehouse, limits, stop) for name, fact in layer.facts.items()}
    return layer.model_copy(update={"facts": facts})


def _known(fact: Fact, layer: SemanticLayer, warehouse: Warehouse, limits: Limits, stop: Stop) -> Fact:
    if fact.date is None:
        return fact
    last = exp.alias_(exp.Max(this=parsed(fact.date, layer.dialect).copy()), "last_day")
    tree = exp.Select().select(last).from_(exp.to_table(fact.relation))
    try:
        text = guard_tree(tree, dialect=warehouse.dialect, catalogue=warehouse.catalogue(), limit_rows=1)
        rows = warehouse.run(text.sql, limits=limits, stop=stop).rows
        found = None if not rows else rows[0][0]
        day = dt.date.min if found is None else dt.date.fromisoformat(str(found)[:10])
    except (OrchestratorError, ValueError):
        return fact
    return fact.model_copy(update={"rows_until": day})
