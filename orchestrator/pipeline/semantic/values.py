"""Reads the values of a layer's dimensions from the database and keeps the lexicon made of them."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping, Sequence
from typing import Final

from sqlglot import exp

from orchestrator.engines.warehouse import Limits, Warehouse
from orchestrator.errors import EngineError, GuardRefusedError
from orchestrator.pipeline.semantic.lexicon import Lexicon
from orchestrator.pipeline.semantic.model import Dimension, SemanticLayer
from orchestrator.pipeline.semantic.reach import aliases, parsed
from orchestrator.pipeline.sql_guard import guard_tree
from orchestrator.resilience.stop import Stop

#: Values kept of one dimension; a column with more is no list that people name from.
MAX_VALUES: Final = 2_000
#: How long values are believed.
TTL_S: Final = 300.0
#: With less time than this nothing more is asked.
_LEAST_S: Final = 0.05
_MAX_KEPT: Final = 32


def read_values(
    layer: SemanticLayer, warehouse: Warehouse, *, limits: Limits, stop: Stop
) -> Mapping[str, Sequence[str]]:
    """Return the stored values of each dimension that fetches them.

    A dimension whose relation is missing or may not be read has none, nor have those that `limits.timeout_s`, which all
    of them share, did not reach; what concerns the whole warehouse is raised.
    """
    relations = {fact.relation: fact.relation for fact in layer.facts.values()}
    relations.update({join.to: join.relation or join.to for join in layer.joins})
    values: dict[str, Sequence[str]] = {}
    ends_at = time.monotonic() + limits.timeout_s
    for name, dimension in layer.dimensions.items():
        if not dimension.fetch:
            continue
        remaining_s = ends_at - time.monotonic()
        if remaining_s < _LEAST_S:
            break
        try:
            tree = _distinct(layer, dimension, relations)
            if tree is None:
                continue
            text = guard_tree(tree, dialect=warehouse.dialect, catalogue=warehouse.catalogue(), limit_rows=MAX_VALUES)
            table = warehouse.run(text.sql, limits=Limits(rows=MAX_VALUES, timeout_s=remaining_s), stop=stop)
        except (GuardRefusedError, EngineError):
            continue
        values[name] = tuple(str(row[0]) for row in table.rows if row[0] is not None and str(row[0]).strip())
    return values


def _distinct(layer: SemanticLayer, dimension: Dimension, relations: Mapping[str, str]) -> exp.Select | None:
    wanted = aliases(dimension.sql, layer.dialect)
    if len(wanted) != 1:
        return None
    (alias,) = wanted
    table = exp.alias_(exp.to_table(relations.get(alias, alias)), alias, table=True)
    value = exp.alias_(parsed(dimension.sql, layer.dialect).copy(), "value")
    select = exp.Select().select(value).from_(table)
    if dimension.key is None:
        return select.distinct()
    # A name that two members have stands for neither: their figures would be added up.
    members = exp.Count(this=exp.Distinct(expressions=[parsed(dimension.key, layer.dialect).copy()]))
    alone = exp.EQ(this=members, expression=exp.Literal.number(1))
    return select.group_by(parsed(dimension.sql, layer.dialect).copy()).having(alone)


class Lexicons:
    """Lexicons of the (layer, warehouse) pairs in use, each renewed after some minutes; thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._kept: dict[tuple[int, int], tuple[float, SemanticLayer, Warehouse, Lexicon]] = {}

    def get(self, layer: SemanticLayer, warehouse: Warehouse, *, limits: Limits, stop: Stop) -> Lexicon:
        """Return the lexicon, reading the values when they are missing or old."""
        key = (id(layer), id(warehouse))
        with self._lock:
            kept = self._kept.get(key)
        # Layer and warehouse are kept along, so that their ids can't come to mean others.
        if kept is not None and time.monotonic() - kept[0] < TTL_S:
            return kept[3]
        lexicon = Lexicon(layer, read_values(layer, warehouse, limits=limits, stop=stop))
        with self._lock:
            while len(self._kept) >= _MAX_KEPT:
                del self._kept[next(iter(self._kept))]
            self._kept[key] = (time.monotonic(), layer, warehouse, lexicon)
        return lexicon
