"""Dimensions of a drafted layer: what figures are split by and held to, and what people call it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from orchestrator.engines.warehouse import Column
from orchestrator.pipeline.semantic.draft_columns import dated, flag, groups, open_word, person, title
from orchestrator.pipeline.semantic.draft_figures import Drafted, labels
from orchestrator.pipeline.semantic.draft_joins import PLACES, noun
from orchestrator.pipeline.semantic.draft_words import WORDS, genders, plural, plural_es, said, spanish
from orchestrator.pipeline.semantic.lexicon import GRAINS
from orchestrator.pipeline.semantic.model import Dimension, Labels, Said
from orchestrator.pipeline.semantic.words import VOCABULARY, plain

_TIME = GRAINS | {plain(word) for said_of in VOCABULARY.grains.values() for word in said_of}


def identity(relation: str, alias: str, columns: tuple[Column, ...], *, dialect: str) -> str | None:
    """Return SQL of what a member of a relation is called, under an alias; None where nothing names it."""
    if (name := title(noun(relation), columns)) is not None:
        return f'"{alias}"."{name}"'
    if (names := person(columns)) is not None:
        first, last = (f'"{alias}"."{name}"' for name in names)
        return f"concat({first}, ' ', {last})" if dialect == "mysql" else f"{first} || ' ' || {last}"
    return None


def nouns(drafted: Drafted, name: str, key: str | None, *, dialect: str) -> Iterator[tuple[str, Dimension]]:
    """Yield the dimensions that a relation's own columns make, by name; first what its members are called."""
    relation, columns, one = drafted.relation, drafted.columns, drafted.noun
    named = title(one, columns)
    sql = identity(relation, relation, columns, dialect=dialect)
    if sql is not None:
        yield f"{name}_name"[:63], _member(drafted, sql, None if key is None else f'"{relation}"."{key}"', named)
    for column in columns:
        if column.name in drafted.keys or column.name == named:
            continue
        place, word = f'"{relation}"."{column.name}"', _without(one, said(column.name))
        entry = f"{name}_{_snake(said(column.name))}"[:63]
        if (flagged := flag(column)) is not None:
            yield entry, _flag(one, place, flagged, integer=column.type == "integer")
        elif (opened := open_word(column)) is not None and dated(one, columns) != column.name:
            yield f"{entry}_open"[:63], _open(one, place, opened)
        elif groups(column):
            yield entry, Dimension(labels=_column_labels(one, word), sql=place, nullable=True)
        elif column.type == "integer" and said(column.name).endswith(" year"):
            yield entry, Dimension(labels=_column_labels(one, word), sql=place, nullable=True, fetch=False)


def part(alias: str, sql: str, *, of: str | None = None, thing: str | None = None) -> Dimension:
    """Return a relation's members in a part that they play: `original language`, `country of the customer`."""
    if of is None or thing is None:
        # Its values mean the relation itself: "films in English" is not about the original language.
        names = labels([said(alias), plural(said(alias))], spanish(said(alias)))
        return Dimension(labels=names, sql=sql, nullable=True, fetch=False)
    es = [
        text
        for its in spanish(of)
        for word in spanish(thing)
        for text in (f"{word} de {its}", f"{word} del {its}", f"{word} de {plural_es(its)}")
    ]
    return Dimension(
        labels=labels([f"{of} {thing}", f"{thing} of {of}", f"{thing} of {plural(of)}", f"{of}s {thing}"], es),
        sql=sql,
        nullable=True,
    )


def _member(drafted: Drafted, sql: str, key: str | None, named: str | None) -> Dimension:
    one = drafted.noun
    word = "name" if named is None or said(named) == one else _without(one, said(named))
    word_es = spanish(word)
    es = [text for each in spanish(one) for text in (each, plural_es(each))]
    es += [text for each in spanish(one) for w in word_es for text in (f"{w} de {each}", f"{w} del {each}")]
    return Dimension(
        labels=labels([one, plural(one), f"{one} {word}", f"{word} of {one}", f"{plural(one)} {word}"], es),
        sql=sql,
        key=key,
        nullable=True,
        person=named is None,
        place=one.split()[-1] in PLACES,
    )


def _column_labels(one: str, word: str) -> Labels:
    en = [f"{one} {word}", f"{word} of {one}", f"{one} {plural(word)}"]
    es = [text for each in spanish(one) for w in spanish(word) for text in (f"{w} de {each}", f"{w} del {each}")]
    if word not in _TIME and word not in ("name", "type", "code"):
        en = [word, plural(word), *en]
        es = [*spanish(word), *(plural_es(w) for w in spanish(word)), *es]
    return labels(en, es)


def _flag(one: str, place: str, word: str, *, integer: bool) -> Dimension:
    known = WORDS.flags.get(word)
    yes = Said(en=(word,)) if known is None else Said(en=known.en, es=_all(known.es))
    no = Said(en=(f"not {word}",)) if known is None else Said(en=known.not_en, es=_all(known.not_es))
    test = f"{place} = 1" if integer else place
    wrong = f"{place} = 0" if integer else f"NOT {place}"
    return Dimension(
        labels=labels([f"{word} or not", f"whether {word}", f"{one} {word} or not"], ()),
        sql=f"CASE WHEN {test} THEN 'yes' WHEN {wrong} THEN 'no' END",
        nullable=True,
        fetch=False,
        values={"yes": yes, "no": no},
    )


def _open(one: str, place: str, word: str) -> Dimension:
    known = WORDS.open[word]
    # Rows with the date have no word here: with a period, "returned last month" would be held to the wrong date.
    return Dimension(
        labels=labels([f"{known.en[0]} or done", f"{one} {known.en[0]} or done"], ()),
        sql=f"CASE WHEN {place} IS NULL THEN 'open' ELSE 'done' END",
        fetch=False,
        values={"open": Said(en=known.en, es=_all(known.es))},
    )


def _all(words: Iterable[str]) -> tuple[str, ...]:
    found = []
    for word in words:
        *before, last = word.split()
        found += [" ".join((*before, form)) for form in genders(last)]
    return tuple(found)


def _without(one: str, word: str) -> str:
    """Return a column's words without the relation's own: `status` for `order_status` of orders."""
    return word.removeprefix(f"{one} ") or word


def _snake(words: str) -> str:
    return re.sub(r"[^a-z0-9]+", "_", words.lower()).strip("_")
