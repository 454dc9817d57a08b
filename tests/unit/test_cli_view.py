from __future__ import annotations

import io
import stat
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console, RenderableType

from channels_app.cli import credentials, render
from channels_app.cli.credentials import Credentials
from channels_app.cli.ingest import Given, found, lines
from channels_app.cli.turn_view import TurnView


def frame(type_: str, /, turn: str = "t1", **data: Any) -> dict[str, Any]:
    return {"type": type_, "data": {"turn": turn, **data}}


def a_view(*frames: dict[str, Any]) -> TurnView:
    view = TurnView(turn="t1", conversation="c1")
    for one in frames:
        view.apply(one)
    return view


def shown(what: RenderableType, width: int = 80) -> str:
    output = io.StringIO()
    Console(file=output, width=width, force_terminal=False, highlight=False).print(what)
    return output.getvalue()


STARTED = frame("stage.started", stage="sql", attempt=1, worker="w", queue_wait_ms=120)
FINISHED = frame(
    "stage.finished", stage="sql", attempt=1, worker="w", queue_wait_ms=120, duration_ms=870, summary="12 rows"
)
COMPLETED = frame(
    "message.completed",
    attempt=1,
    message="m",
    text="Forty-two.",
    citations=[{"n": 1, "title": "Handbook", "heading": "Tips"}],
    usage={"model": "built-in"},
    timeline={"total_ms": 2_450, "stages": [{"stage": "sql", "queue_wait_ms": 120, "duration_ms": 870}]},
)
PREVIEW = {
    "columns": [
        {"name": "branch", "type": "text"}, {"name": "year", "type": "integer"}, {"name": "eur", "type": "number"},
    ],
    "rows": [["Centro", 2026, 10321.5], [None, 2025, 0.125]],
    "total": 12,
}  # fmt: skip


# --- what is known ---


def test_deltas_are_joined_and_what_is_there_is_not_taken_twice() -> None:
    deltas = [("For", 0), ("ty-", 3), ("ty-", 3), ("two", 6)]

    view = a_view(*(frame("message.delta", message="m", attempt=1, text=text, index=index) for text, index in deltas))

    assert view.text == "Forty-two"


def test_a_second_attempt_drops_the_text_of_the_first() -> None:
    first = frame("message.delta", message="m", attempt=1, text="Wrong", index=0)

    view = a_view(first, frame("message.started", message="m", attempt=2))

    assert view.text == ""


def test_events_of_other_turns_and_unknown_types_change_nothing() -> None:
    view = a_view(frame("stage.started", "t2", stage="sql"), frame("stage.invented"), {"type": "pong", "data": {}})

    assert view == TurnView(turn="t1", conversation="c1")


def test_a_stage_goes_from_running_to_done() -> None:
    view = a_view(STARTED, frame("stage.progress", stage="sql", percent=40), FINISHED)

    assert [(s.name, s.state, s.duration_ms, s.summary) for s in view.stages] == [("sql", "done", 870, "12 rows")]


def test_after_the_ending_nothing_changes_any_more() -> None:
    view = a_view(COMPLETED, frame("turn.failed", code="internal", message="x", retryable=True, timeline={}))

    assert (view.ending, view.text, view.error) == ("completed", "Forty-two.", None)


def test_a_lost_log_is_made_up_for_by_the_turn_itself() -> None:
    view = a_view(STARTED)

    view.restore(
        {"state": "completed", "answer": "All of it.", "citations": [], "artifacts": [{"id": "a", "kind": "sql"}]}
    )

    assert (view.ending, view.text, view.artifacts[0]["artifact"]) == ("completed", "All of it.", "a")
    assert [stage.state for stage in view.stages] == ["done"]


# --- what is shown ---


def test_a_wait_is_told_in_words_with_its_place() -> None:
    queued = frame("turn.queued", position=3, waiting_for="waiting for a writer", queue="llm", expected_wait_ms=4_000)

    text = shown(render.live(a_view(queued), elapsed_s=0))

    assert "waiting for a writer, position 3, about 4.0 s" in text


def test_running_and_finished_stages_are_told_apart() -> None:
    text = shown(render.live(a_view(FINISHED, frame("stage.started", stage="llm", attempt=2)), elapsed_s=0.3))

    assert "✓ sql" in text
    assert "870 ms" in text
    assert "⠸ llm (attempt 2)" in text


def test_a_long_text_shows_its_last_lines_while_it_is_written() -> None:
    long = "\n".join(f"line {number}" for number in range(100))

    text = shown(render.live(a_view(frame("message.delta", text=long, index=0)), elapsed_s=0))

    assert "line 99" in text
    assert "line 80" not in text


def test_an_answer_has_its_table_and_its_sources() -> None:
    ready = frame("artifact.ready", artifact="a", kind="table", url="/x", preview=PREVIEW)

    text = shown(render.answer(a_view(ready, COMPLETED)))

    assert "Forty-two." in text
    assert "Centro  2026  10,321.50" in text
    assert "–       2025      0.125" in text
    assert "2 of 12 rows" in text
    assert "[1] Handbook — Tips" in text


def test_a_cut_table_says_so() -> None:
    assert "the first 2 of more than 12 rows" in shown(render.table(PREVIEW | {"truncated": True}))


def test_a_pipe_gets_tabs_rounded_numbers_and_how_much_that_is() -> None:
    ready = frame("artifact.ready", artifact="a", kind="table", url="/x", preview=PREVIEW)

    assert render.plain(a_view(ready, COMPLETED)).split("\n\n") == [
        "Forty-two.",
        "branch\tyear\teur\nCentro\t2026\t10321.50\n\t2025\t0.125\n2 of 12 rows; the page has all of them",
        "[1] Handbook — Tips",
    ]


@pytest.mark.parametrize("nasty", ["\x1b[2J", "\x1b]0;title\x07", "\x9b31m", "a\rb", "\x00"])
def test_what_comes_from_outside_cannot_command_the_terminal(nasty: str) -> None:
    ready = frame(
        "artifact.ready", artifact="a", kind="table", preview={"columns": [{"name": nasty}], "rows": [[nasty]]}
    )
    view = a_view(
        frame("stage.finished", stage=nasty, summary=nasty), ready,
        frame("message.completed", text=f"x{nasty}", citations=[{"n": 1, "title": nasty}], usage={"model": nasty}),
    )  # fmt: skip

    everything = "".join(
        [
            shown(render.answer(view)),
            render.plain(view),
            shown(render.footer(view)),
            shown(render.live(view, elapsed_s=0)),
        ]
    )

    assert [c for c in everything if (ord(c) < 32 and c not in "\n\t") or 127 <= ord(c) < 160] == []


def test_markup_in_a_cell_stays_text() -> None:
    preview = {"columns": [{"name": "[bold]n"}], "rows": [["[red]x[/red]"]]}

    text = shown(render.table(preview))

    assert "[bold]n" in text
    assert "[red]x[/red]" in text


def test_the_last_line_says_where_the_time_went() -> None:
    assert str(render.footer(a_view(COMPLETED))) == "answered in 2.5 s · sql 870 ms after 120 ms in line · built-in"


def test_a_failure_says_whether_another_try_may_help() -> None:
    failed = frame("turn.failed", code="dependency_down", message="The database does not answer.", retryable=True)

    assert str(render.failure(a_view(failed))) == "No answer: The database does not answer. Trying again may help."


def test_a_stop_says_what_it_reached() -> None:
    stopped = frame("turn.cancelled", code="cancelled", message="Stopped.", retryable=False, reached=["sql", "llm"])

    assert str(render.failure(a_view(stopped))) == "Stopped. The stop reached: sql, llm."


# --- files ---


def test_credentials_are_for_their_owner_alone_even_over_an_open_file(tmp_path: Path) -> None:
    folder = credentials.folder_of({"XDG_CONFIG_HOME": str(tmp_path)})
    kept = Credentials(server="http://s", username="u", access="a", refresh="r", expires_at=1.0, signed_in_at=1.0)
    credentials.save(folder, replace(kept, username="before"))
    (path,) = folder.iterdir()
    path.chmod(0o644)

    credentials.save(folder, kept)

    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert credentials.load(folder, "http://s") == kept
    assert list(folder.iterdir()) == [path]


def test_each_server_has_its_own_credentials_the_latest_sign_in_first(tmp_path: Path) -> None:
    one = Credentials(server="http://s:1", username="u", access="a", refresh="r", expires_at=1.0, signed_in_at=1.0)
    two = replace(one, server="https://s:1", username="v", signed_in_at=2.0)
    credentials.save(tmp_path, two)
    credentials.save(tmp_path, one)

    known = credentials.everywhere(tmp_path)
    credentials.forget(tmp_path, one.server)

    assert known == [two, one]
    assert (credentials.load(tmp_path, one.server), credentials.load(tmp_path, two.server)) == (None, two)


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"server": 1}', "\x00"])
def test_a_file_that_holds_no_credentials_counts_as_none(tmp_path: Path, content: str) -> None:
    credentials.save(
        tmp_path, Credentials(server="s", username="u", access="a", refresh="r", expires_at=1.0, signed_in_at=1.0)
    )
    (path,) = tmp_path.glob("*.json")
    path.write_text(content)

    assert credentials.load(tmp_path, "s") is None
    assert credentials.everywhere(tmp_path) == []


def test_folders_are_searched_for_what_can_be_read(tmp_path: Path) -> None:
    for name in ("b.md", "a.PDF", "picture.png", ".hidden.md", "deep/c.docx"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("x")

    paths = [str(path.relative_to(tmp_path)) for path in found([tmp_path, tmp_path / "picture.png"])]

    assert paths == ["a.PDF", "b.md", "deep/c.docx", "picture.png"]


def test_each_file_has_a_line_with_what_became_of_it() -> None:
    given = [
        Given(path=Path("a.md"), state="indexed", chunks=41),
        Given(path=Path("b.pdf"), state="failed", error="no text"),
    ]

    assert shown(lines(given)) == "✓ a.md  indexed  41 passages\n✗ b.pdf  failed  no text\n"
