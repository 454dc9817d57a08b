"""The sentences of a passage that answer a question, found without a language model."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from orchestrator.engines.figures import figure_factor
from orchestrator.engines.lexicon import Asked, asked
from orchestrator.engines.words import guess_language, terms

#: An end of sentence, its closing quotes or brackets, then room before something that can open a sentence.
_END = re.compile(r"[.!?…]+[\"'”’»)\]]*(?=\s+[\"'“‘«(\[¿¡]*[A-ZÁÉÍÓÚÜÑ0-9])")
_ABBREVIATION = re.compile(
    r"(?:^|[\s(])(?:e\.g|i\.e|etc|mr|mrs|ms|dr|st|no|nr|vs|approx|min|max|art|sr|sra|srta|dra|ud|uds|núm|num|aprox"
    r"|p\. ?ej|pág|av|tel|ext|[a-z])\.$",
    re.IGNORECASE,
)
#: Between the parts of a heading path.
ARROW = " › "
#: How much of a sentence's score its follower gets: "Tips are pooled. The pool is split …" answers with the second.
_SPILL = 0.4
#: What a word of the section's heading counts for its first sentence, for a later one, and a word of the title.
_OPENING, _SECTION, _TITLE = 0.85, 0.6, 0.3
#: How far the place of a passage lowers its sentences: the last counts this much less than the first.
_PLACE = 0.45
#: Below these words a line is a caption or a heading and says too little alone.
_SHORT = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Sentence:
    """A sentence, list item or table row of a text; `text[start:end]` is exactly it, in code points."""

    text: str
    start: int
    end: int


def sentences(text: str) -> list[Sentence]:
    """Return the sentences of `text` in reading order; a line break ends one too, because parsers reflow paragraphs."""
    found: list[Sentence] = []
    for line in re.finditer(r"[^\n]+", text):
        start = line.start()
        cuts = [
            match.end()
            for match in _END.finditer(text, line.start(), line.end())
            if not _ABBREVIATION.search(text, max(line.start(), match.end() - 8), match.end())
        ]
        for cut in [*cuts, line.end()]:
            raw = text[start:cut]
            piece = raw.strip()
            if piece:
                at = start + len(raw) - len(raw.lstrip())
                found.append(Sentence(text=piece, start=at, end=at + len(piece)))
            start = cut
    return found


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """A text to choose from: the headings it stands under and how well it fits as a whole, from 0 to 1."""

    text: str
    heading: str = ""
    fit: float = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Scored:
    """A sentence of the source at place `source`, and how much it says about a question."""

    sentence: Sentence
    source: int
    score: float


def score_sentences(question: str, sources: Sequence[Source], *, language: str) -> list[Scored]:
    """Return every sentence of `sources` with its score, in reading order.

    `language` is the question's; each source may be in the other one. A question word that few
    sentences hold weighs more than one that all do, in a heading it counts for what stands
    below, and a sentence inherits a part of what the one before it on its line scored. Where a
    quantity is asked for, sentences with the right kind of figure come first. No word in
    common scores 0.
    """
    wanted = asked(question, language)
    found = [one for at, source in enumerate(sources) for one in _hold(at, source, wanted)]
    spread = Counter(concept for one in found for concept in one.said.keys() | one.section.keys() | one.title.keys())
    rarity = {concept: math.log(1 + len(found) / holders) for concept, holders in spread.items()}
    scored: list[Scored] = []
    before, end = 0.0, (-1, -1)
    for one in found:
        own = sum(rarity[concept] * weight for concept, weight in one.said.items()) / (1 + 0.01 * one.length)
        text = sources[one.source].text
        continues = end[0] == one.source and "\n" not in text[end[1] : one.sentence.start]
        inherited = _SPILL * before if continues or (end[0] == one.source and text[end[1] - 1] == ":") else 0.0
        section = _OPENING if end[0] != one.source else _SECTION
        before, end = own, (one.source, one.sentence.end)
        best = {concept: weight * _TITLE for concept, weight in one.title.items()}
        best.update({concept: weight * section for concept, weight in one.section.items()})
        above = sum(rarity[concept] * max(0.0, weight - one.said.get(concept, 0.0)) for concept, weight in best.items())
        score = own + inherited + above
        score *= figure_factor(question, one.sentence.text) * (1 - _PLACE * (1 - sources[one.source].fit))
        brief = len(one.sentence.text.split()) < _SHORT and not re.search(r"\d", one.sentence.text)
        if brief:
            score *= 0.5
        scored.append(
            Scored(
                sentence=one.sentence,
                source=one.source,
                score=score if own or inherited or one.section else 0.5 * score,
            )
        )
    return scored


class _Held(NamedTuple):
    """A sentence, how well it says each concept of the question, the same of what stands above it, and its length."""

    source: int
    sentence: Sentence
    said: dict[int, float]
    section: dict[int, float]
    title: dict[int, float]
    length: int


def _hold(at: int, source: Source, wanted: Sequence[Asked]) -> Iterator[_Held]:
    spoken = guess_language(f"{source.heading} {source.text}")
    title, _, section = source.heading.partition(ARROW)
    below, under = (held(terms(heading, spoken), wanted, spoken) for heading in (section, title))
    for sentence in sentences(source.text):
        bag = terms(sentence.text, spoken)
        yield _Held(at, sentence, held(bag, wanted, spoken), below, under, len(bag))


def held(bag: Iterable[str], wanted: Iterable[Asked], language: str) -> dict[int, float]:
    """Return which concepts of `wanted` the stems of a text of `language` hold, each with its best word's weight."""
    said = set(bag)
    found: dict[int, float] = {}
    for one in wanted:
        needed = terms(one.word, language) if one.language == language else ()
        if needed and said.issuperset(needed):
            found[one.concept] = max(found.get(one.concept, 0.0), one.weight)
    return found


def best_sentence_spans(question: str, text: str, *, language: str, limit: int) -> list[Sentence]:
    """Return at most `limit` sentences of `text` that say most about `question`, in reading order.

    Nothing in common gives the first sentences: the passage as a whole was found for the
    question, so its opening is the best guess.
    """
    scored = score_sentences(question, [Source(text=text)], language=language)
    if len(scored) <= limit:
        return [one.sentence for one in scored]
    best = sorted(scored, key=lambda one: -one.score)[:limit]
    if best[0].score <= 0:
        return [one.sentence for one in scored[:limit]]
    # A distant runner-up only dilutes the answer.
    kept = [one.sentence for one in best if one.score >= 0.3 * best[0].score]
    return sorted(kept, key=lambda sentence: sentence.start)


def best_sentences(question: str, text: str, *, language: str, limit: int) -> list[str]:
    """Return at most `limit` sentences of `text` that say most about `question`, in reading order; no text, none."""
    return [found.text for found in best_sentence_spans(question, text, language=language, limit=limit)]
