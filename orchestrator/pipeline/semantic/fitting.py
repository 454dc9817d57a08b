"""Does a layer fit the database that it speaks of, and how does it take in what is new there?"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from sqlglot import exp

from orchestrator.engines.warehouse import Catalogue
from orchestrator.errors import EngineError
from orchestrator.pipeline.semantic.model import SemanticLayer
from orchestrator.pipeline.semantic.reach import aliases, parsed


def misfits(layer: SemanticLayer, catalogue: Catalogue) -> list[str]:
    """Return what the layer names and the role can't read, one line an entry, in the layer's order.

    Verified queries are not looked at: the guard judges them as whole statements. Nor is what is no SQL at all, see
    `unreadable`.
    """
    columns = {name.lower(): {column.name.lower() for column in found} for name, found in catalogue.items()}
    relations = {_alias(fact.relation): fact.relation.lower() for fact in layer.facts.values()}
    relations |= {join.to.lower(): (join.relation or join.to).lower() for join in layer.joins}
    found = []
    for join in layer.joins:
        if relations[join.to.lower()] != (join.relation or join.to).lower():
            found.append(f"joins.{join.to}: the name stands for two tables or views")
    for entry, relation in _relations(layer):
        if relation.lower() not in columns:
            found.append(f"{entry}: there is no table or view {relation} that the role may read")
    for entry, sql in _expressions(layer):
        if not _is_sql(sql, layer.dialect):
            continue
        named = list(parsed(sql, layer.dialect).find_all(exp.Column))
        for column in named:
            relation = relations.get(column.table.lower(), "")
            if column.table and not relation:
                found.append(f"{entry}: no fact or join is called {column.table}")
            elif column.table and relation in columns and column.name.lower() not in columns[relation]:
                found.append(f"{entry}: {column.table} has no column {column.name}")
            elif not column.table and not any(column.name.lower() in each for each in columns.values()):
                found.append(f"{entry}: no table has a column {column.name}")
    return list(dict.fromkeys(found))


def unreadable(layer: SemanticLayer) -> list[str]:
    """Return the entries that are not SQL, or whose holes are no dimension's; it takes no database to see that."""
    found = [
        f"{entry}: this is not SQL: {sql}" for entry, sql in _expressions(layer) if not _is_sql(sql, layer.dialect)
    ]
    for verified in layer.verified:
        entry = f"verified.{verified.name}"
        if not _is_sql(verified.sql, layer.dialect):
            found.append(f"{entry}: this is not SQL")
        for name, slot in verified.slots.items():
            if slot.dimension is not None and slot.dimension not in layer.dimensions:
                found.append(f"{entry}: the hole {name} names {slot.dimension}, which is no dimension")
    return list(dict.fromkeys(found))


def is_of_another_database(layer: SemanticLayer, catalogue: Catalogue) -> bool:
    """Return whether the layer speaks of facts, and none of them is there."""
    there = {name.lower() for name in catalogue}
    return bool(layer.facts) and not any(fact.relation.lower() in there for fact in layer.facts.values())


@dataclass(frozen=True, slots=True, kw_only=True)
class Growth:
    """A layer, the relations that were drafted into it, and those whose names it uses for something else."""

    layer: SemanticLayer
    added: tuple[str, ...] = ()
    left_out: tuple[str, ...] = ()


def grown(layer: SemanticLayer, draft: SemanticLayer) -> Growth:
    """Return the layer with the draft's entries about relations that it does not know.

    What somebody has written stays as it is, word for word, and no name of theirs comes to mean something else.
    """
    known = {relation.lower() for _, relation in _relations(layer)}
    taken = {_alias(fact.relation): fact.relation.lower() for fact in layer.facts.values()}
    taken |= {join.to.lower(): (join.relation or join.to).lower() for join in layer.joins}

    def free(alias: str, relation: str) -> bool:
        return taken.get(alias.lower(), relation.lower()) == relation.lower()

    unknown = {name: fact for name, fact in draft.facts.items() if fact.relation.lower() not in known}
    new = {
        name: fact
        for name, fact in unknown.items()
        if name not in layer.facts and free(_alias(fact.relation), fact.relation)
    }
    relations = {fact.relation.lower() for fact in new.values()}
    names = {_alias(fact.relation) for fact in new.values()}
    joins = [
        join
        for join in draft.joins
        if (join.start.lower() in names or (join.relation or join.to).lower() in relations)
        and free(join.to, join.relation or join.to)
        and (join.start.lower() in names or join.start.lower() in taken)
    ]
    names |= {join.to.lower() for join in joins if (join.relation or join.to).lower() in relations}
    measures = {
        name: measure
        for name, measure in draft.measures.items()
        if measure.sources and all(source.fact in new for source in measure.sources)
    }
    dimensions = {
        name: dimension
        for name, dimension in draft.dimensions.items()
        if all(
            alias.lower() in names
            for sql in (dimension.sql, dimension.key)
            if sql
            for alias in aliases(sql, draft.dialect)
        )
    }
    whole = layer.model_copy(
        update={
            "facts": {**layer.facts, **new},
            "joins": (*layer.joins, *joins),
            # In the order of the earlier ones, and with their meaning where both have a name.
            "measures": {**layer.measures, **measures, **layer.measures},
            "dimensions": {**layer.dimensions, **dimensions, **layer.dimensions},
        }
    )
    return Growth(
        layer=SemanticLayer.model_validate(whole.model_dump()),
        added=tuple(fact.relation for fact in new.values()),
        left_out=tuple(fact.relation for name, fact in unknown.items() if name not in new),
    )


def _is_sql(sql: str, dialect: str) -> bool:
    try:
        parsed(sql, dialect)
    except EngineError:
        return False
    return True


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
        yield from ((f"dimensions.{name}", sql) for sql in (dimension.sql, dimension.key) if sql)
