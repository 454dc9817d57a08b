"""Measures of a drafted layer: what is counted, summed and averaged, and what people call it."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from orchestrator.engines.warehouse import Column
from orchestrator.pipeline.semantic.draft_columns import AMOUNT, adds_up, figure, made_on, money
from orchestrator.pipeline.semantic.draft_joins import CLIENTS, noun
from orchestrator.pipeline.semantic.draft_words import WORDS, genders, plural, plural_es, said, singular, spanish
from orchestrator.pipeline.semantic.model import Labels, Measure, Source

#: Facts that may be what a company earns, and the verbs of one.
_EARNING = ("payment", "sale", "order", "invoice", "receipt", "transaction", "ticket", "booking", "bill")
#: Words that stand for any sum and any number: "the total amount of customers" is no money.
_ANY = frozenset({"amount", "total", "quantity", "qty", "value", "sum", "count", "points", "units"})
#: Nouns that are money themselves: "total payments" is a sum, "total orders" a number of orders.
_SUMS = frozenset(
    {"payment", "fine", "sale", "expense", "refund", "donation", "deposit", "fee", "charge", "tip", "cost"}
)
_STATE = re.compile(r"status|state|cancel|refund|void|type|kind|direction")


@dataclass(frozen=True, slots=True, kw_only=True)
class Drafted:
    """One relation as it becomes a fact."""

    relation: str
    fact: str
    columns: tuple[Column, ...]
    #: Columns that name other relations, or the row itself.
    keys: frozenset[str]
    #: Relations that its rows name.
    targets: tuple[str, ...] = ()
    dated: str | None = None
    #: Whether there is no other relation, so that "the amount" can be of nothing else.
    only: bool = False

    @property
    def noun(self) -> str:
        """What a row is called."""
        return noun(self.relation)


def labels(en: Iterable[str], es: Iterable[str]) -> Labels:
    """Return labels without repetition; what has no Spanish word keeps its English ones."""
    english = tuple(dict.fromkeys(text for text in en if text))
    return Labels(en=english, es=tuple(dict.fromkeys(text for text in es if text)) or english)


def counted(drafted: Drafted) -> Measure:
    """Return the number of a relation's rows."""
    one, many = drafted.noun, plural(drafted.noun)
    en = [many, f"number of {many}", one, f"number of {one}", f"{one} count", f"{many} count", said(drafted.relation)]
    es: list[str] = []
    for word in spanish(one):
        all_of = plural_es(word)
        es += [all_of, f"número de {all_of}", f"cantidad de {all_of}", word]
    if drafted.dated is not None and made_on(drafted.dated):
        en.append(f"new {many}")
        es += [form for word in spanish(one) for form in _new(plural_es(word))]
    if done := WORDS.done.get(one):
        en += [f"most {word}" for word in done.en]
        es += [f"más {form}" for word in done.es for form in genders(word)]
    return Measure(labels=labels(en, es), format="count", context=True,
                   sources=(Source(fact=drafted.fact, sql="count(*)"),))  # fmt: skip


def _new(nouns: str) -> tuple[str, ...]:
    return f"{nouns} nuevos", f"{nouns} nuevas", f"nuevos {nouns}", f"nuevas {nouns}", f"altas de {nouns}"


def figures(drafted: Drafted, name: str) -> Iterable[tuple[str, Measure]]:
    """Yield the sums, means and largest values of a relation's numbers, by the measure's name."""
    main = _main(drafted)
    for column in drafted.columns:
        if column.name in drafted.keys or not figure(column):
            continue
        place, word = f'"{drafted.relation}"."{column.name}"', said(column.name)
        kind = "money" if money(column) else "number"
        stem_of = f"{name}_{_snake(word)}"
        for suffix, aggregate, texts in (
            ("sum", "sum", _sum_labels(drafted, word, sums=adds_up(column) is True, main=column.name == main)),
            ("mean", "avg", _mean_labels(drafted, word, main=column.name == main)),
            ("max", "max", _max_labels(drafted, word)),
        ):
            if (suffix == "sum" and adds_up(column) is False) or (suffix == "max" and column.name != main):
                continue
            measure = Measure.model_validate(
                {"labels": texts, "format": kind, "sources": [{"fact": drafted.fact, "sql": f"{aggregate}({place})"}]}
            )
            yield f"{stem_of}_{suffix}"[:63], measure


def _sum_labels(drafted: Drafted, word: str, *, sums: bool, main: bool) -> Labels:
    one, many = drafted.noun, plural(drafted.noun)
    en = [f"{one} {word}", f"{word} of {one}", f"{word} of {many}", f"{many} {word}", f"total {word} of {many}",
          f"total {one} {word}", said(drafted.relation) + f" {word}"]  # fmt: skip
    if not sums:
        en = [text for text in en if text.startswith("total")]
    elif drafted.only or word not in _ANY:
        en += [f"total {word}", word]
    if main and one.split()[-1] in _SUMS:
        en += [f"total {many}", f"total of {many}"]
    es: list[str] = []
    for noun_es in spanish(one):
        all_of = plural_es(noun_es)
        for word_es in spanish(word):
            es += [f"{word_es} de {all_of}", f"{word_es} de {noun_es}", f"{word_es} total de {all_of}"]
            es += [] if word in _ANY and not drafted.only else [f"{word_es} total", word_es]
            es = es if sums else [text for text in es if "total" in text]
        if main and one.split()[-1] in _SUMS:
            es += [f"total de {all_of}", f"{all_of} totales", f"suma de {all_of}"]
    if main and _earns(drafted):
        en += ["revenue", "revenues", "income", "takings", "turnover", "collected"]
        es += ["ingresos", "ingreso", "facturación", "recaudación", "recaudado", "cobrado", "cobros", "hemos cobrado"]
    return labels(en, es)


def _mean_labels(drafted: Drafted, word: str, *, main: bool) -> Labels:
    one, many = drafted.noun, plural(drafted.noun)
    en = [f"average {one} {word}", f"average {word} of {many}", f"average {word} of {one}", f"average {many} {word}",
          f"average {word} per {one}"]  # fmt: skip
    en += [] if word in _ANY and not drafted.only else [f"average {word}", f"mean {word}"]
    if main:
        en += [f"average {one}", f"average {one} value"]
    es: list[str] = []
    for noun_es in spanish(one):
        all_of = plural_es(noun_es)
        for word_es in spanish(word):
            feminine = word_es.split(maxsplit=1)[0].endswith(("a", "ad", "ión", "ez"))
            for mean in ("media", "medio", "promedio") if feminine else ("medio", "media", "promedio"):
                es += [f"{word_es} {mean} de {all_of}", f"{word_es} {mean} por {noun_es}"]
                es += [] if word in _ANY and not drafted.only else [f"{word_es} {mean}"]
            es += [f"media de {word_es} de {all_of}", f"promedio de {word_es} de {all_of}"]
        if main:
            es += [f"{noun_es} medio", f"{noun_es} media", f"{noun_es} promedio"]
    return labels(en, es)


def _max_labels(drafted: Drafted, word: str) -> Labels:
    one = drafted.noun
    en = [f"largest {one}", f"biggest {one}", f"maximum {one} {word}"]
    es = [f"mayor {noun_es}" for noun_es in spanish(one)]
    es += [f"{word_es} máximo de {plural_es(noun_es)}" for noun_es in spanish(one) for word_es in spanish(word)]
    return labels(en, es)


def _main(drafted: Drafted) -> str | None:
    """Return the column of the money that a row is about, where there is one only."""
    found = [c.name for c in drafted.columns if AMOUNT.match(_snake(said(c.name))) and adds_up(c)]
    return found[0] if len(found) == 1 else None


def _earns(drafted: Drafted) -> bool:
    """Return whether a relation's money comes from clients, and all of its rows count."""
    named = {noun(target).split()[-1] for target in drafted.targets}
    named |= {singular(said(column.name).split()[0]) for column in drafted.columns}
    states = any(_STATE.search(_snake(said(column.name))) for column in drafted.columns)
    return drafted.noun.split()[-1] in _EARNING and bool(named & CLIENTS) and not states


def _snake(words: str) -> str:
    return re.sub(r"[^a-z0-9]+", "_", words.lower()).strip("_")
