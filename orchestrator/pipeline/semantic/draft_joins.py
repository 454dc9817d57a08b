"""Ways between relations for a drafted layer: from declared keys, else from names; always from many rows to one."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from orchestrator.engines.warehouse import Catalogue, Structure
from orchestrator.pipeline.semantic.draft_words import said, singular

#: Who a row is about, and who did it: what they have of their own is no property of the row.
CLIENTS: Final = frozenset(
    {"customer", "client", "guest", "member", "patient", "student", "user", "subscriber", "passenger", "account"}
)
WORKERS: Final = frozenset(
    {*("staff", "employee", "worker", "seller", "agent", "doctor", "nurse", "teacher", "driver", "manager")}
)
#: Where work is done. A row happened where its thing was rather than where its worker or its client belongs.
PLACES: Final = frozenset(
    {*("store", "shop", "branch", "office", "department", "clinic", "hospital", "restaurant", "hotel", "warehouse")}
    | {"library", "school", "station", "location", "site", "ward"}
)
_REFERS: Final = re.compile(r"(?<=.)(?:_?id|_?key|_?code|_?no)$", re.IGNORECASE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Way:
    """One step from `start` to the relation behind the alias `to`."""

    start: str
    column: str
    to: str
    relation: str
    target_column: str
    #: Whether `to` is the relation itself, from which steps go on; else a part it plays, as an original language.
    itself: bool


def noun(relation: str) -> str:
    """Return a relation's name as a noun in the singular."""
    return singular(said(relation))


def ways(relations: Catalogue, structure: Structure) -> list[Way]:
    """Return the steps between relations, in the order of the catalogue.

    A declared key counts for its column. Where a relation declares none for it, `customer_id` leads to a relation
    `customer` or `customers` by its column `customer_id` or `id`, if that is unique by declaration, or nothing is
    declared of that relation and there is no other such relation.
    """
    declared = {(each.relation, each.column): (each.target, each.target_column) for each in structure.references}
    found: list[Way] = []
    for relation, columns in relations.items():
        for column in columns:
            told = declared.get((relation, column.name))
            if told is not None and told[0] in relations:
                target, key = told
            elif (named := _named(relation, column.name, relations, structure)) is not None:
                target, key = named
            else:
                continue
            if not any(theirs.name == key for theirs in relations[target]):
                continue
            part = said(_REFERS.sub("", column.name))
            itself = target != relation and (column.name == key or part in (noun(target), said(target)))
            alias = target if itself else re.sub(r"\W", "_", part)
            taken = alias in relations if not itself else any(w.start == relation and w.to == alias for w in found)
            if part and not taken:
                found.append(
                    Way(start=relation, column=column.name, to=alias, relation=target, target_column=key, itself=itself)
                )
    # A part is known by its alias alone, so two relations may not mean different ones by it.
    parts = [way.to for way in found if not way.itself]
    return [way for way in found if way.itself or parts.count(way.to) == 1]


def _named(relation: str, column: str, relations: Catalogue, structure: Structure) -> tuple[str, str] | None:
    part = _REFERS.sub("", column).lower().rstrip("_")
    if part == column.lower() or (relation, column) in structure.keys:
        return None
    candidates = [other for other in relations if other != relation and noun(other) == singular(said(part))]
    if len(candidates) != 1:
        return None
    (target,) = candidates
    names = {theirs.name.lower(): theirs.name for theirs in relations[target]}
    for wanted in (column.lower(), "id"):
        if wanted not in names:
            continue
        unique = (target, names[wanted]) in structure.keys
        undeclared = target in structure.views or not any(owner == target for owner, _ in structure.keys)
        if unique or undeclared:
            return target, names[wanted]
    return None


@dataclass(frozen=True, slots=True, kw_only=True)
class Map:
    """Where one relation leads."""

    #: Relation -> the relation before it, for those that are meant when they are named.
    before: Mapping[str, str]
    #: Of those, the ones with several ways.
    chosen: frozenset[str]
    #: Relations with several ways, none of which is meant.
    unclear: frozenset[str]

    def path(self, relation: str) -> list[str]:
        """Return the relations up to one that is reached, without the first."""
        path: list[str] = []
        here: str | None = relation
        while here is not None and here in self.before:
            path.insert(0, here)
            here = self.before[here]
        return path


def map_of(start: str, steps: list[Way]) -> Map:
    """Return where a relation leads, each relation by the one way that is meant.

    A step of its own is meant before any longer way. Of several longer ones to a place of work, the one through the
    fewest people is meant, worker before client. All else that several ways lead to is unclear, and so is what lies
    behind it alone.
    """
    leads: dict[str, list[str]] = {}
    for way in steps:
        if way.itself:
            leads.setdefault(way.start, []).append(way.to)
    near = _within(start, leads)
    before: dict[str, str] = {}
    unclear: set[str] = set()
    chosen: set[str] = set()
    settled = {start}
    # In rounds: a relation is settled once all that leads to it is.
    waiting = [relation for relation in near if relation != start]
    while waiting:
        ready = [one for one in waiting if start in leads and one in leads[start]]
        ready = ready or [
            one
            for one in waiting
            if all(other in settled for other in near if one in leads.get(other, ()) and other != one)
        ]
        # A ring of relations that wait for each other has no clear order.
        for relation in ready or list(waiting):
            waiting.remove(relation)
            settled.add(relation)
            comes = [o for o in near if relation in leads.get(o, ()) and (o == start or o in before)]
            doubtful = any(relation in leads.get(o, ()) for o in unclear) or not ready
            best = start if start in comes else _best(relation, comes, before, start, doubtful=doubtful)
            if best is None:
                unclear.add(relation)
            else:
                before[relation] = best
                if len(comes) > 1 or doubtful:
                    chosen.add(relation)
    return Map(before=before, chosen=frozenset(chosen), unclear=frozenset(unclear))


def _within(start: str, leads: Mapping[str, list[str]]) -> list[str]:
    seen, line = [start], [start]
    while line:
        for other in leads.get(line.pop(0), ()):
            if other not in seen:
                seen.append(other)
                line.append(other)
    return seen


def _best(relation: str, comes: list[str], before: Mapping[str, str], start: str, *, doubtful: bool) -> str | None:
    if len(comes) == 1 and not doubtful:
        return comes[0]
    if not comes or noun(relation).split()[-1] not in PLACES:
        return None
    ranked = sorted((_people(one, before, start), one) for one in comes)
    return ranked[0][1] if len(ranked) == 1 or ranked[0][0] < ranked[1][0] else None


def _people(relation: str, before: Mapping[str, str], start: str) -> tuple[int, int]:
    workers = clients = 0
    while relation != start:
        clients += noun(relation).split()[-1] in CLIENTS
        workers += noun(relation).split()[-1] in WORKERS
        relation = before[relation]
    return clients, workers
