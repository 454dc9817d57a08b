"""From words to meanings: labels, values read from the database, and the words that shape a query."""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal

from rapidfuzz import process
from rapidfuzz.distance import OSA

from orchestrator.pipeline.semantic.model import SemanticLayer
from orchestrator.pipeline.semantic.time_grammar import TAKEN, WORDS
from orchestrator.pipeline.semantic.words import EMPTY, NUMBER_WORDS, VOCABULARY, Token, plain, stem

Kind = Literal["measure", "dimension", "value", "cue", "number", "time", "unknown"]

#: Dimensions that every fact with a date or a clock has.
GRAINS: Final = frozenset(VOCABULARY.grains)
#: Words that may stand inside a phrase: "dishes that are on the menu".
#: No preposition: "sales by channel" is no "sales channel".
_GAPS: Final = frozenset(
    [
        "the",
        "a",
        "an",
        "our",
        "are",
        "were",
        "was",
        "is",
        "be",
        "been",
        "that",
        "we",
        "have",
        "has",
        "had",
        "get",
        "gets",
        "got",
        "did",
        "do",
        "does",
        "of",
        "el",
        "la",
        "los",
        "las",
        "de",
        "del",
        "que",
        "se",
        "son",
        "fueron",
        "han",
        "sido",
        "hemos",
    ]
)
#: Words that stand for euros and the like after a number.
UNIT_WORDS: Final = frozenset({"euros", "euro", "eur", "percent", "percentage", "ciento", "points", "puntos"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Meaning:
    """One thing that a phrase may mean."""

    kind: Kind
    name: str
    values: tuple[str, ...] = ()
    #: Whether only part of the value was said.
    partial: bool = False
    #: Dimension that must be named too for it to mean this.
    beside: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """A phrase of the question with everything that it may mean, in the order of the text."""

    text: str
    #: Positions of the first token and of the one after the last.
    start: int
    end: int
    meanings: tuple[Meaning, ...]
    #: The word before it, articles skipped; empty at the start and after a range.
    before: str = ""
    plural: bool = False
    number: float | None = None

    def of(self, kind: Kind) -> tuple[Meaning, ...]:
        """Return the meanings of one kind."""
        return tuple(meaning for meaning in self.meanings if meaning.kind == kind)

    def is_cue(self, *names: str) -> bool:
        """Return whether it is one of the named cues."""
        return any(meaning.kind == "cue" and meaning.name in names for meaning in self.meanings)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Phrase:
    words: tuple[str, ...]
    stems: tuple[str, ...]
    meaning: Meaning


class Lexicon:
    """All phrases of one layer with its values; immutable once made."""

    def __init__(
        self, layer: SemanticLayer, values: Mapping[str, Sequence[str]], *, read_on: dt.date | None = None
    ) -> None:
        self.layer = layer
        #: Dimension -> its stored values.
        self.values = values
        self.read_on = read_on
        self._phrases: defaultdict[str, list[_Phrase]] = defaultdict(list)
        self._known: set[tuple[tuple[str, ...], Meaning]] = set()
        self._vocabulary: set[str] = set(WORDS)
        self._add_cues()
        self._add_labels()
        self._add_values()
        self._stems = {each for phrases in self._phrases.values() for phrase in phrases for each in phrase.stems}
        # Frozen into lists: rapidfuzz walks them for every misspelt word.
        self._correctable = sorted(word for word in self._vocabulary if len(word) >= 5)
        # After it: nothing is corrected towards the words of verified queries, and they stay as they are. Read as
        # "dinners", "winners" would not find its own query.
        examples = (example for verified in layer.verified for example in (*verified.en, *verified.es))
        self._vocabulary.update(word for example in examples for word in plain(example).split())

    def _add(self, phrase: str, meaning: Meaning) -> None:
        words = tuple(plain(phrase).split())
        if not words:
            return
        stems = tuple(stem(word) for word in words)
        known = self._phrases[stems[0]]
        if (words, meaning) in self._known:
            return
        self._known.add((words, meaning))
        known.append(_Phrase(words=words, stems=stems, meaning=meaning))
        self._vocabulary.update(words)

    def _add_cues(self) -> None:
        for cue, phrases in VOCABULARY.cues.items():
            for phrase in phrases:
                self._add(phrase, Meaning(kind="cue", name=cue))
        for grain, phrases in VOCABULARY.grains.items():
            for phrase in phrases:
                self._add(phrase, Meaning(kind="dimension", name=grain))
        for known in VOCABULARY.grain_values:
            for phrase in known.said:
                self._add(phrase, Meaning(kind="value", name=known.grain, values=known.values))

    def _add_labels(self) -> None:
        for kind, entries in (("measure", self.layer.measures), ("dimension", self.layer.dimensions)):
            for name, entry in entries.items():
                for phrase in (*entry.labels.en, *entry.labels.es):
                    self._add(phrase, Meaning(kind="measure" if kind == "measure" else "dimension", name=name))

        for name, measure in self.layer.measures.items():
            for dimension, said in measure.said_of.items():
                for phrase in (*said.en, *said.es):
                    self._add(phrase, Meaning(kind="measure", name=name, beside=dimension))

    def _add_values(self) -> None:
        for name, dimension in self.layer.dimensions.items():
            stored = list(self.values.get(name, ()))
            for value, said in dimension.values.items():
                if value in stored or not dimension.fetch:
                    for phrase in (value, *said.en, *said.es):
                        self._add(phrase, Meaning(kind="value", name=name, values=(value,)))
            for value in stored:
                meaning = Meaning(kind="value", name=name, values=(value,))
                self._add(value, meaning)
                shorter = _without_ending(plain(value), dimension.drop_endings)
                if shorter != plain(value):
                    self._add(shorter, meaning)
            if dimension.partial:
                self._add_partial(name, stored, dimension.drop_endings)

    def _add_partial(self, name: str, stored: Sequence[str], endings: Sequence[str]) -> None:
        """Let one word of a value stand for it where no other value and no label has that word."""
        holders: defaultdict[str, set[str]] = defaultdict(set)
        for value in stored:
            for word in _without_ending(plain(value), endings).split():
                holders[stem(word)].add(value)
        for word, values in holders.items():
            if len(values) == 1 and len(word) >= 5 and word not in self._phrases and word not in EMPTY:
                self._add(word, Meaning(kind="value", name=name, values=tuple(values), partial=True))

    def corrected(self, words: Sequence[Token]) -> tuple[list[Token], dict[str, str]]:
        """Return the words with misspelt ones replaced, and what was replaced by what.

        Only a word that nothing knows is touched, and only when one known word is clearly nearest: a near miss of
        a short label ("older" for "order") would give a wrong answer, which is worse than none.
        """
        fixed: list[Token] = []
        changes: dict[str, str] = {}
        for token in words:
            nearest = None if self._knows(token) else self._nearest(token.text)
            if nearest is not None:
                changes[token.text] = nearest
                token = Token(text=nearest, stem=stem(nearest), start=token.start, end=token.end)  # noqa: PLW2901
            fixed.append(token)
        return fixed, changes

    def _knows(self, token: Token) -> bool:
        return (
            token.text in self._vocabulary
            or token.stem in self._phrases
            or token.text in EMPTY
            or token.text in NUMBER_WORDS
            or token.text in UNIT_WORDS
            or token.text == TAKEN
            or token.text[0].isdigit()
            or token.stem in self._stems
        )

    def _nearest(self, word: str) -> str | None:
        length = len(word)
        if length < 6:
            return None
        allowed = 2 if length >= 9 else 1
        found = process.extract(word, self._correctable, scorer=OSA.distance, score_cutoff=allowed, limit=3)
        if not found or (len(found) > 1 and found[0][1] == found[1][1] and stem(found[0][0]) != stem(found[1][0])):
            return None
        return str(found[0][0])

    def items(self, words: Sequence[Token]) -> list[Item]:
        """Return the phrases of the question from left to right, the longest at each place."""
        found: list[Item] = []
        position = 0
        while position < len(words):
            item = self._item(words, position)
            if item is not None:
                found.append(item)
                position = item.end
            else:
                position += 1
        return found

    def _item(self, words: Sequence[Token], position: int) -> Item | None:
        token = words[position]
        before = _before(words, position)
        if token.text == TAKEN:
            return Item(text=token.text, start=position, end=position + 1, meanings=(Meaning(kind="time", name=""),))
        matches = self._matches(words, position)
        if position and words[position - 1].text in _WHICH:
            # "which supplier costs us most" asks for a supplier, not for the supplier costs.
            asked = [match for match in matches if match[0].meaning.kind == "dimension"]
            matches = [
                match
                for match in matches
                if not (
                    match[0].meaning.kind == "measure"
                    and any(len(known[0].words) < len(match[0].words) for known in asked)
                    and not words[position].text.endswith("s")
                )
            ]
        if matches:
            length = max(len(phrase.words) for phrase, _, _ in matches)
            matches = [match for match in matches if len(match[0].words) == length]
            exact = max(match[2] for match in matches)
            # "deliveries" is the measure and not the channel "delivery"; a dimension is named in either number.
            matches = [match for match in matches if match[2] == exact or match[0].meaning.kind == "dimension"]
            end = max(match[1] for match in matches)
            return Item(
                text=" ".join(word.text for word in words[position:end]),
                start=position,
                end=end,
                meanings=tuple(dict.fromkeys(match[0].meaning for match in matches)),
                before=before,
                plural=words[end - 1].text != words[end - 1].stem,
            )
        number = _number(token.text)
        if number is not None:
            return Item(text=token.text, start=position, end=position + 1, before=before, number=number,
                        meanings=(Meaning(kind="number", name=token.text),))  # fmt: skip
        if token.text in EMPTY or token.text in UNIT_WORDS:
            return None
        return Item(text=token.text, start=position, end=position + 1, before=before,
                    meanings=(Meaning(kind="unknown", name=token.text),))  # fmt: skip

    def _matches(self, words: Sequence[Token], position: int) -> list[tuple[_Phrase, int, int]]:
        """Return (phrase, end, words that match to the letter) for every phrase that starts here."""
        found = []
        for phrase in self._phrases.get(words[position].stem, ()):
            at, exact = position, 0
            for index, wanted in enumerate(phrase.stems):
                while index and at < len(words) and words[at].stem != wanted and words[at].text in _GAPS:
                    at += 1
                if at >= len(words) or words[at].stem != wanted:
                    break
                exact += words[at].text == phrase.words[index]
                at += 1
            else:
                # "orders by" is no "order by".
                # "which item sold" is about one item, "items sold" is the measure.
                strict = phrase.meaning.kind == "cue" or phrase.words[-1] in ("sold", "vendidos", "vendidas")
                if not strict or exact == len(phrase.words):
                    found.append((phrase, at, exact))
        return found


def _without_ending(text: str, endings: Sequence[str]) -> str:
    for ending in endings:
        if text.endswith(f" {plain(ending)}"):
            return text[: -len(plain(ending)) - 1]
    return text


def _number(text: str) -> float | None:
    if text in NUMBER_WORDS:
        return float(NUMBER_WORDS[text])
    return float(text) if text[0].isdigit() else None


#: What asks for one of a kind.
_WHICH: Final = frozenset({"which", "what", "que", "cual"})
#: Articles and the like between a preposition and its noun.
ARTICLES: Final = frozenset(
    [
        "the",
        "a",
        "an",
        "our",
        "el",
        "la",
        "los",
        "las",
        "lo",
        "nuestro",
        "nuestra",
        "nuestros",
        "nuestras",
        "un",
        "una",
        "all",
        "todos",
        "todas",
        "of",
        "de",
        "del",
    ]
)


def _before(words: Sequence[Token], position: int) -> str:
    at = position - 1
    while at >= 0 and words[at].text in ARTICLES:
        at -= 1
    return words[at].text if at >= 0 else ""
