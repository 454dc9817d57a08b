"""A first semantic layer for a database that nobody has described yet: something useful to correct."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from typing import Final, Literal

from orchestrator.engines.warehouse import Catalogue, Structure
from orchestrator.pipeline.semantic.draft_columns import dated, figure
from orchestrator.pipeline.semantic.draft_figures import Drafted, counted, figures
from orchestrator.pipeline.semantic.draft_joins import CLIENTS, PLACES, WORKERS, Map, Way, map_of, noun, ways
from orchestrator.pipeline.semantic.draft_nouns import identity, nouns, part
from orchestrator.pipeline.semantic.model import Dimension, Fact, Join, Labels, Measure, SemanticLayer, Source
from orchestrator.pipeline.semantic.words import plain, stem

Dialect = Literal["postgres", "sqlite", "mysql"]

MAX_RELATIONS: Final = 40
_NOTHING: Final = Structure()


def draft_layer(
    catalogue: Catalogue, *, dialect: Dialect, structure: Structure = _NOTHING, name: str = "draft"
) -> SemanticLayer:
    """Return a layer made from names, types and declared keys: counts, sums and means, and what they are split by.

    Relations are joined by foreign keys, or by names where none is declared, from many rows to one. What has several
    meanings gets no word: an answer that is missing is better than a wrong one. Facts that name others and have a
    date come first, views last.
    """
    relations = {relation: columns for relation, columns in list(catalogue.items())[:MAX_RELATIONS] if _fits(relation)}
    steps = ways(relations, structure)
    maps = {relation: map_of(relation, steps) for relation in relations}
    keys = {relation: _key(relation, relations, structure, steps) for relation in relations}
    drafted = [_drafted(relation, relations, keys, steps) for relation in relations]
    drafted.sort(key=lambda one: _weight(one, structure))
    facts: dict[str, Fact] = {}
    measures: dict[str, Measure] = {}
    dimensions: dict[str, Dimension] = {}
    links = {one.relation for one in drafted if _links(one) and all(way.relation != one.relation for way in steps)}
    for one in drafted:
        facts[one.fact] = _fact(one, maps[one.relation], _heads(one, drafted, steps))
        if one.relation not in links:
            measures[f"{one.fact}_count"] = counted(one)
            for entry, measure in figures(one, one.fact):
                measures.setdefault(entry, measure)
        for entry, dimension in nouns(one, one.fact, keys[one.relation], dialect=dialect):
            dimensions.setdefault(entry, dimension)
    _count_through(links, {one.relation: one for one in drafted}, steps, measures)
    parts = list(_parts(relations, steps, maps, dimensions, dialect=dialect))
    return SemanticLayer(
        name=name,
        dialect=dialect,
        drafted=True,
        facts=facts,
        joins=(*(_join(way) for way in steps), *parts),
        measures=_distinct(measures),
        dimensions=_told_apart(dimensions),
    )


def _drafted(relation: str, relations: Catalogue, keys: Mapping[str, str | None], steps: list[Way]) -> Drafted:
    columns = tuple(column for column in relations[relation] if _fits(column.name))
    own = {way.column for way in steps if way.start == relation} | {keys[relation] or ""}
    return Drafted(
        relation=relation,
        fact=_name(relation),
        columns=columns,
        keys=frozenset(own),
        targets=tuple(way.relation for way in steps if way.start == relation),
        dated=dated(noun(relation), columns),
        only=len(relations) == 1,
    )


def _weight(one: Drafted, structure: Structure) -> tuple[bool, bool, bool, int]:
    """Return what sorts facts: those that people ask about most come first."""
    amounts = any(figure(column) and column.name not in one.keys for column in one.columns)
    return one.relation in structure.views, one.dated is None, not (one.targets and amounts), -len(one.targets)


def _key(relation: str, relations: Catalogue, structure: Structure, steps: list[Way]) -> str | None:
    """Return the column that tells rows apart: what others refer to, else a declared one."""
    named = [way.target_column for way in steps if way.relation == relation]
    declared = sorted(column for owner, column in structure.keys if owner == relation)
    ids = [c for c in declared if c.lower() in ("id", f"{_name(noun(relation))}_id")]
    known = {column.name for column in relations[relation]}
    return next((column for column in (*named, *ids, *declared) if column in known), None)


def _links(one: Drafted) -> bool:
    """Return whether a relation only ties others together: it has nothing but what names them."""
    rest = [c for c in one.columns if c.name not in one.keys and c.type not in ("date", "datetime")]
    return len(set(one.targets)) > 1 and not rest and one.dated is None


def _heads(one: Drafted, drafted: list[Drafted], steps: list[Way]) -> Drafted:
    """Return the relation that has the date of a row: for the items of an order, the order."""
    named = {way.relation for way in steps if way.start == one.relation and way.itself}
    heads = [other for other in drafted if other.relation in named and one.noun.startswith(f"{other.noun} ")]
    return heads[0] if one.dated is None and len(heads) == 1 else one


def _fact(one: Drafted, found: Map, head: Drafted) -> Fact:
    clock = next((c.name for c in head.columns if c.type == "datetime" and c.name == head.dated), None)
    return Fact(
        relation=one.relation,
        date=None if head.dated is None else f'"{head.relation}"."{head.dated}"',
        clock=None if clock is None else f'"{head.relation}"."{clock}"',
        via={relation: found.before[relation] for relation in sorted(found.chosen)},
        unclear=tuple(sorted(found.unclear)),
    )


def _count_through(
    links: set[str], drafted: Mapping[str, Drafted], steps: list[Way], measures: dict[str, Measure]
) -> None:
    """Let members be counted by what a link ties them to: films by category, each film once in each."""
    for way in steps:
        name = f"{drafted[way.relation].fact}_count" if way.relation in drafted else ""
        if way.start in links and way.itself and name in measures:
            counted_once = Source(fact=drafted[way.start].fact, sql=f'count(distinct "{way.start}"."{way.column}")')
            known = measures[name]
            measures[name] = known.model_copy(update={"sources": (*known.sources, counted_once)})


def _parts(
    relations: Catalogue,
    steps: list[Way],
    maps: Mapping[str, Map],
    dimensions: dict[str, Dimension],
    *,
    dialect: Dialect,
) -> list[Join]:
    """Add the members that play a part, and what lies behind people and places under their own name."""
    joins: list[Join] = []
    for way in steps:
        if way.itself or way.to in dimensions:
            continue
        sql = identity(way.relation, way.to, relations[way.relation], dialect=dialect)
        if sql is not None:
            dimensions[way.to[:63]] = part(way.to, sql)
    for owner in relations:
        if noun(owner).split()[-1] not in CLIENTS | WORKERS | PLACES:
            continue
        for relation in maps[owner].before:
            sql = identity(relation, f"{owner}__{relation}", relations[relation], dialect=dialect)
            name = _name(f"{owner}_{noun(relation)}")
            if sql is None or name in dimensions or not any(o != owner and owner in maps[o].before for o in relations):
                continue
            dimensions[name] = part(relation, sql, of=noun(owner), thing=noun(relation))
            joins += _chain(owner, relation, steps, maps[owner])
    return list(dict.fromkeys(joins))


def _chain(owner: str, relation: str, steps: list[Way], found: Map) -> list[Join]:
    joins, here = [], owner
    for following in found.path(relation):
        way = next(w for w in steps if w.start == here and w.to == following and w.itself)
        start = owner if here == owner else f"{owner}__{here}"
        alias = f"{owner}__{following}"
        condition = f'"{alias}"."{way.target_column}" = "{start}"."{way.column}"'
        joins.append(Join(start=start, to=alias, relation=following, condition=condition))
        here = following
    return joins


def _join(way: Way) -> Join:
    condition = f'"{way.to}"."{way.target_column}" = "{way.start}"."{way.column}"'
    return Join(start=way.start, to=way.to, relation=None if way.itself else way.relation, condition=condition)


def _distinct(measures: Mapping[str, Measure]) -> dict[str, Measure]:
    """Return the measures without words that several of them have: such a word would mean the first, silently."""
    owners = _owners(measures)
    found = {}
    for name, measure in measures.items():
        en, es = (
            tuple(text for text in texts if owners[_stems(text)] == 1)
            for texts in (measure.labels.en, measure.labels.es)
        )
        if en or es:
            found[name] = measure.model_copy(update={"labels": Labels(en=en or es, es=es or en)})
    return found


def _told_apart(dimensions: Mapping[str, Dimension]) -> dict[str, Dimension]:
    """Return the dimensions, each shown by a word that no other has; who reads a question knows what lies near."""
    owners = _owners(dimensions)
    found = {}
    for name, dimension in dimensions.items():
        en, es = (
            tuple(sorted(texts, key=lambda text: owners[_stems(text)] > 1))
            for texts in (dimension.labels.en, dimension.labels.es)
        )
        found[name] = dimension.model_copy(update={"labels": Labels(en=en, es=es)})
    return found


def _owners(entries: Mapping[str, Measure] | Mapping[str, Dimension]) -> Counter[tuple[str, ...]]:
    """Return how many entries have each word."""
    return Counter(
        text for entry in entries.values() for text in {_stems(t) for t in (*entry.labels.en, *entry.labels.es)}
    )


def _stems(text: str) -> tuple[str, ...]:
    return tuple(stem(word) for word in plain(text).split())


def _name(text: str) -> str:
    name = re.sub(r"[^a-z0-9]+", "_", text.lower()).strip("_")
    return (name if name[:1].isalpha() else f"x_{name}")[:55]


def _fits(name: str) -> bool:
    # What has odd characters would be refused by the guard anyway.
    return re.fullmatch(r"[A-Za-z_][\w ]{0,54}", name) is not None
