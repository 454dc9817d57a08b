"""Which of the found passages speak of what a question names: a supplier, a branch, a policy."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from orchestrator.engines.extract import held
from orchestrator.engines.lexicon import TRANSLATED, Asked, asked, translations
from orchestrator.engines.retriever import Passage
from orchestrator.engines.words import content_words, fold, guess_language, terms, words

#: A word that more documents than these have in their titles names a kind of document, not one.
_NAMING = 2
#: Up to this many letters a word is an abbreviation, as "SL" is.
_SHORT = 2
#: What a passage without any of the question's words keeps of its score; one with all of them gets `1 + _BASE`.
_BASE = 0.4
_SENTENCE_START = re.compile(r"(?:^|[.?!:¿¡\n])\W*$")


@dataclass(frozen=True, slots=True, kw_only=True)
class Named:
    """The folded words of a question that are names."""

    #: Words that stand in the title of one document or two and are in no dictionary.
    titles: frozenset[str]
    #: Words written with a capital inside a sentence.
    proper: frozenset[str]


def named(question: str, passages: Sequence[Passage], *, language: str) -> Named:
    """Return what `question` names, judged by the titles of the found passages and by its capitals."""
    spread: dict[str, set[str]] = {}
    common: set[str] = set()
    for passage in passages:
        spoken = guess_language(f"{passage.heading} {passage.text}")
        for word in words(passage.title):
            spread.setdefault(word, set()).add(passage.document)
            # "Molino" is an ordinary word in a Spanish title, and a name in an English one.
            if translations(word, spoken):
                common.add(word)
    asked_words = {fold(word) for word in content_words(question, language) if len(word) > _SHORT and word.isalpha()}
    titles = frozenset(word for word in asked_words - common if 0 < len(spread.get(word, ())) <= _NAMING)
    proper = frozenset(
        fold(match.group())
        for match in re.finditer(r"[^\W\d_][\w'’]+", question)
        if match.group()[0].isupper()
        and not _SENTENCE_START.search(question[: match.start()])
        and fold(match.group()) in asked_words
        and not _known(fold(match.group()))
    )
    return Named(titles=titles, proper=proper - titles)


def focus(question: str, passages: Sequence[Passage], *, language: str) -> list[Passage]:
    """Return `passages` in the order in which they fit, with their scores made to follow.

    The share of the question's words that a passage holds, headings included, raises its
    score. When the question names a document, or something that some passages speak of, only
    these are left, unless none of them holds another word of it.
    """
    wanted = asked(question, language)
    worth = rarity(passages, wanted)
    names = named(question, passages, language=language)
    ordered = sorted(
        (
            replace(passage, score=passage.score * (_BASE + covered(passage, wanted, worth=worth)))
            for passage in passages
        ),
        key=lambda passage: -passage.score,
    )
    others = [one for one in wanted if fold(one.word) not in names.titles | names.proper]
    for sought, where in ((names.titles, _title_words), (names.proper, _all_words)):
        hits = {passage.chunk: len(sought & where(passage)) for passage in ordered}
        most = max(hits.values(), default=0)
        chosen = [passage for passage in ordered if most and hits[passage.chunk] == most]
        if chosen and (not others or any(covered(passage, others, title=False) > 0 for passage in chosen)):
            ordered = chosen
    return ordered


def unknown(question: str, passages: Sequence[Passage], *, language: str) -> frozenset[str]:
    """Return the names written with a capital in `question` that no passage holds."""
    said = {word for passage in passages for word in _all_words(passage)}
    return named(question, passages, language=language).proper - said


def covered(
    passage: Passage, wanted: Sequence[Asked], *, title: bool = True, worth: Mapping[int, float] | None = None
) -> float:
    """Return the share of the concepts of `wanted` that `passage` holds, as asked or translated, by their weights.

    `worth` says what each concept counts besides; without it all count the same. A translation is worth the word.
    """
    said = _said(passage, wanted, title=title)
    most: dict[int, float] = {}
    for one in wanted:
        most[one.concept] = max(most.get(one.concept, 0.0), one.weight)
    counts = worth or {}
    total = sum(weight * counts.get(concept, 1.0) for concept, weight in most.items())
    shares = (min(most[concept], weight / TRANSLATED) * counts.get(concept, 1.0) for concept, weight in said.items())
    return sum(shares) / total if total else 0.0


def _said(passage: Passage, wanted: Sequence[Asked], *, title: bool = True) -> dict[int, float]:
    spoken = guess_language(f"{passage.heading} {passage.text}")
    heading = passage.heading if title else passage.heading.removeprefix(passage.title)
    return held(terms(f"{heading} {passage.text}", spoken), wanted, spoken)


def rarity(passages: Sequence[Passage], wanted: Sequence[Asked]) -> dict[int, float]:
    """Return what each concept says about which of `passages` answers: little when most hold it."""
    spread = Counter(concept for passage in passages for concept in _said(passage, wanted))
    return {one.concept: math.log(1 + (len(passages) + 1) / (spread[one.concept] + 0.5)) for one in wanted}


def _known(word: str) -> bool:
    """Return whether a dictionary has `word`, in either language: then it is no name."""
    return bool(translations(word, "en") or translations(word, "es"))


def _title_words(passage: Passage) -> set[str]:
    return set(words(passage.title))


def _all_words(passage: Passage) -> set[str]:
    return set(words(f"{passage.title} {passage.heading} {passage.text}"))
