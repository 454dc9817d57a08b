"""Words of English and Spanish text: their folded stems, without those that carry no meaning.

Shared by what compares text without a database or a model: the built-in writer's
extraction, the in-memory retriever, the language guess. PostgreSQL's own Snowball
dictionaries do this for the stored index.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from functools import lru_cache

_WORD = re.compile(r"[^\W_]+(?:[.,:/][0-9]+)*")

_ENGLISH = """
a about after all also am an and any are as at be because been before being between both but by can could
did do does doing don during each either else etc ever every few for from get gets give given go goes had has
have having he her here hers him his how i if in into is isn it its just let ll may me might mine more most
much must my no nor not of off on only or other our ours out over own please re s same shall she should so
some such t tell than that the their theirs them then there these they this those through to too under until
up us ve very was we were what when where which while who whom whose why will with within without would you
your yours many long anybody anyone anything somebody someone something explain describe say says mean means
"""
_SPANISH = """
a al algo alguien algun alguna algunas alguno algunos ante antes aqui asi aun aunque bajo bien cada como con
contra cual cuales cualquier cuando cuanta cuantas cuanto cuantos de del desde donde dos durante e el ella
ellas ellos en entre era eran eres es esa esas ese eso esos esta estaba estan estar estas este esto estos
estoy fue fueron ha haber habia hace hacen hacer hacia han hasta hay he la las le les lo los mas me mi mis
mientras mucho muchos muy nada ni no nos nosotros nuestra nuestras nuestro nuestros o os otra otras otro otros
para pero poco por porque pues que quien quienes se sea sean segun ser si sido sin sobre solo son su sus
tambien tan tanto te tener tenemos tengo tiene tienen todo todos tras tu tus u un una unas uno unos usted
ustedes va van vosotros y ya yo debe deben debo puede pueden puedo podemos dime explica cuentame tengo
"""
#: Function words by language, accents folded away. Question words count: they say what is asked, not about what.
STOP_WORDS: Mapping[str, frozenset[str]] = {
    "en": frozenset(_ENGLISH.split()),
    "es": frozenset(_SPANISH.split()),
}

_SUFFIXES: Mapping[str, tuple[str, ...]] = {
    "en": (
        "ifications", "ification", "ations", "ation", "ements", "ement", "ments", "ment", "nesses", "ness", "ingly",
        "ings", "ing", "edly", "ances", "ance", "ences", "ence", "ables", "able", "ibles", "ible", "ions", "ion",
        "ers", "ies", "ied", "er", "or", "ors", "ed", "es", "ly", "al", "als", "s", "e", "y",
    ),
    "es": (
        "amientos", "amiento", "imientos", "imiento", "aciones", "acion", "iciones", "icion", "adores", "adoras",
        "ador", "adora", "ancias", "ancia", "encias", "encia", "mente", "aremos", "eremos", "iremos", "ieron",
        "iendo", "iones", "ables", "ibles", "able", "ible", "antes", "entes", "ante", "ente", "ando", "aron", "amos",
        "emos", "imos", "aran", "eran", "iran", "aban", "adas", "ados", "idas", "idos", "ara", "era", "ira", "aba",
        "ada", "ado", "ida", "ido", "ion", "ian", "ias", "ios", "ar", "er", "ir", "an", "en", "as", "es", "os", "ia",
        "io", "a", "e", "o", "s",
    ),
}  # fmt: skip
#: Endings taken off, the longest first; what is left must keep at least `_MIN_STEM` letters.
_ENDINGS = {language: tuple(sorted(endings, key=len, reverse=True)) for language, endings in _SUFFIXES.items()}
_MIN_STEM = 3


def fold(text: str) -> str:
    """Return `text` in lower case without accents, so that `Reservación` and `reservacion` meet."""
    decomposed = unicodedata.normalize("NFKD", text.casefold())
    return "".join(char for char in decomposed if not unicodedata.combining(char))


def words(text: str) -> list[str]:
    """Return the folded words of `text` in order; `12:30`, `1.5` and `3/4` stay one word."""
    return _WORD.findall(fold(text))


@lru_cache(maxsize=20_000)
def stem(word: str, language: str) -> str:
    """Return `word`, already folded, without its ending; words with digits and short words stay as they are.

    Light on purpose: one ending, no dictionary. It only has to make `share`, `sharing`
    and `shared` meet, and it may join words that a linguist would keep apart.
    """
    if len(word) <= _MIN_STEM or not word.isalpha():
        return word
    for ending in _ENDINGS.get(language, ()):
        if word.endswith(ending) and len(word) - len(ending) >= _MIN_STEM:
            shorter = word[: -len(ending)]
            # `planning` and `plan`, `tipped` and `tip`.
            doubled = len(shorter) > _MIN_STEM and shorter[-1] == shorter[-2] and shorter[-1] not in "aeiousl"
            return shorter[:-1] if doubled else shorter
    return word


def content_words(text: str, language: str) -> list[str]:
    """Return the words of `text` as they stand, accents kept, without those that carry nothing in `language`."""
    stop = STOP_WORDS.get(language, frozenset())
    return [word for word in _WORD.findall(text) if fold(word) not in stop]


def terms(text: str, language: str) -> list[str]:
    """Return the stems of the words of `text` that carry meaning, in order, repeats kept."""
    stop = STOP_WORDS.get(language, frozenset())
    return [stem(word, language) for word in words(text) if word not in stop]


def guess_language(text: str) -> str:
    """Return `en` or `es`, by which language's function words the first 20,000 characters hold more of.

    A tie, as in a text without any, is `en`.
    """
    seen = words(text[:20_000])
    english = sum(word in STOP_WORDS["en"] for word in seen)
    spanish = sum(word in STOP_WORDS["es"] for word in seen)
    return "es" if spanish > english else "en"
