"""Words as the grammar sees them: without case, accents and punctuation; English and Spanish together."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from typing import Final

#: Words that carry no meaning of their own for a query. Whatever is not here and not understood stops the answer.
EMPTY: Final = frozenset(
    """
    a an the of for in on at to from with by per our ours we us you i my me it its is are was were be been being do does did
    has have had having there this that these those what whats which who whose how much many show tell give list display get
    see find know want need would like could can please let s and or as than then out up across over through during within
    amount number count quantity figure value total totals overall sum all total made make take took happen come came go
    went made received receive get got each every via right now currently exactly about around throughout thanks hi hello
    breakdown broken down split grouped group sorted report overview summary details data so far per whole entire during
    ones one time times people
    el la los las lo un una unos unas de del al a en por para con y e o u que cual cuales quien quienes cuanto cuanta cuantos
    cuantas como es son fue fueron era eran ha han hemos he haber hay hubo habido tuvo tuvieron tuvimos tenemos tiene tienen
    nuestro nuestra nuestros nuestras mi mis me nos se su sus dame dime muestra muestrame ensename enseña lista listame
    quiero saber ver necesito puedes podrias favor cantidad numero total totales suma importe cifra todo todos toda todas
    cada durante desde hasta entre sobre segun desglose desglosado desglosada desglosados desglosadas agrupado agrupada
    agrupados agrupadas hacer hicimos hecho hizo sido ser esta este estos estas ahora actualmente mismo hola gracias
    serve served serves serving work works worked working give gave given placed place add added
    offer offered run running open opened across servimos servido servir sirvieron atendimos atendido atendieron damos dimos
    dado dieron dio trabajan trabaja trabajaron generated generate bring brought did generado genero generaron realizado realizados realizadas realizo hicieron recibido recibidos recibimos
    """.split()  # noqa: SIM905 - a list of words reads better without two quotes around each
)

NUMBER_WORDS: Final[dict[str, int]] = {
    **{
        w: n
        for n, w in enumerate(
            ["one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve"], start=1
        )
    },
    **{
        w: n
        for n, w in enumerate(
            ["uno", "dos", "tres", "cuatro", "cinco", "seis", "siete", "ocho", "nueve", "diez", "once", "doce"], start=1
        )
    },
    "couple": 2,
    "fifteen": 15,
    "twenty": 20,
    "thirty": 30,
    "quince": 15,
    "veinte": 20,
    "treinta": 30,
}

_TOKEN = re.compile(r"\d+(?:\.\d+)?|[a-z]+")


def plain(text: str) -> str:
    """Return the text in lower-case ASCII letters, digits and single spaces; thousands' separators are dropped."""
    text = unicodedata.normalize("NFKD", text.lower())
    text = "".join(char for char in text if not unicodedata.combining(char))
    text = text.replace("%", " percent ").replace("ß", "ss").replace("ø", "o")
    text = re.sub(r"(?<=\d)[.,](?=\d{3}(?!\d))", "", text)
    text = re.sub(r"(?<=\d),(?=\d)", ".", text)
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
