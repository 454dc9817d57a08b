"""The page's words: one JSON file a language, the same keys in each."""

import json
from functools import cache
from pathlib import Path
from typing import Final

#: The languages that the page speaks; the first is the fallback.
LANGUAGES: Final = ("en", "es")


@cache
def strings(language: str) -> dict[str, str]:
    """Return every string of the page in `language`, by its key.

    The dictionary is shared between callers: treat it as read-only.

    Raises:
        KeyError: `language` is not one of `LANGUAGES`.
    """
    if language not in LANGUAGES:
        raise KeyError(language)
    path = Path(__file__).with_name(f"{language}.json")
    catalogue: dict[str, str] = json.loads(path.read_text(encoding="utf-8"))
    return catalogue


def best_language(accept_language: str) -> str:
    """Return the language of `LANGUAGES` that an `Accept-Language` header likes best.

    Weights follow RFC 9110; a range such as `es-AR` counts as `es`, and what
    cannot be read is skipped.
    """
    best, best_weight = LANGUAGES[0], 0.0
    for part in accept_language.split(","):
        tag, _, parameters = part.strip().partition(";")
        language = tag.strip().lower().split("-")[0]
        weight = _weight(parameters)
        if language in LANGUAGES and weight > best_weight:
            best, best_weight = language, weight
    return best


def _weight(parameters: str) -> float:
    name, _, value = parameters.strip().partition("=")
    if name.strip() != "q":
        return 1.0
    try:
        return float(value)
    except ValueError:
        return 0.0
