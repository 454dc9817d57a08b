"""Quotations from passages that answer a question, each with the number of its passage."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from orchestrator.engines.extract import best_sentences, sentences
from orchestrator.engines.llm import Language
from orchestrator.engines.llm_builtin_format import escape, label
from orchestrator.engines.llm_builtin_strings import say
from orchestrator.engines.retriever import Passage
from orchestrator.engines.words import guess_language, terms

_PASSAGES: Final = 5
_QUOTES: Final = 4
#: With this many sentences an answer needs no further context.
_FULL: Final = 3
_QUOTE_CHARS: Final = 320
#: Below this cosine and without a word in common, a passage was found for want of a better one.
_WEAK: Final = 0.35
_BULLET: Final = re.compile(r"^(?:[-*+•>]\s+|#{1,6}\s+|\d{1,3}[.)]\s+)+")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Quote:
    """A sentence, the passage it stands in (from 0) and where."""

    text: str
    passage: int
    at: int


def quote_passages(question: str, passages: Sequence[Passage], *, language: Language) -> str:
    """Return at most four sentences of the passages, by document, as quotations with the passage's number.

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
    for found in documents.values():
        heading = say("document_says", language, facts={"title": label(top[found[0].passage].title)})
        points = [f"- “{_shown(quote.text)}” [{quote.passage + 1}]" for quote in found]
        lines.append("\n".join((heading, "", *points)))
    written = guess_language(" ".join(quote.text for quote in quotes))
    if written != language:
        lines.append(say("other_language", language, facts={"language": say(f"language_{written}", language)}))
    return "\n\n".join(line for line in lines if line)


def _quotes(question: str, passages: Sequence[Passage]) -> list[_Quote]:
    """Return what to quote, by passage and place; neighbours make one quotation."""
    language = guess_language(question)
    every = [
        _Quote(text=sentence.text, passage=n, at=sentence.start)
        for n, passage in enumerate(passages)
        for sentence in sentences(passage.text)
    ]
    asked = set(terms(question, language))
    if any(asked & set(terms(quote.text, language)) for quote in every):
        chosen = _by_words(question, passages, every, language)
    else:
        # Not a word in common, as when the documents are in another language: the passages were found by their
        # meaning, so the opening of the first two is the best guess.
        chosen = [at for n in (0, 1) for at in [at for at, quote in enumerate(every) if quote.passage == n][:2]]
    return _merged([every[at] for at in sorted(chosen)], passages)


def _by_words(question: str, passages: Sequence[Passage], every: Sequence[_Quote], language: str) -> list[int]:
    text = "\n".join(passage.text for passage in passages)
    # Never more than half of it: that would be copying, not choosing.
    limit = min(_QUOTES, (len(every) + 1) // 2)
    best = set(best_sentences(question, text, language=language, limit=limit))
    chosen = [at for at, quote in enumerate(every) if quote.text in best][:_QUOTES]
    # "Tips are pooled. The pool is split by hours worked": what follows a sentence often completes it.
    for at in tuple(chosen):
        follows = at + 1 < len(every) and every[at + 1].passage == every[at].passage
        if len(chosen) < _FULL and follows and at + 1 not in chosen:
            chosen.append(at + 1)
    return chosen


def _merged(quotes: Sequence[_Quote], passages: Sequence[Passage]) -> list[_Quote]:
    out: list[_Quote] = []
    for quote in quotes:
        if out and out[-1].passage == quote.passage:
            last = out[-1]
            between = passages[quote.passage].text[last.at + len(last.text) : quote.at]
            # A line's end separates items of a list and rows of a table.
            if not between.strip() and "\n" not in between and len(last.text) + len(quote.text) < _QUOTE_CHARS:
                out[-1] = _Quote(text=f"{last.text}{between}{quote.text}", passage=last.passage, at=last.at)
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
