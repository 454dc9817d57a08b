"""Quotations from passages that answer a question, each with the number of its passage."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from orchestrator.engines.extract import Scored, Source, score_sentences
from orchestrator.engines.llm import Language
from orchestrator.engines.llm_builtin_format import escape, label
from orchestrator.engines.llm_builtin_strings import say
from orchestrator.engines.retriever import Passage
from orchestrator.engines.words import guess_language, terms

_PASSAGES: Final = 5
_QUOTES: Final = 3
#: Below this share of the best sentence's score another one only dilutes the answer.
_FAR: Final = 0.62
#: Up to this many words a sentence wants the heading that it stands under.
_BRIEF: Final = 5
_QUOTE_CHARS: Final = 320
#: Below this cosine and without a word in common, a passage was found for want of a better one.
_WEAK: Final = 0.35
_BULLET: Final = re.compile(r"^(?:[-*+•>]\s+|#{1,6}\s+|\d{1,3}[.)]\s+)+")

#: An opening that only says something after the sentence before it.
_POINTS_BACK: Final = re.compile(
    r"(?:It|They|This|These|That|Those|Then|Otherwise|In that case|Either side|During it|After it|Later|Above|Below"
    r"|Ell[oa]s?|Est[aeo]s?|Es[aeo]s?|Entonces|En ese caso|Si no|Después|Los demás|Las demás)\b"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Quote:
    """A sentence, the passage it stands in (from 0) and where."""

    text: str
    passage: int
    at: int
    score: float


def quote_passages(question: str, passages: Sequence[Passage], *, language: Language) -> str:
    """Return at most three sentences of the passages, by document, the best first, with the passage's number.

    `[1]` is the first passage. Sentences of all passages compete with each other, so that a better second passage wins
    over the rest of the first. Says so when the documents are not in the question's language.
    """
    top = passages[:_PASSAGES]
    quotes = _quotes(question, top)
    if not quotes:
        return say("documents_silent", language)
    documents: dict[str, list[_Quote]] = {}
    for quote in quotes:
        documents.setdefault(top[quote.passage].document, []).append(quote)
    lines = [_lead(question, top, quotes, language)]
    opening, closing = "«»" if language == "es" else "“”"
    for found in documents.values():
        heading = say("document_says", language, facts={"title": label(top[found[0].passage].title)})
        points = [
            f"- {_section(quote, top)}{opening}{_shown(quote.text)}{closing} [{quote.passage + 1}]" for quote in found
        ]
        lines.append("\n".join((heading, "", *points)))
    written = guess_language(" ".join(f"{top[quote.passage].heading} {quote.text}" for quote in quotes))
    if written != language:
        lines.append(say("other_language", language, facts={"language": say(f"language_{written}", language)}))
    return "\n\n".join(line for line in lines if line)


def _quotes(question: str, passages: Sequence[Passage]) -> list[_Quote]:
    """Return what to quote, the best first; neighbours make one quotation."""
    highest = max((passage.score for passage in passages), default=0.0) or 1.0
    sources = [
        Source(text=passage.text, heading=passage.heading, fit=max(0.0, min(1.0, passage.score / highest)))
        for passage in passages
    ]
    every = score_sentences(question, sources, language=guess_language(question))
    order = sorted(range(len(every)), key=lambda at: -every[at].score)
    if not order:
        return []
    best = every[order[0]].score
    if best > 0:
        # Never more than half of it: that would be copying, not choosing.
        limit = min(_QUOTES, (len(every) + 1) // 2)
        kept: list[int] = []
        seen: set[str] = set()
        for at in order:
            if every[at].score < _FAR * best or len(kept) == limit:
                break
            if every[at].sentence.text not in seen:
                kept.append(at)
                seen.add(every[at].sentence.text)
        # "Tips are pooled. The pool is split by hours worked": what follows a sentence often completes it.
        after = kept[0] + 1
        if kept[0] and _continues(every, kept[0], passages) and _POINTS_BACK.match(every[kept[0]].sentence.text):
            kept.append(kept[0] - 1)
        if len(kept) < _QUOTES and after < len(every) and after not in kept and _continues(every, after, passages):
            kept.append(after)
    else:
        # Not a word in common, as when the documents are in another language: the passages were found by their
        # meaning, so the opening of the first two is the best guess.
        kept = [at for n in (0, 1) for at in [at for at, one in enumerate(every) if one.source == n][:2]]
    quotes = [
        _Quote(
            text=every[at].sentence.text, passage=every[at].source, at=every[at].sentence.start, score=every[at].score
        )
        for at in sorted(kept)
    ]
    return sorted(_merged(quotes, passages), key=lambda quote: -quote.score)


def _continues(every: Sequence[Scored], at: int, passages: Sequence[Passage]) -> bool:
    one, before = every[at], every[at - 1]
    if one.source != before.source:
        return False
    return "\n" not in passages[one.source].text[before.sentence.end : one.sentence.start]


def _section(quote: _Quote, passages: Sequence[Passage]) -> str:
    """Return the heading, or the line that leads in, of a row or an item that says too little without it."""
    passage = passages[quote.passage]
    if quote.text.endswith((".", "!", "?")) and len(quote.text.split()) > _BRIEF:
        return ""
    leads = [line.strip() for line in passage.text[: quote.at].split("\n") if line.strip().endswith(":")]
    lead = leads[-1].rstrip(":") if leads and _BULLET.match(quote.text) else passage.heading.rpartition("›")[2].strip()
    return "" if not lead or lead == passage.title else f"{_shown(lead)}: "


def _merged(quotes: Sequence[_Quote], passages: Sequence[Passage]) -> list[_Quote]:
    out: list[_Quote] = []
    for quote in quotes:
        if out and out[-1].passage == quote.passage:
            last = out[-1]
            between = passages[quote.passage].text[last.at + len(last.text) : quote.at]
            # A line's end separates items of a list and rows of a table.
            if not between.strip() and "\n" not in between and len(last.text) + len(quote.text) < _QUOTE_CHARS:
                out[-1] = _Quote(
                    text=f"{last.text}{between}{quote.text}",
                    passage=last.passage,
                    at=last.at,
                    score=max(last.score, quote.score),
                )
                continue
        out.append(quote)
    return out


def _lead(question: str, passages: Sequence[Passage], quotes: Sequence[_Quote], language: Language) -> str:
    asked = set(terms(question, language))
    shared = any(asked & set(terms(f"{passages[quote.passage].heading} {quote.text}", language)) for quote in quotes)
    nearest = max((passage.similarity or 0.0 for passage in passages), default=0.0)
    if not shared and nearest < _WEAK:
        return say("documents_unsure", language)
    return say("documents_say", language, seed=question)


def _shown(text: str) -> str:
    flat = " ".join(_BULLET.sub("", text.strip()).replace("**", "").replace("`", "").split())
    flat = flat.strip("|").replace("|", " · ").replace("“", "‘").replace("”", "’")
    flat = " ".join(flat.split())
    if len(flat) > _QUOTE_CHARS:
        flat = f"{flat[:_QUOTE_CHARS].rsplit(' ', 1)[0]} …"
    return escape(flat)
