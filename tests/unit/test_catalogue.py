"""Every sentence the server says, in both languages."""

from __future__ import annotations

import re
import string
from pathlib import Path
from typing import get_args

import orjson
import pytest

from orchestrator import catalogue
from orchestrator.errors import (
    ErrorCode,
    NoAnswerError,
    OrchestratorError,
    QuotaExceededError,
    RateLimitedError,
    TooBigError,
)
from orchestrator.events import ROUTES
from orchestrator.pipeline.parsing.document import Problem
from orchestrator.queues import QUEUES

HERE = Path(catalogue.__file__).parent
SOURCES = [
    path.read_text()
    for folder in ("orchestrator", "channels_app", "tasks")
    for path in (HERE.parent.parent / folder).rglob("*.py")
]
SENTENCES = {language: orjson.loads((HERE / f"{language}.json").read_bytes()) for language in catalogue.LANGUAGES}
#: What `of_error` fills in, whatever the error.
ERROR_FACTS = {"facts", "field", "limit", "dependency", "retry_in", "retry_s"}


def holes(sentence: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(sentence) if name is not None}


def found(pattern: str) -> set[str]:
    return {match for source in SOURCES for match in re.findall(pattern, source)}


DETAIL_KEYS = found(r'detail_key="([a-z_.]+)"') | {f"documents.{problem}" for problem in get_args(Problem)}


def test_both_languages_have_the_same_keys() -> None:
    assert SENTENCES["en"].keys() == SENTENCES["es"].keys()


@pytest.mark.parametrize("key", SENTENCES["en"])
def test_both_languages_have_the_same_holes(key: str) -> None:
    assert holes(SENTENCES["en"][key]) == holes(SENTENCES["es"][key])


@pytest.mark.parametrize("key", SENTENCES["en"])
def test_no_sentence_is_empty_or_left_in_english(key: str) -> None:
    english, spanish = SENTENCES["en"][key], SENTENCES["es"][key]

    assert english.strip()
    assert spanish.strip()
    assert english != spanish or len(english.split()) < 3


@pytest.mark.parametrize("code", get_args(ErrorCode))
def test_every_code_has_a_sentence(code: str) -> None:
    assert catalogue.has(f"error.{code}")


@pytest.mark.parametrize("key", sorted(DETAIL_KEYS))
def test_every_detail_key_of_the_source_has_a_sentence_whose_holes_an_error_fills(key: str) -> None:
    assert catalogue.has(key)
    assert holes(SENTENCES["en"][key]) <= ERROR_FACTS


@pytest.mark.parametrize("code", get_args(ErrorCode))
def test_the_holes_of_a_codes_sentence_are_filled_by_every_error(code: str) -> None:
    assert holes(SENTENCES["en"][f"error.{code}"]) <= ERROR_FACTS


@pytest.mark.parametrize("key", sorted(found(r'catalogue\.text\(\s*"([a-z_.]+)"')))
def test_every_key_that_is_said_exists(key: str) -> None:
    assert catalogue.has(key)


@pytest.mark.parametrize("queue", list(QUEUES.values()), ids=lambda queue: queue.name)
def test_every_queue_has_its_words(queue: object) -> None:
    key = queue.waiting_key  # type: ignore[attr-defined]  # parametrize loses the type

    assert catalogue.has(key)
    assert key == f"waiting.{queue.name.replace('.', '_')}"  # type: ignore[attr-defined]  # as above


def test_an_earlier_question_has_its_words() -> None:
    assert catalogue.has("waiting.conversation")


@pytest.mark.parametrize("route", ROUTES)
def test_every_route_has_its_words(route: str) -> None:
    assert catalogue.has(f"route.{route}")


@pytest.mark.parametrize("name", sorted(found(r'dependency="([a-z_]+)"')))
def test_every_dependency_has_a_name(name: str) -> None:
    assert catalogue.has(f"dependency.{name}")


def test_an_unknown_language_reads_english() -> None:
    assert catalogue.text("cancelled.by_user", "de") == SENTENCES["en"]["cancelled.by_user"]


def test_an_error_reads_by_its_detail_with_its_facts() -> None:
    error = NoAnswerError("x", detail_key="sql.no_answer", facts=("net sales", "orders"))

    assert "net sales, orders" in catalogue.of_error(error, "en")


def test_an_error_with_an_unknown_detail_reads_by_its_code() -> None:
    error = OrchestratorError("x", detail_key="no.such.key")

    assert catalogue.of_error(error, "es") == SENTENCES["es"]["error.internal"]


def test_a_limit_and_a_wait_are_told() -> None:
    assert "8000" in catalogue.of_error(TooBigError("x", limit=8000), "en")
    assert "2 s" in catalogue.of_error(RateLimitedError("x", retry_after_ms=1500), "en")


def test_braces_in_a_fact_stay_what_they_are() -> None:
    error = NoAnswerError("x", detail_key="sql.no_answer", facts=("{a}",))

    assert "{a}" in catalogue.of_error(error, "en")


@pytest.mark.parametrize(
    ("minutes", "told"), [(0.2, "1 min"), (59.1, "60 min"), (90, "90 min"), (91, "2 h"), (1_380, "23 h")]
)
def test_a_long_wait_is_told_in_hours(minutes: float, told: str) -> None:
    error = QuotaExceededError("turns", limit=3, retry_after_ms=round(minutes * 60_000))

    assert f"in {told}." in catalogue.of_error(error, "en")
    assert f"dentro de {told}." in catalogue.of_error(error, "es")
