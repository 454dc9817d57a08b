import io
import os

import pytest

from deploy.readiness import missing
from deploy.terminal import LineFilter, Terminal


def test_a_structured_line_below_warning_stays_in_the_log_file() -> None:
    shown = LineFilter().shown('{"level": "info", "event": "turn accepted"}')

    assert shown is None


def test_a_structured_warning_is_told_in_words_with_its_facts() -> None:
    shown = LineFilter().shown('{"level": "warning", "event": "queue is full", "queue": "sql", "timestamp": "now"}')

    assert shown == ("queue is full queue=sql", 30)


def test_the_end_of_an_exception_is_told_with_its_event() -> None:
    shown = LineFilter().shown('{"level": "error", "event": "failed", "exception": "Traceback\\n  a\\nValueError: b"}')

    assert shown == ("failed\n    Traceback\n      a\n    ValueError: b", 40)


def test_of_a_traceback_the_exception_and_its_place_are_shown() -> None:
    line_filter = LineFilter()
    lines = [
        "Traceback (most recent call last):",
        '  File "a.py", line 1, in <module>',
        "    b()",
        '  File "b.py", line 2, in b',
        "    ^^^",
        "ValueError: wrong",
        "going on",
    ]

    shown = [told for line in lines if (told := line_filter.shown(line))]

    assert shown == [("ValueError: wrong (b.py:2)", 40)]


def test_trouble_of_a_program_that_does_not_log_json_is_shown() -> None:
    shown = LineFilter().shown("[2026-11-20 12:00:00: ERROR/MainProcess] consumer: Cannot connect")

    assert shown is not None


def test_something_that_only_looks_like_json_is_an_ordinary_line() -> None:
    shown = LineFilter().shown("{not json at all")

    assert shown is None


def test_a_line_between_begin_and_end_of_a_step_does_not_swallow_its_time() -> None:
    stream = io.StringIO()
    terminal = Terminal(stream=stream, colour=False)

    with terminal.timed("database"):
        terminal.tell("redis", "hello")

    assert stream.getvalue() == "  • database … \nredis          hello\n  • database … 0.0 s\n"


def test_a_very_long_line_is_cut_at_the_terminal() -> None:
    stream = io.StringIO()

    Terminal(stream=stream, colour=False).tell("worker", "x" * 10_000)

    assert len(stream.getvalue()) < 600


def test_what_is_not_ready_is_told_by_name() -> None:
    told = missing(b'{"ready": false, "not_ready": ["queue gpu: no live consumer", "redis: refused"]}')

    assert told == "queue gpu: no live consumer; redis: refused"


def test_an_answer_of_another_shape_is_told_as_it_is() -> None:
    assert missing(b"<h1>Bad Gateway</h1>") == "<h1>Bad Gateway</h1>"


def test_what_the_set_up_has_said_for_all_is_not_repeated_by_each() -> None:
    shown = LineFilter().shown('{"level": "warning", "event": "start check", "check": "disk"}')

    assert shown is None


def test_a_full_disk_behind_the_terminal_ends_nobody() -> None:
    full = os.open("/dev/full", os.O_WRONLY)
    stream = io.TextIOWrapper(io.FileIO(full, "w", closefd=False), write_through=True)

    Terminal(stream=stream).tell("worker", "the disk is full", level=40)

    with pytest.raises(OSError, match="No space left"):
        os.write(full, b"x")
    os.close(full)
