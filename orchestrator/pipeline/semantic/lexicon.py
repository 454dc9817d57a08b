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
from orchestrator.pipeline.semantic.words import EMPTY, NUMBER_WORDS, Token, plain, stem

Kind = Literal["measure", "dimension", "value", "cue", "number", "time", "unknown"]

#: Dimensions that every fact with a date or a clock has.
GRAINS: Final[Mapping[str, str]] = {
    "day": "day|daily|date|dates|day by day|dia|dias|diario|diaria|diarios|diarias|diariamente|fecha|por dia|dia a dia",
    "week": "week|weekly|week by week|semana|semanal|semanales|semanalmente",
    "month": "month|monthly|month by month|mes|meses|mensual|mensuales|mensualmente",
    "quarter": "quarter|quarterly|trimestre|trimestral|trimestrales",
    "year": "year|yearly|annual|annually|ano|anos|anual|anuales",
    "weekday": "weekday|weekdays|day of the week|day of week|days of the week|week day|dia de la semana|dias de la semana",
    "hour": "hour|hourly|hour of the day|hour of day|hours of the day|time of day|time of the day|hora|horas|hora del dia|"
    "horas del dia|franja horaria",
    "service": "service|services|meal|meals|meal service|servicio|servicios|turno|turnos",
}
GRAIN_VALUES: Final[Mapping[tuple[str, tuple[str, ...]], str]] = {
    ("weekday", ("Monday",)): "monday|mondays|lunes",
    ("weekday", ("Tuesday",)): "tuesday|tuesdays|martes",
    ("weekday", ("Wednesday",)): "wednesday|wednesdays|miercoles",
    ("weekday", ("Thursday",)): "thursday|thursdays|jueves",
    ("weekday", ("Friday",)): "friday|fridays|viernes",
    ("weekday", ("Saturday",)): "saturday|saturdays|sabado|sabados",
    ("weekday", ("Sunday",)): "sunday|sundays|domingo|domingos",
    ("weekday", ("Saturday", "Sunday")): "weekend|weekends|fin de semana|fines de semana|los fines de semana",
    ("weekday", ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday")): "on weekdays|working days|workdays|during the week|"
    "entre semana|dias laborables|laborables|de lunes a viernes|monday to friday",
    ("service", ("lunch",)): "lunch|lunches|lunchtime|lunch time|lunch service|midday|at lunch|comida|comidas|almuerzo|almuerzos|"
    "mediodia|a mediodia",
    ("service", ("dinner",)): "dinner|dinners|dinnertime|dinner time|dinner service|evening|evenings|supper|at dinner|cena|cenas|"
    "noche|noches",
}  # fmt: skip
#: Words that shape the query. Longer phrases win over shorter ones, and labels of the layer compete with them by length.
CUES: Final[Mapping[str, str]] = {
    "count": "how many|number of|count of|cuantos|cuantas|numero de|cantidad de",
    "much": "how much|cuanto|cuanta",
    "desc": "highest|largest|biggest|greatest|most|max|maximum|leading|strongest|mayor|mayores|mas|maximo|maxima|record",
    "asc": "lowest|least|fewest|smallest|min|minimum|weakest|menor|menores|menos|minimo|minima|fewer|less",
    "best": "top|best|best performing|mejor|mejores|top performing|most popular|popular|favourite|favorite|mas popular|mas populares|"
    "bestseller|best seller|best sellers|bestsellers",
    "worst": "bottom|worst|worst performing|peor|peores|least popular|menos popular|menos populares",
    "busiest": "busiest|busy|peak|mas concurrido|mas concurrida|mas concurridos|mas ajetreado|mas actividad|con mas actividad",
    "quietest": "quietest|slowest|least busy|menos concurrido|mas tranquilo|mas tranquila|mas flojo|mas floja",
    "sold": "sell|sold|sells|selling|vender|vendemos|vende|vendio|vendimos|vendido|vendidos|vendida|vendidas|venden|vendieron|hemos vendido|se vende|"
    "se vendio|se vendieron",
    "to_desc": "from highest to lowest|highest to lowest|highest first|from high to low|most first|largest first|descending|"
    "in descending order|sorted descending|from most to least|from best to worst|best first|de mayor a menor|descendente|"
    "en orden descendente|de mas a menos|ranked|ranking|ranking of|rank|clasificacion",
    "to_asc": "from lowest to highest|lowest to highest|lowest first|from low to high|least first|smallest first|ascending|"
    "in ascending order|from least to most|from worst to best|worst first|de menor a mayor|ascendente|de menos a mas",
    "order": "sorted by|ordered by|sorted|ordenado por|ordenados por|ordenada por|ordenadas por|ordenado|ordenados|"
    "ordenadas|in order of|ranked by",
    "share": "share|percentage|percent|proportion|fraction|what part|contribution|porcentaje|proporcion|cuota|que parte|peso|"
    "por ciento|share of total|percentage of total|share of the total|porcentaje del total",
    "average": "average|avg|mean|on average|averaged|media|medio|promedio|de media|en promedio|por termino medio|an average|typical",
    "compare": "compare|compared|compared with|compared to|comparison|versus|vs|against|comparado|comparada|comparados|comparadas|"
    "comparar|compara|comparacion|comparativa|frente a|frente al|frente|comparado al|respecto a|respecto al|contra|in comparison with|relative to|"
    "comparado con|comparada con|comparados con|comparadas con|con respecto a|con respecto al|difference between|diferencia entre",
    "growth": "growth|grow|grew|grown|change|changed|increase|increased|decrease|decreased|evolution of|variation|difference|"
    "crecimiento|crecio|crecieron|crecido|han crecido|variacion|cambio|aumento|incremento|diferencia|aumentaron|aumentado|subido",
    "not": "not|except|except for|excluding|without|other than|apart from|outside|but not|no|sin|excepto|salvo|excluyendo|sin contar|"
    "fuera de|que no sean|que no sea|aparte de|menos en",
    "more": "more than|over|above|exceeding|greater than|higher than|exceed|exceeded|exceeds|beyond|mas de|mas que|por encima de|"
    "superior a|superiores a|superan|supera|supero|superaron|mayor que|mayor de|mayores de|mayores que|mayor a|bigger than|larger than",
    "least": "at least|minimum of|no less than|al menos|como minimo|por lo menos|or more",
    "less": "less than|under|below|fewer than|lower than|menos de|menos que|por debajo de|inferior a|inferiores a|menor que|"
    "menor de|menores de|menor a|smaller than",
    "most": "at most|up to|maximum of|no more than|como mucho|como maximo|a lo sumo|or less|or fewer",
    "together": "combined|together|altogether|in total|en total|en conjunto|juntos|juntas|added up|taken together|jointly",
    "only": "only|just|solely|solo|solamente|unicamente|exclusively",
    "trend": "trend|trends|evolution|over time|development|timeline|history|evolucion|tendencia|a lo largo del tiempo|historico",
}
#: Words that may stand inside a phrase: "dishes that are on the menu". No preposition: "sales by channel" is no "sales channel".
_GAPS: Final = frozenset(
    {
        *(
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
            "which",
            "we",
            "have",
            "has",
            "had",
        ),
        *(
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
        ),
    }
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
        self._vocabulary: set[str] = set(WORDS)
        self._names: set[str] = set()
        self._add_cues()
        self._add_labels()
        self._add_values()
        self._stems = {each for phrases in self._phrases.values() for phrase in phrases for each in phrase.stems}
        # Frozen into lists: rapidfuzz walks them for every misspelt word.
        self._correctable = sorted(word for word in self._vocabulary if len(word) >= 5)

    def _add(self, phrase: str, meaning: Meaning, *, name: bool = False) -> None:
        words = tuple(plain(phrase).split())
        if not words:
            return
        stems = tuple(stem(word) for word in words)
        known = self._phrases[stems[0]]
        if any(other.words == words and other.meaning == meaning for other in known):
            return
        known.append(_Phrase(words=words, stems=stems, meaning=meaning))
        self._vocabulary.update(words)
        if name:
            self._names.update(words)

    def _add_cues(self) -> None:
        for cue, phrases in CUES.items():
            for phrase in phrases.split("|"):
                self._add(phrase, Meaning(kind="cue", name=cue))
        for grain, phrases in GRAINS.items():
            for phrase in phrases.split("|"):
                self._add(phrase, Meaning(kind="dimension", name=grain))
        for (grain, values), phrases in GRAIN_VALUES.items():
            for phrase in phrases.split("|"):
                self._add(phrase, Meaning(kind="value", name=grain, values=values))

    def _add_labels(self) -> None:
        for kind, entries in (("measure", self.layer.measures), ("dimension", self.layer.dimensions)):
            for name, entry in entries.items():
                for phrase in (*entry.labels.en, *entry.labels.es):
                    self._add(phrase, Meaning(kind="measure" if kind == "measure" else "dimension", name=name))

    def _add_values(self) -> None:
        for name, dimension in self.layer.dimensions.items():
            stored = list(self.values.get(name, ()))
            for value, said in dimension.values.items():
                if value in stored or not dimension.fetch:
                    for phrase in (value, *said.en, *said.es):
                        self._add(phrase, Meaning(kind="value", name=name, values=(value,)), name=True)
            for value in stored:
                meaning = Meaning(kind="value", name=name, values=(value,))
                self._add(value, meaning, name=True)
                shorter = _without_ending(plain(value), dimension.drop_endings)
                if shorter != plain(value):
                    self._add(shorter, meaning, name=True)
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
                self._add(word, Meaning(kind="value", name=name, values=tuple(values), partial=True), name=True)

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
        if length < 5:
            return None
        allowed = 2 if length >= 9 else 1
        found = process.extract(word, self._correctable, scorer=OSA.distance, score_cutoff=allowed, limit=3)
        found = [entry for entry in found if length >= 6 or entry[0] in self._names]
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
                if phrase.meaning.kind != "cue" or exact == len(phrase.words):
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


#: Articles and the like between a preposition and its noun.
_ARTICLES: Final = frozenset(
    "the a an our el la los las lo nuestro nuestra nuestros nuestras un una all todos todas of de del".split()
)  # noqa: SIM905


def _before(words: Sequence[Token], position: int) -> str:
    at = position - 1
    while at >= 0 and words[at].text in _ARTICLES:
        at -= 1
    return words[at].text if at >= 0 else ""
