"""Make the router's training questions from wordings with slots.

`python -m deploy.example.router_templates` writes them to `questions/router_train.jsonl`.
"""

import json
import re
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from random import Random
from typing import Any, Final

import yaml

QUESTIONS: Final = Path(__file__).parent / "questions"
ROUTES: Final = ("sql", "rag", "chat", "job")
LANGUAGES: Final = ("en", "es")

#: Training questions of each route in each language.
PER_CELL: Final = 132
_SEED: Final = 20_261_120
_SLOT: Final = re.compile(r"\{(\w+)\}")


def wordings() -> Mapping[str, Any]:
    """Return the templates and the slots' values as they stand in `router_templates.yaml`."""
    # YAML is untyped; the test of the question sets checks its shape.
    loaded: Mapping[str, Any] = yaml.safe_load((QUESTIONS / "router_templates.yaml").read_text("utf-8"))
    return loaded


def normalised(text: str) -> str:
    """Return the text in lower case without accents, punctuation and double spaces, to compare questions."""
    bare = "".join(char for char in unicodedata.normalize("NFKD", text.casefold()) if not unicodedata.combining(char))
    return " ".join(re.findall(r"\w+", bare))


def pattern(template: str) -> re.Pattern[str]:
    """Return an expression that matches every normalised text that some filling of the template could give."""
    parts = [normalised(part) for part in _SLOT.split(template)[::2]]
    return re.compile(r"\s*.+\s*".join(re.escape(part) for part in parts))


def own_words(template: str) -> list[str]:
    """Return the template's words outside its slots."""
    return normalised(_SLOT.sub(" ", template)).split()


def training_questions() -> Iterator[dict[str, str]]:
    """Yield `{"text", "route", "language"}`, as many for each route and language; always the same ones."""
    source = wordings()
    for route in ROUTES:
        for language in LANGUAGES:
            # Not a secret: the set must be the same on every machine.
            rng = Random(f"{_SEED}:{route}:{language}")
            for text in _fill(rng, source["templates"][route][language], source["slots"][language]):
                yield {"text": text, "route": route, "language": language}


def _fill(rng: Random, templates: Sequence[str], slots: Mapping[str, Sequence[str]]) -> list[str]:
    """Return `PER_CELL` different texts: each template once, then those with slots in turn."""
    texts: dict[str, str] = {}
    rounds = 0
    while len(texts) < PER_CELL and rounds < PER_CELL:
        for template in templates:
            text = _SLOT.sub(lambda slot: str(rng.choice(slots[slot[1]])), template)
            if len(texts) < PER_CELL:
                texts.setdefault(normalised(text), text)
        rounds += 1
    return list(texts.values())


def write_training_set() -> None:
    """Write `router_train.jsonl` anew."""
    lines = (json.dumps(question, ensure_ascii=False) + "\n" for question in training_questions())
    (QUESTIONS / "router_train.jsonl").write_text("".join(lines), "utf-8")


if __name__ == "__main__":
    write_training_set()
