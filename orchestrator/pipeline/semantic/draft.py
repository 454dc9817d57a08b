"""A first semantic layer for a database that nobody has described yet: something useful to correct."""

from __future__ import annotations

import re
from typing import Final, Literal

from orchestrator.engines.warehouse import Catalogue, Column
from orchestrator.pipeline.semantic.lexicon import GRAINS
from orchestrator.pipeline.semantic.model import Dimension, Fact, Join, Labels, Measure, SemanticLayer, Source
from orchestrator.pipeline.semantic.words import stem

Dialect = Literal["postgres", "sqlite", "mysql"]

MAX_RELATIONS: Final = 40
#: Columns whose sum means nothing.
_NO_SUM: Final = re.compile(
    r"(^|_)(id|key|code|number|no|zip|year|month|day|lat|lon|latitude|longitude|version|rank|phone)$"
)
_NO_GROUP: Final = re.compile(
    r"(^|_)(id|uuid|key|hash|token|email|phone|iban|note|notes|description|comment|url|address|password)$"
)
#: What a date column is called when it says when a row happened, best first.
_WHEN: Final = ("business_date", "date", "ordered_on", "created_on", "opened_at", "created_at", "timestamp", "day")


def draft_layer(catalogue: Catalogue, *, dialect: Dialect, name: str = "draft") -> SemanticLayer:
    """Return a layer made from names and types alone: counts, sums and means of numbers, texts to group by.

    Relations are joined where a column `thing_id` names a relation `thing` or `things` with a column `id`. Words are
    the columns' own, in both languages.
    """
    relations = {relation: columns for relation, columns in list(catalogue.items())[:MAX_RELATIONS] if _fits(relation)}
    layer_facts: dict[str, Fact] = {}
    measures: dict[str, Measure] = {}
    dimensions: dict[str, Dimension] = {}
    for relation, columns in relations.items():
        fact = _name(relation)
        when = _when(columns)
        clock = next((column.name for column in columns if column.type == "datetime"), None)
        layer_facts[fact] = Fact(
            relation=relation,
            date=None if when is None else f'"{relation}"."{when}"',
            clock=None if clock is None else f'"{relation}"."{clock}"',
        )
        measures |= _measures(relation, fact, columns)
        dimensions |= _dimensions(relation, columns, taken=set(dimensions))
    return SemanticLayer(
        name=name,
        dialect=dialect,
        facts=layer_facts,
        joins=tuple(_joins(relations)),
        measures=measures,
        dimensions=dimensions,
    )


def _measures(relation: str, fact: str, columns: tuple[Column, ...]) -> dict[str, Measure]:
    said = _said(relation)
    found = {
        f"{fact}_count": Measure(
            labels=_labels(said, f"number of {said}", f"{said} count"),
            format="count",
            context=True,
            sources=(Source(fact=fact, sql="count(*)"),),
        )
    }
    for column in columns:
        if column.type not in ("integer", "number") or _NO_SUM.search(column.name.lower()) or not _fits(column.name):
            continue
        word, place = _said(column.name), f'"{relation}"."{column.name}"'
        for kind, sql, labels in (
            ("sum", f"sum({place})", _labels(f"{word} of {said}", f"total {word} of {said}", f"{said} {word}", word)),
            (
                "mean",
                f"avg({place})",
                _labels(f"average {word} of {said}", f"average {said} {word}", f"average {word}"),
            ),
        ):
            found[f"{fact}_{_name(column.name)}_{kind}"[:63]] = Measure(
                labels=labels, format="number", sources=(Source(fact=fact, sql=sql),)
            )
    return found


def _dimensions(relation: str, columns: tuple[Column, ...], *, taken: set[str]) -> dict[str, Dimension]:
    found: dict[str, Dimension] = {}
    for column in columns:
        if column.type not in ("text", "boolean") or _NO_GROUP.search(column.name.lower()) or not _fits(column.name):
            continue
        single = " ".join(stem(part) for part in _said(relation).split())
        word = _said(column.name)
        labels = [f"{single} {word}", f"{word} of {single}"]
        if word == "name":
            labels = [single, *labels]
        elif word not in GRAINS:
            labels.append(word)
        key = f"{_name(relation)}_{_name(column.name)}"[:63]
        if key not in taken:
            place = f'"{relation}"."{column.name}"'
            found[key] = Dimension(labels=_labels(*labels), sql=place, nullable=True, fetch=column.type == "text")
    return found


def _joins(relations: Catalogue) -> list[Join]:
    joins = []
    for relation, columns in relations.items():
        for column in columns:
            thing = column.name.lower().removesuffix("_id")
            if thing == column.name.lower():
                continue
            for other, theirs in relations.items():
                if other.lower() not in (thing, f"{thing}s", f"{thing}es", f"{thing[:-1]}ies") or other == relation:
                    continue
                if any(their.name.lower() == "id" for their in theirs):
                    condition = f'"{other}"."id" = "{relation}"."{column.name}"'
                    joins.append(Join(start=relation, to=other, condition=condition))
    return joins


def _when(columns: tuple[Column, ...]) -> str | None:
    dated = {column.name.lower(): column.name for column in columns if column.type in ("date", "datetime")}
    return next((dated[name] for name in _WHEN if name in dated), next(iter(dated.values()), None))


def _labels(*texts: str) -> Labels:
    words = tuple(dict.fromkeys(texts))
    return Labels(en=words, es=words)


def _said(name: str) -> str:
    spaced = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", " ", name).replace("_", " ").replace("-", " ")
    return " ".join(spaced.lower().split())


def _name(text: str) -> str:
    name = re.sub(r"[^a-z0-9]+", "_", text.lower()).strip("_")
    return (name if name[:1].isalpha() else f"x_{name}")[:55]


def _fits(name: str) -> bool:
    # What has odd characters would be refused by the guard anyway.
    return re.fullmatch(r"[A-Za-z_][\w ]{0,54}", name) is not None
