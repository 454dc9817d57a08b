"""How often, as English and Spanish say it: taken out of the text before the phrases are read."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

_MOST: Final = re.compile(
    r"\b(?:(?:the )?most (?:often|frequently|regularly|commonly)|mas (?:a menudo|frecuentemente|seguido|veces)"
    r"|con (?:mas|mayor) frecuencia)\b"
)
_LEAST: Final = re.compile(
    r"\b(?:(?:the )?(?:least|less) (?:often|frequently|regularly|commonly)|menos (?:a menudo|frecuentemente|veces)"
    r"|con (?:menos|menor) frecuencia)\b"
)
_ASKED: Final = re.compile(r"\b(?:how (?:often|frequently)|con (?:que|cuanta) frecuencia)\b")
_USUAL: Final = re.compile(
    r"\b(?:usually|normally|generally|typically|mostly|tends? to|suelen?(?: ser)?|normalmente|generalmente"
    r"|habitualmente|por lo general)\b"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Frequency:
    """What was said about how often."""

    #: The text without those words; "most often" leaves its "most".
    text: str
    #: Whether times are meant and not sums: a rate or a count.
    often: bool
    #: Whether "usually" was said, which asks for the most frequent where one is asked for.
    usual: bool


def read_frequency(text: str) -> Frequency:
    """Return the plain text with its adverbs of frequency read."""
    text, most = _MOST.subn(" most ", text)
    text, least = _LEAST.subn(" least ", text)
    text, asked = _ASKED.subn(" ", text)
    text, usual = _USUAL.subn(" ", text)
    return Frequency(text=" ".join(text.split()), often=bool(most or least or asked), usual=bool(usual))
