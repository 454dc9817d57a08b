"""Every visible string comes from the catalogue, in both languages."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from channels_app.web.catalogue import LANGUAGES, best_language, strings

SOURCES = sorted((Path(__file__).parents[3] / "channels_app/web/static/web/js").rglob("*.js"))
PLURALS = (".one", ".other")
SPOKEN_ATTRIBUTE = re.compile(r'(?:aria-label|title|placeholder|alt)="([^"]+)"')


def _calls(text: str) -> Iterator[str]:
    """Yield what `t(` and `has(` are called with: a key, or the part of one before its first `${`."""
    for call in re.finditer(r"""(?<![.\w])(?:t|has)\(\s*(?:"([^"]+)"|`([^`$]+)(\$\{)?)""", text):
        yield call[1] or call[2] + ("*" if call[3] else "")
    for choice in re.finditer(r"""\bt\([^"`]+\?\s*"([^"]+)"\s*:\s*"([^"]+)"\s*[,)]""", text):
        yield from choice.groups()


def _known(key: str, catalogue: dict[str, str]) -> bool:
    if key.endswith("*"):
        return any(known.startswith(key[:-1]) for known in catalogue)
    return key in catalogue or all(key + form in catalogue for form in PLURALS)


def _markup(text: str) -> str:
    """Return the literal markup of a module's `html` templates, without the code between `${` and `}`."""
    literal: list[str] = []
    depths: list[int] = []  # one entry a template that is open: the braces of code inside it
    i = 0
    while i < len(text):
        inside = bool(depths) and depths[-1] == 0
        if not inside and text.startswith("html`", i):
            depths.append(0)
            i += 5
        elif not inside and text[i] == "`":
            i = text.index("`", i + 1) + 1
        elif inside and text[i] == "`":
            depths.pop()
            literal.append(" ")
            i += 1
        elif inside and text.startswith("${", i):
            depths[-1] = 1
            literal.append("…")
            i += 2
        elif inside:
            literal.append(text[i])
            i += 1
        else:
            if depths and text[i] in "{}":
                depths[-1] += 1 if text[i] == "{" else -1
            i += 1
    return "".join(literal)


def test_the_languages_have_the_same_keys() -> None:
    assert set(strings("en")) == set(strings("es"))


def test_no_string_is_empty() -> None:
    assert [key for name in LANGUAGES for key, value in strings(name).items() if not value.strip()] == []


def test_the_languages_fill_in_the_same_names() -> None:
    names = re.compile(r"\{(\w+)\}")

    differing = [k for k, v in strings("en").items() if set(names.findall(v)) != set(names.findall(strings("es")[k]))]

    assert [key for key in differing if not key.endswith(".one")] == []


@pytest.mark.parametrize("source", SOURCES, ids=lambda path: path.name)
def test_a_module_asks_only_for_strings_that_exist(source: Path) -> None:
    asked = set(_calls(source.read_text(encoding="utf-8")))

    assert {key for key in asked if not _known(key, strings("en"))} == set()


def test_no_string_is_kept_that_nobody_asks_for() -> None:
    asked = {key for source in SOURCES for key in _calls(source.read_text(encoding="utf-8"))}
    prefixes = tuple(key[:-1] for key in asked if key.endswith("*"))

    unused = {
        key
        for key in strings("en")
        if key not in asked and key.removesuffix(".one").removesuffix(".other") not in asked
    }

    assert {key for key in unused if not key.startswith(prefixes)} == {"noscript"}


@pytest.mark.parametrize("source", SOURCES, ids=lambda path: path.name)
def test_a_module_writes_no_words_of_its_own(source: Path) -> None:
    markup = _markup(source.read_text(encoding="utf-8"))

    between_tags = re.sub(r"<[^>]*>", " ", markup)

    assert re.findall(r"[^\W\d_]{2,}", between_tags) == []
    assert [words for words in SPOKEN_ATTRIBUTE.findall(markup) if re.search(r"[^\W\d_]{2,}", words)] == []


@pytest.mark.parametrize(
    ("header", "language"),
    [
        ("", "en"),
        ("es-AR,es;q=0.9,en;q=0.8", "es"),
        ("en;q=0.4, es;q=0.7", "es"),
        ("fr-FR, it;q=0.9", "en"),
        ("es;q=nonsense", "en"),
    ],
)
def test_the_page_speaks_the_language_that_the_browser_likes_best(header: str, language: str) -> None:
    assert best_language(header) == language
