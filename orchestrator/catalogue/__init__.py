"""Every sentence the server says to a person, in English and Spanish, one file a language."""

from __future__ import annotations

import math
from functools import cache
from pathlib import Path

import orjson

from orchestrator.errors import BadFrameError, OrchestratorError

LANGUAGES = ("en", "es")


def text(key: str, language: str, **facts: object) -> str:
    """Return the sentence for `key`, with `{names}` filled from `facts`; English where a language is unknown.

    Raises:
        KeyError: no such sentence; a test holds both files to the same keys.
    """
    sentences = _sentences(language if language in LANGUAGES else "en")
    return sentences[key].format(**facts)


def has(key: str) -> bool:
    """Return whether there is a sentence for `key`."""
    return key in _sentences("en")


def of_error(error: OrchestratorError, language: str) -> str:
    """Return what a person reads about an error: its detail where there is one, else its code's sentence."""
    facts = {
        "facts": ", ".join(getattr(error, "facts", ())),
        "field": getattr(error, "field", None) or "",
        "limit": getattr(error, "limit", ""),
        "dependency": _dependency(getattr(error, "dependency", ""), language),
        # Rounded up: whoever comes a little early is only refused again.
        "retry_in": _span((getattr(error, "retry_after_ms", None) or 0) / 60_000),
        "retry_s": max(1, math.ceil((getattr(error, "retry_after_ms", None) or 1000) / 1000)),
    }
    code = error.frame_code if isinstance(error, BadFrameError) else error.code
    for key in (error.detail_key, f"error.{code}"):
        if key and has(key):
            return text(key, language, **facts)
    return text("error.internal", language)


def _span(minutes: float) -> str:
    # Rounded up, as above; the signs are the same in both languages.
    return f"{max(1, math.ceil(minutes))} min" if minutes <= 90 else f"{math.ceil(minutes / 60)} h"


def _dependency(name: str, language: str) -> str:
    key = f"dependency.{name}"
    return text(key, language) if has(key) else name


@cache
def _sentences(language: str) -> dict[str, str]:
    loaded: dict[str, str] = orjson.loads((Path(__file__).parent / f"{language}.json").read_bytes())
    return loaded
