"""The sentences of a passage that answer a question, found without a language model."""

from __future__ import annotations

import math
import re
from collections import Counter
from dataclasses import dataclass

from orchestrator.engines.lexicon import asked
from orchestrator.engines.words import fold, guess_language, terms

#: An end of sentence, its closing quotes or brackets, then room before something that can open a sentence.
_END = re.compile(r"[.!?…]+[\"'”’»)\]]*(?=\s+[\"'“‘«(\[¿¡]*[A-ZÁÉÍÓÚÜÑ0-9])")
_ABBREVIATION = re.compile(
    r"(?:^|[\s(])(?:e\.g|i\.e|etc|mr|mrs|ms|dr|st|no|nr|vs|approx|min|max|art|sr|sra|srta|dra|ud|uds|núm|num|aprox"
    r"|p\. ?ej|pág|av|tel|ext|[a-z])\.$",
    re.IGNORECASE,
)
_QUANTITY = re.compile(
    r"\b(?:how (?:much|many|long|often|old|far|soon)|what time|when|percent(?:age)?|deadline|price|cost|phone"
    r"|cuant[oa]s?|cuando|a que hora|porcentaje|plazo|precio|cuesta|telefono)\b"
)
#: How much of a sentence's score its follower gets: "Tips are pooled. The pool is split …" answers with the second.
_SPILL = 0.4
#: What a figure is worth where the question asks for a quantity, in units of one ordinary matched word.
_FIGURE = 0.6
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


def best_sentence_spans(question: str, text: str, *, language: str, limit: int) -> list[Sentence]:
    """Return at most `limit` sentences of `text` that say most about `question`, in reading order.

    `language` is the question's; the text may be in the other one. A question word that few
    sentences hold weighs more than one that all do; a figure counts where a quantity is
    asked for; a sentence inherits a part of what the one before it scored. Nothing in
    common gives the first sentences: the passage as a whole was found for the question,
    so its opening is the best guess.
    """
    candidates = sentences(text)
    if len(candidates) <= limit:
        return candidates
    spoken = guess_language(text)
    # A concept is the question's word or its translation into the language of the text.
    concepts = {
        term: one.concept
        for one in asked(question, language)
        if one.language == spoken
        for term in terms(one.word, spoken)
    }
    bags = [terms(sentence.text, spoken) for sentence in candidates]
    held = [{concepts[term] for term in bag if term in concepts} for bag in bags]
    spread = Counter(concept for holds in held for concept in holds)
    wants_figure = bool(_QUANTITY.search(fold(question)))

    own = [
        sum(math.log(1 + len(candidates) / spread[concept]) for concept in holds) / (1 + 0.02 * len(bag))
        for holds, bag in zip(held, bags, strict=True)
    ]
    scores = []
    for at, sentence in enumerate(candidates):
        score = own[at] + (_SPILL * own[at - 1] if at else 0.0)
        if wants_figure and score > 0 and re.search(r"\d", sentence.text):
            score += _FIGURE
        if len(sentence.text.split()) < _SHORT:
            score *= 0.5
        scores.append(score)

    best = sorted(range(len(candidates)), key=lambda at: (-scores[at], at))[:limit]
    top = scores[best[0]]
    if top <= 0:
        return candidates[:limit]
    # A distant runner-up only dilutes the answer.
    return [candidates[at] for at in sorted(best) if scores[at] >= 0.35 * top]


def best_sentences(question: str, text: str, *, language: str, limit: int) -> list[str]:
    """Return at most `limit` sentences of `text` that say most about `question`, in reading order; no text, none."""
    return [found.text for found in best_sentence_spans(question, text, language=language, limit=limit)]
