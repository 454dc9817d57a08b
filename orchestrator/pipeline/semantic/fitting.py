"""Does a layer fit the database that it speaks of, and how does it take in what is new there?"""

from __future__ import annotations

from collections.abc import Iterator

from sqlglot import exp
from sqlglot.errors import SqlglotError

from orchestrator.engines.warehouse import Catalogue
from orchestrator.pipeline.semantic.model import SemanticLayer
from orchestrator.pipeline.semantic.reach import aliases, parsed


def misfits(layer: SemanticLayer, catalogue: Catalogue) -> list[str]:
    """Return what the layer names and the role can't read, one line an entry, in the layer's order.

    Verified queries are not looked at: the guard judges them as whole statements.
    """
    columns = {name.lower(): {column.name.lower() for column in found} for name, found in catalogue.items()}
    relations = {_alias(fact.relation): fact.relation.lower() for fact in layer.facts.values()}
    relations |= {join.to.lower(): (join.relation or join.to).lower() for join in layer.joins}
    found = []
    for entry, relation in _relations(layer):
        if relation.lower() not in columns:
            found.append(f"{entry}: there is no table or view {relation} that the role may read")
    for entry, sql in _expressions(layer):
        try:
            named = list(parsed(sql, layer.dialect).find_all(exp.Column))
        except SqlglotError:
            found.append(f"{entry}: this is not SQL: {sql}")
            continue
        for column in named:
            relation = relations.get(column.table.lower(), "")
            if column.table and not relation:
                found.append(f"{entry}: no fact or join is called {column.table}")
            elif column.table and relation in columns and column.name.lower() not in columns[relation]:
                found.append(f"{entry}: {column.table} has no column {column.name}")
            elif not column.table and not any(column.name.lower() in each for each in columns.values()):
                found.append(f"{entry}: no table has a column {column.name}")
    return list(dict.fromkeys(found))


def is_of_another_database(layer: SemanticLayer, catalogue: Catalogue) -> bool:
    """Return whether none of the layer's facts is there."""
    there = {name.lower() for name in catalogue}
    return not any(fact.relation.lower() in there for fact in layer.facts.values())


def grown(layer: SemanticLayer, draft: SemanticLayer) -> tuple[SemanticLayer, list[str]]:
    """Return the layer with the draft's entries about relations that it does not know, and those relations' names.

    What somebody has written stays as it is, word for word.
    """
    known = {relation.lower() for _, relation in _relations(layer)}
    new = {name: fact for name, fact in draft.facts.items() if fact.relation.lower() not in known}
    names = {_alias(fact.relation) for fact in new.values()}
    measures = {
        name: measure
        for name, measure in draft.measures.items()
        if measure.sources and all(source.fact in new for source in measure.sources)
    }
    dimensions = {
        name: dimension
        for name, dimension in draft.dimensions.items()
        if {alias.lower() for alias in aliases(dimension.sql, draft.dialect)} <= names
    }
    joins = [join for join in draft.joins if {_alias(join.start), _alias(join.to)} & names]
    whole = layer.model_copy(
        update={
            "facts": {**layer.facts, **new},
            "joins": (*layer.joins, *joins),
            # In the order of the earlier ones, and with their meaning where both have a name.
            "measures": {**layer.measures, **measures, **layer.measures},
            "dimensions": {**layer.dimensions, **dimensions, **layer.dimensions},
        }
    )
    return SemanticLayer.model_validate(whole.model_dump()), [fact.relation for fact in new.values()]


def _alias(relation: str) -> str:
    return relation.rpartition(".")[2].lower()


def _relations(layer: SemanticLayer) -> Iterator[tuple[str, str]]:
    for name, fact in layer.facts.items():
        yield f"facts.{name}", fact.relation
    for join in layer.joins:
        yield f"joins.{join.to}", join.relation or join.to


def _expressions(layer: SemanticLayer) -> Iterator[tuple[str, str]]:
    for name, fact in layer.facts.items():
        yield from ((f"facts.{name}", sql) for sql in (fact.date, fact.clock) if sql)
    for join in layer.joins:
        yield f"joins.{join.to}", join.condition
    for name, measure in layer.measures.items():
        for source in measure.sources:
            yield from ((f"measures.{name}", sql) for sql in (source.sql, source.where) if sql)
    for name, dimension in layer.dimensions.items():
        yield f"dimensions.{name}", dimension.sql
