"""Everyday words of a workplace in English and Spanish, so that a question meets documents in the other language.

The carried encoder has read English only, and full text needs the same letters; a few hundred
lines of `lexicon.txt` bridge most questions to a handbook, a contract or an allergen sheet. No grammar, no
senses: a wrong neighbour costs one weak match, a missing word costs the passage.
"""

from __future__ import annotations

import re
from functools import lru_cache
from importlib.resources import files
from typing import NamedTuple

from orchestrator.engines.words import content_words, fold, stem

#: What a translated word counts, next to one that is there as it was asked.
TRANSLATED = 0.9
#: What another word of the same line and language counts.
SYNONYM = 0.5
_ION = re.compile(r"(?<=[cs])ion$")


#: What a word counts that nearly every question may hold: it says little about which passage answers.
GENERIC = 0.35
_YEAR = 4
_GENERIC_WORDS = """
use used using happen happens happened need needs want wants make makes made take takes put know like allowed
possible exactly currently usually much way thing things kind type usar usa usan uso utilizar utiliza sirve servir
pasa pasar pasan ocurre ocurrir sucede necesito necesita necesitar quiero quiere querer poner pone hago toca tocan
coger dar dan da llevar lleva corresponde corresponden exactamente actualmente tipo cosa cosas forma manera posible
"""
_GENERIC = frozenset(_GENERIC_WORDS.split())


class Asked(NamedTuple):
    """A word to look for in passages of one language; of the words of one concept the best counts, once."""

    concept: int
    language: str
    word: str
    weight: float


@lru_cache(maxsize=1)
def _tables() -> dict[str, dict[str, tuple[str, ...]]]:
    """Return, by the language asked in, each stem's words in the other language."""
    tables: dict[str, dict[str, tuple[str, ...]]] = {"en": {}, "es": {}}
    for line in files(__package__).joinpath("lexicon.txt").read_text("utf-8").splitlines()[1:]:
        english, spanish = (tuple(side.split()) for side in line.split("="))
        for language, mine, theirs in (("en", english, spanish), ("es", spanish, english)):
            for word in mine:
                key = stem(fold(word), language)
                known = tables[language].get(key, ())
                tables[language][key] = known + tuple(other for other in theirs if other not in known)
    return tables


@lru_cache(maxsize=1)
def _neighbours() -> dict[str, dict[str, tuple[str, ...]]]:
    """Return, by language, each stem's words of the same line and language."""
    tables: dict[str, dict[str, tuple[str, ...]]] = {"en": {}, "es": {}}
    for line in files(__package__).joinpath("lexicon.txt").read_text("utf-8").splitlines()[1:]:
        for language, side in zip(("en", "es"), line.split("="), strict=True):
            for word in side.split():
                key = stem(fold(word), language)
                known = tables[language].get(key, ())
                near = (other for other in side.split() if stem(fold(other), language) != key and other not in known)
                tables[language][key] = known + tuple(near)
    return tables


def translations(word: str, language: str) -> tuple[str, ...]:
    """Return the other language's words for `word` of `language`; none when it is not listed."""
    return _tables().get(language, {}).get(stem(fold(word), language), ())


def synonyms(word: str, language: str) -> tuple[str, ...]:
    """Return the words of `language` that share a line with `word`; none when it is not listed."""
    return _neighbours().get(language, {}).get(stem(fold(word), language), ())


def weight_of(word: str) -> float:
    """Return what `word` says about which passage answers, 1 unless nearly every question may hold it."""
    # A figure of a question ("for a group of 12") is seldom the figure of the rule that answers it.
    return GENERIC if fold(word) in _GENERIC or (word.isdigit() and len(word) < _YEAR) else 1.0


def asked(question: str, language: str) -> list[Asked]:
    """Return what to look for: the question's own words in both languages, since names have none, and translations.

    Unaccented endings of Spanish are mended, because PostgreSQL's stemmer only knows them with the accent.
    """
    far_language = "en" if language == "es" else "es"
    found: list[Asked] = []
    for concept, word in enumerate(content_words(question, language)):
        weight = weight_of(word)
        found += [Asked(concept, language, word, weight), Asked(concept, far_language, word, weight)]
        found += [Asked(concept, far_language, far, weight * TRANSLATED) for far in translations(word, language)]
        found += [Asked(concept, language, near, weight * SYNONYM) for near in synonyms(word, language)]
    return [one._replace(word=_ION.sub("ión", one.word)) if one.language == "es" else one for one in found]
