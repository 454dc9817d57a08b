"""Verified queries: statements that a person has checked, found by their example questions, with holes for values."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
from sqlglot import exp

from orchestrator.pipeline.semantic.lexicon import Item, Lexicon
from orchestrator.pipeline.semantic.model import Slot, Verified
from orchestrator.pipeline.semantic.reach import parsed
from orchestrator.pipeline.semantic.texts import value_label
from orchestrator.pipeline.semantic.time_grammar import read_when
from orchestrator.pipeline.semantic.words import EMPTY, plain, stem, tokens

Language = Literal["en", "es"]
Embed = Callable[[Sequence[str]], "np.ndarray[tuple[int, int], np.dtype[np.float32]]"]

#: Words in common over all words, values and dates left out.
NEAR: Final = 0.8
#: With embeddings: the cosine, and the words that must be common all the same.
NEAR_VECTOR: Final = 0.88
NEAR_WITH_VECTOR: Final = 0.5
#: Where a question or a description names a hole.
HOLE: Final = re.compile(r"\{(\w+)\}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Match:
    """A verified query with its holes filled."""

    name: str
    tree: exp.Expr
    description: str


def find_verified(
    question: str, lexicon: Lexicon, *, language: Language, today: dt.date, embed: Embed | None = None
) -> Match | None:
    """Return the verified query that the question asks for, or None.

    Every value, number and date of the question must go into a hole, so that "… in Rome" never gets the answer for all.
    """
    corrected, _ = lexicon.corrected(tokens(plain(question)))
    when = read_when(" ".join(token.text for token in corrected), today)
    items = lexicon.items(tokens(when.rest))
    best: tuple[float, Match] | None = None
    for verified in lexicon.layer.verified:
        if _asks(items) not in _asks_of(verified, lexicon):
            continue
        filled = _fill(
            verified, items, when.ranges[0].start if when.ranges else None, when.ranges[0].end if when.ranges else None
        )
        if filled is None or len(when.ranges) > 1 or when.earlier is not None:
            continue
        values, spoken = filled
        rest = _words(" ".join(token.text for token in tokens(when.rest)), spoken)
        score = _score(verified, rest, question, embed)
        if score is not None and (best is None or score > best[0]):
            best = (score, _match(verified, values, lexicon, language))
    return None if best is None else best[1]


def _asks(items: Sequence[Item]) -> frozenset[str]:
    """Return the cues that turn a question into another one: "how many" and "not"."""
    return frozenset(m.name for item in items for m in item.of("cue") if m.name in ("count", "not"))


def _asks_of(verified: Verified, lexicon: Lexicon) -> set[frozenset[str]]:
    examples = (*verified.en, *verified.es)
    return {_asks(lexicon.items(tokens(plain(HOLE.sub(" ", example))))) for example in examples}


def _fill(
    verified: Verified, items: Sequence[Item], start: dt.date | None, end: dt.date | None
) -> tuple[dict[str, str], list[str]] | None:
    """Return the value of each hole and the words they came from; None when a hole or a value is left over."""
    values: dict[str, str] = {}
    spoken: list[str] = []
    dated = False
    taken: set[int] = set()
    for name, slot in verified.slots.items():
        found: str | None = None
        if slot.kind in ("start", "end"):
            day = start if slot.kind == "start" else end
            dated = dated or day is not None
            found = None if day is None else day.isoformat()
        for index, item in enumerate(items):
            if found is not None or index in taken or slot.kind in ("start", "end"):
                continue
            found = _said(item, slot)
            if found is not None:
                taken.add(index)
                spoken.append(item.text)
        values[name] = found if found is not None else slot.default or ""
        if found is None and slot.default is None:
            return None
    if (start is not None or end is not None) and not dated:
        return None
    own = _own_words(verified)
    for index, item in enumerate(items):
        # A value that the example itself names is part of what is asked.
        left_over = index not in taken and (item.of("value") or item.number is not None)
        if left_over and not {stem(word) for word in item.text.split()} <= own:
            return None
    return values, spoken


def _said(item: Item, slot: Slot) -> str | None:
    if slot.kind == "number":
        return None if item.number is None else f"{item.number:g}"
    return next((m.values[0] for m in item.of("value") if m.name == slot.dimension and len(m.values) == 1), None)


def _own_words(verified: Verified) -> set[str]:
    return {word for example in (*verified.en, *verified.es) for word in _words(plain(HOLE.sub(" ", example)), ())}


def _words(text: str, without: Sequence[str]) -> set[str]:
    for part in without:
        text = re.sub(rf"\b{re.escape(part)}\b", " ", text, count=1)
    return {stem(word) for word in text.split() if word not in EMPTY and word[0].isalnum()}


def _score(verified: Verified, rest: set[str], question: str, embed: Embed | None) -> float | None:
    examples = [*verified.en, *verified.es]
    near = [_jaccard(rest, _words(plain(HOLE.sub(" ", example)), ())) for example in examples]
    best = max(near)
    if best >= NEAR:
        return 1.0 + best
    if embed is None or best < NEAR_WITH_VECTOR:
        return None
    vectors = embed([question, *examples])
    cosine = float(np.max(vectors[1:] @ vectors[0]))
    return cosine if cosine >= NEAR_VECTOR else None


def _jaccard(one: set[str], other: set[str]) -> float:
    return len(one & other) / len(one | other) if one | other else 0.0


def filled(verified: Verified, values: Mapping[str, str], dialect: str) -> exp.Expr:
    """Return the statement with `values` in its holes; a hole without a value stays one.

    Raises:
        EngineError: it is not SQL.
    """

    def place(node: exp.Expr) -> exp.Expr:
        if isinstance(node, exp.Placeholder) and node.name in values:
            value = values[node.name]
            return (
                exp.Literal.number(value) if verified.slots[node.name].kind == "number" else exp.Literal.string(value)
            )
        return node

    return parsed(verified.sql, dialect).copy().transform(place)


def _match(verified: Verified, values: dict[str, str], lexicon: Lexicon, language: Language) -> Match:
    shown = {name: value_label(value, language) for name, value in values.items()}
    return Match(
        name=verified.name,
        tree=filled(verified, values, lexicon.layer.dialect),
        description=HOLE.sub(lambda m: shown.get(m.group(1), ""), verified.describe.shown(language)),
    )
