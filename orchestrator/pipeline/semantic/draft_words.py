"""What tables and columns are called by people, in English and Spanish, made from their names."""

from __future__ import annotations

import re
from importlib.resources import files
from typing import Final

import yaml
from pydantic import BaseModel, ConfigDict

from orchestrator.pipeline.semantic.words import stem


class Both(BaseModel):
    """Words in both languages."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    en: tuple[str, ...] = ()
    es: tuple[str, ...] = ()


class Flag(Both):
    """Words for the rows of a flag, and for the others."""

    not_en: tuple[str, ...] = ()
    not_es: tuple[str, ...] = ()


class DraftWords(BaseModel):
    """The words of `draft_words.yaml`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    es: dict[str, tuple[str, ...]]
    done: dict[str, Both]
    flags: dict[str, Flag]
    open: dict[str, Both]


WORDS: Final = DraftWords.model_validate(yaml.safe_load((files(__package__) / "draft_words.yaml").read_text("utf-8")))

#: Nouns that are spelt alike in both numbers, or have no plural that people say.
_SAME: Final = frozenset({"staff", "equipment", "inventory", "stock", "series", "data", "news"})
_IRREGULAR: Final = {"person": "people", "child": "children", "man": "men", "woman": "women", "diagnosis": "diagnoses"}


def said(name: str) -> str:
    """Return a name as words: `OrderDate` and `order_date` are `order date`."""
    spaced = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", " ", name).replace("_", " ").replace("-", " ")
    return " ".join(spaced.lower().split())


def singular(words: str) -> str:
    """Return English words with the last one in the singular."""
    *before, last = words.split() or [""]
    back = {many: one for one, many in _IRREGULAR.items()}
    return " ".join((*before, last if last in _SAME else back.get(last, stem(last))))


def plural(words: str) -> str:
    """Return English words, given in the singular, with the last one in the plural."""
    *before, last = words.split() or [""]
    if last in _SAME:
        return words
    if last in _IRREGULAR:
        made = _IRREGULAR[last]
    elif last.endswith("y") and last[-2:-1] not in ("a", "e", "o", "u", ""):
        made = f"{last[:-1]}ies"
    else:
        made = f"{last}es" if last.endswith(("s", "x", "ch", "sh", "z")) else f"{last}s"
    return " ".join((*before, made))


def plural_es(words: str) -> str:
    """Return a Spanish noun, with what stands behind it, in the plural."""
    head, *rest = words.split() or [""]
    if head.endswith(("ón", "án", "én", "ín")):
        head = head[:-2] + {"ó": "o", "á": "a", "é": "e", "í": "i"}[head[-2]] + "nes"
    elif head.endswith("z"):
        head = f"{head[:-1]}ces"
    elif not head.endswith("s"):
        head = f"{head}s" if head[-1:] in "aeiouáéó" else f"{head}es"
    elif head.endswith("ís"):
        head = f"{head[:-2]}íses"
    return " ".join((head, *rest))


def spanish(words: str) -> tuple[str, ...]:
    """Return what English words, in the singular, are called in Spanish; nothing where a word is not known.

    >>> spanish("rental duration")
    ('duración de alquiler',)
    """
    if words in WORDS.es:
        return WORDS.es[words]
    parts = words.split()
    known = [WORDS.es.get(part) or WORDS.es.get(singular(part)) for part in parts]
    if len(parts) < 2 or not all(known):
        return WORDS.es.get(singular(words), ())
    firsts = [each[0] for each in known if each]
    return (" de ".join(reversed(firsts)),)


def genders(participle: str) -> tuple[str, ...]:
    """Return a Spanish participle in all its forms: `activo`, `activa`, `activos`, `activas`."""
    if not participle.endswith("o"):
        return (participle, plural_es(participle)) if " " not in participle else (participle,)
    return tuple(f"{participle[:-1]}{end}" for end in ("o", "a", "os", "as"))
