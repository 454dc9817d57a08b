"""Parsing in a process of its own: limits, crashes and stops, with real processes."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import pytest

from orchestrator.errors import InvalidInputError, StoppedError
from orchestrator.pipeline.parsing import isolate
from orchestrator.pipeline.parsing.document import Limits
from orchestrator.pipeline.parsing.isolate import parse_isolated
from orchestrator.resilience.stop import Stop
from tests.documents import a_docx, a_locked_pdf

#: Half-open images, each of which the Markdown parser tries to close: busy for many seconds.
SLOW = b"![[" * 1_000_000


def problem_of(content: bytes, filename: str, limits: Limits) -> str | None:
    with pytest.raises(InvalidInputError) as caught:
        parse_isolated(content, filename, "", limits)
    return caught.value.detail_key


def children() -> list[str]:
    """Return this thread's child processes; the run's own servers may be among them."""
    return Path(f"/proc/self/task/{threading.get_native_id()}/children").read_text().split()


def test_a_document_comes_back_whole_through_the_process() -> None:
    document = parse_isolated("# Título 😀\n\n## Dos\n\nLa casa no cobra.".encode(), "a.md", "text/markdown")

    assert document.text == "Título 😀\n\nDos\n\nLa casa no cobra."
    assert [document.text[heading.offset :][: len(heading.text)] for heading in document.headings] == [
        "Título 😀",
        "Dos",
    ]


def test_a_problem_keeps_its_key_through_the_process() -> None:
    assert problem_of(a_locked_pdf("secret"), "x.pdf", Limits()) == "documents.encrypted"


def test_a_document_that_takes_too_long_is_killed() -> None:
    before, started = children(), time.monotonic()

    assert problem_of(SLOW, "x.md", Limits(timeout_s=1.0)) == "documents.too_complex"
    assert time.monotonic() - started < 5
    assert children() == before


def test_a_document_that_needs_too_much_processor_time_is_killed() -> None:
    assert problem_of(SLOW, "x.md", Limits(cpu_s=1, timeout_s=60.0)) == "documents.too_complex"


def test_a_document_that_needs_too_much_memory_is_refused() -> None:
    page = b"<html><body>" + b"<p>x</p>" * 2_000_000

    assert problem_of(page, "x.html", Limits(memory_bytes=300_000_000)) == "documents.too_complex"


def test_a_parser_that_crashes_is_a_clear_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(isolate, "_COMMAND", ("/bin/sh", "-c", "kill -SEGV $$"))

    assert problem_of(b"hello", "x.txt", Limits()) == "documents.crashed"


def test_a_stop_kills_the_process_at_once() -> None:
    stop = Stop()
    threading.Timer(0.8, stop.set).start()
    before, started = children(), time.monotonic()

    with pytest.raises(StoppedError):
        parse_isolated(SLOW, "x.md", "", Limits(), stop=stop)

    assert time.monotonic() - started < 5
    assert children() == before


def test_the_process_sees_nothing_of_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", "secret")
    monkeypatch.setattr(isolate, "_COMMAND", ("/bin/sh", "-c", 'test -z "$DATABASE_URL" && echo \'{"text":"clean"}\''))

    assert parse_isolated(b"hello", "x.txt", "").text == "clean"


def test_a_docx_is_parsed_inside_the_limits_of_the_process() -> None:
    assert "Sea bass" in parse_isolated(a_docx(), "x.docx", "").text
