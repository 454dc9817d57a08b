"""Log lines: JSON whatever is in them, and no credentials."""

from __future__ import annotations

import io
import logging
import warnings
from collections.abc import Iterator
from typing import Any

import orjson
import pytest
import structlog

from orchestrator import logs


@pytest.fixture
def written() -> Iterator[io.StringIO]:
    """Give what the configured process writes, and put pytest's own logging back afterwards."""
    root = logging.getLogger()
    handlers, level = root.handlers, root.level
    logs.configure("test-process")
    stream = io.StringIO()
    handler = root.handlers[0]
    assert isinstance(handler, logging.StreamHandler)
    handler.setStream(stream)
    yield stream
    root.handlers, root.level = handlers, level
    logging.captureWarnings(False)
    structlog.reset_defaults()


def line(written: io.StringIO) -> dict[str, Any]:
    parsed: dict[str, Any] = orjson.loads(written.getvalue().splitlines()[-1])
    return parsed


def test_a_line_names_process_level_logger_and_time(written: io.StringIO) -> None:
    structlog.get_logger("here").info("it happened", turn="trn_1")

    found = line(written)

    assert (found["event"], found["level"], found["logger"], found["process"], found["turn"]) == (
        "it happened",
        "info",
        "here",
        "test-process",
        "trn_1",
    )
    assert found["timestamp"].endswith("Z")


def test_a_librarys_line_has_the_same_shape(written: io.StringIO) -> None:
    logging.getLogger("library").warning("away: %s", "redis")

    found = line(written)

    assert (found["event"], found["process"]) == ("away: redis", "test-process")


def test_what_is_bound_is_on_every_line(written: io.StringIO) -> None:
    with structlog.contextvars.bound_contextvars(cid="cid_1"):
        logging.getLogger("library").warning("x")

    assert line(written)["cid"] == "cid_1"


@pytest.mark.parametrize(
    "address", ["redis://:hunter2@h:6379/0", "postgresql://user:hunter2@h/d", "amqp://guest:hunter2@h//"]
)
def test_a_password_in_an_address_is_hidden(written: io.StringIO, address: str) -> None:
    logging.getLogger("library").warning("cannot reach %s", address)

    assert "hunter2" not in line(written)["event"]


def test_a_password_in_a_trace_is_hidden(written: io.StringIO) -> None:
    try:
        raise ConnectionError("no answer from redis://:hunter2@h:6379/0")
    except ConnectionError:
        structlog.get_logger("here").exception("away")

    found = line(written)

    assert "ConnectionError" in found["exception"]
    assert "hunter2" not in found["exception"]


@pytest.mark.parametrize("value", [b"bytes", 2**70, {1: "a"}, {"nested": object()}, {1, 2}, "\udcff"])
def test_a_line_is_written_whatever_it_holds(written: io.StringIO, value: object) -> None:
    structlog.get_logger("here").info("odd", value=value)

    assert "value" in line(written)


def test_a_warning_is_a_line(written: io.StringIO) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        logging.captureWarnings(True)
        warnings.showwarning("careful", UserWarning, "f.py", 1)

    assert "careful" in line(written)["event"]


def test_chatty_libraries_are_quiet(written: io.StringIO) -> None:
    logging.getLogger("httpx").info("GET http://model/v1/chat")

    assert written.getvalue() == ""
