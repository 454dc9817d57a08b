"""Words as the grammar sees them: without case, accents and punctuation; English and Spanish together."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from importlib.resources import files
from typing import Final

import yaml
from pydantic import BaseModel, ConfigDict


class GrainValue(BaseModel):
    """Some values of a part of time and the words for them."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    grain: str
    values: tuple[str, ...]
    said: tuple[str, ...]


class Vocabulary(BaseModel):
    """The words of `words.yaml`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    empty: frozenset[str]
    cues: dict[str, tuple[str, ...]]
    grains: dict[str, tuple[str, ...]]
    grain_values: tuple[GrainValue, ...]


VOCABULARY: Final = Vocabulary.model_validate(yaml.safe_load((files(__package__) / "words.yaml").read_text("utf-8")))
#: Words that carry no meaning of their own for a query. Whatever is not here and not understood stops the answer.
EMPTY: Final = VOCABULARY.empty

NUMBER_WORDS: Final[dict[str, int]] = {
    **dict(one=1, two=2, three=3, four=4, five=5, six=6, seven=7, eight=8, nine=9, ten=10, eleven=11, twelve=12),
    **dict(uno=1, dos=2, tres=3, cuatro=4, cinco=5, seis=6, siete=7, ocho=8, nueve=9, diez=10, once=11, doce=12),
    **dict(couple=2, fifteen=15, twenty=20, thirty=30, quince=15, veinte=20, treinta=30),
}

_TOKEN = re.compile(r"\d+(?:\.\d+)?|[a-z]+")


def plain(text: str) -> str:
    """Return the text in lower-case ASCII letters, digits and single spaces; thousands' separators are dropped."""
    text = unicodedata.normalize("NFKD", text.lower())
    text = "".join(char for char in text if not unicodedata.combining(char))
    text = text.replace("%", " percent ").replace("per cent", " percent ").replace("ß", "ss").replace("ø", "o")
    text = re.sub(r"\b(do|does|did|is|are|was|were|has|have|had)n['’]t\b", r"\1 not", text)
    text = re.sub(r"(?<=\d)[.,](?=\d{3}(?!\d))", "", text)
    text = re.sub(r"(?<=\d),(?=\d)", ".", text)
    text = re.sub(r"(?<![\d-])(\d{1,2})\s*[-–]\s*(\d{1,2})(?![\d-])", r"\1 to \2", text)
    text = re.sub(r"\bhow (?:high|big|large|low|good|strong)\b", "how much", text)
    # A list is joined by its commas; the one before a year is part of a date.
    text = re.sub(r"[,;&](?!\s*(?:19|20)\d\d\b)", " and ", text)
    text = re.sub(r"\b(\d+)k\b", r"\g<1>000", text)
    text = re.sub(r"\b(\d+)(?:st|nd|rd|th|o|a)\b", r"\1", text)
    # One word, so that "dine-in, last week" is not read as "in last week".
    return " ".join(_TOKEN.findall(re.sub(r"\bdin(e|ing)[ -]in\b", "dinein", text)))


def stem(word: str) -> str:
    """Return a word without its plural; good enough to match a label, wrong as a dictionary.

    >>> stem("cities"), stem("dishes"), stem("locales"), stem("camareros")
    ('city', 'dish', 'local', 'camarero')
    """
    if len(word) <= 3 or word[0].isdigit():
        return word
    if word.endswith("ies") and len(word) > 4:
        return word[:-3] + "y"
    if word.endswith(("shes", "ches", "sses", "xes", "zzes")):
        return word[:-2]
    if word.endswith("ces"):
        return word[:-1]
    if word.endswith(("ones", "ales", "ores", "eles", "ades", "anes", "ines", "unes", "oles")):
        return word[:-2]
    if word.endswith("s") and not word.endswith(("ss", "is")) and not (word.endswith("us") and len(word) <= 6):
        return word[:-1]
    return word


@dataclass(frozen=True, slots=True, kw_only=True)
class Token:
    """A word of the question and where it stands in the plain text."""

    text: str
    stem: str
    start: int
    end: int


def tokens(text: str) -> list[Token]:
    """Return the words of a plain text."""
    return [
        Token(text=match.group(), stem=stem(match.group()), start=match.start(), end=match.end())
        for match in re.finditer(r"\S+", text)
    ]
