"""A turn on a terminal. Whatever comes from the server is shown as text: it can neither colour, move nor command."""

from __future__ import annotations

from typing import Any

from rich.console import Console, ConsoleOptions, Group, RenderableType, RenderResult
from rich.markdown import Markdown
from rich.padding import Padding
from rich.segment import Segment
from rich.table import Table
from rich.text import Text

from channels_app.cli.turn_view import StageView, TurnView

_SPINNER = "⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏"
_FRAMES_PER_S = 10
#: Lines of the answer that are shown while it is written; all of it is printed once it is whole.
LIVE_LINES = 12


def clean(text: str) -> str:
    """Return `text` without control characters: an escape sequence in a document must not reach the terminal."""
    return "".join(c for c in text if c in "\n\t" or (ord(c) >= 32 and not 127 <= ord(c) < 160))


def seconds(ms: float) -> str:
    """Return a duration as it is read at a glance."""
    return f"{ms:.0f} ms" if ms < 1_000 else f"{ms / 1000:.1f} s"


def live(view: TurnView, *, elapsed_s: float, note: str = "") -> RenderableType:
    """Return what is shown while the turn runs: its stages, what it waits for, the end of the text so far."""
    parts: list[RenderableType] = [_stages(view, elapsed_s)]
    if view.waiting_for:
        parts.append(_waiting(view, elapsed_s))
    elif not view.stages:
        parts.append(Text(f"{_spin(elapsed_s)} sent", style="dim"))
    if view.text:
        parts.append(Padding(_Tail(clean(view.text)), (1, 0, 0, 0)))
    if note:
        parts.append(Text(note, style="yellow"))
    return Group(*parts)


def answer(view: TurnView) -> RenderableType:
    """Return the finished answer: text, tables, sources."""
    parts: list[RenderableType] = []
    if view.text:
        parts.append(Markdown(clean(view.text), hyperlinks=False))
    for artifact in view.artifacts:
        if artifact.get("kind") == "table":
            parts += ["", table(artifact.get("preview") or {})]
    if view.citations:
        parts += ["", citations(view)]
    return Group(*parts)


def plain(view: TurnView) -> str:
    """Return the finished answer for a pipe: the text, tables with tabs, sources."""
    parts = [clean(view.text)] if view.text else []
    for artifact in view.artifacts:
        preview = artifact.get("preview") or {}
        if artifact.get("kind") == "table" and preview.get("columns"):
            rows = [[column["name"] for column in preview["columns"]], *preview.get("rows", ())]
            lines = ["\t".join(_bare(cell) for cell in row) for row in rows]
            parts.append("\n".join([*lines, *([left_out] if (left_out := _left_out(preview)) else ())]))
    if view.citations:
        parts.append("\n".join(f"[{c['n']}] {_source(c)}" for c in view.citations))
    return "\n\n".join(parts)


def table(preview: dict[str, Any]) -> RenderableType:
    """Return a table's preview, with what of it is not shown said below."""
    columns, rows = preview.get("columns", []), preview.get("rows", [])
    drawn = Table(box=None, header_style="bold", pad_edge=False, padding=(0, 2, 0, 0))
    for column in columns:
        numeric = column.get("type") in ("integer", "number")
        drawn.add_column(Text(clean(str(column["name"]))), justify="right" if numeric else "left", overflow="fold")
    for row in rows:
        drawn.add_row(*(Text(_cell(cell)) for cell in row))
    left_out = _left_out(preview)
    return Group(drawn, Text(left_out, style="dim")) if left_out else drawn


def _left_out(preview: dict[str, Any]) -> str:
    """Return how much of a table a preview shows; empty when that is all."""
    shown = len(preview.get("rows", ()))
    total = preview.get("total", shown)
    if preview.get("truncated"):
        return f"the first {shown} of more than {total} rows; the page has the others that were read"
    return f"{shown} of {total} rows; the page has all of them" if total > shown else ""


def citations(view: TurnView) -> RenderableType:
    """Return the sources, numbered as in the text."""
    return Group(*(Text.assemble((f"[{c['n']}] ", "bold"), _source(c)) for c in view.citations))


def footer(view: TurnView) -> Text:
    """Return one line on where the time went."""
    total = view.timeline.get("total_ms")
    word = {"completed": "answered", "failed": "failed", "cancelled": "stopped"}.get(view.ending or "", "open")
    parts = [f"{word} in {seconds(total)}" if total is not None else word]
    for stage in view.timeline.get("stages") or ():
        wait = stage.get("queue_wait_ms") or 0
        waited = f" after {seconds(wait)} in line" if wait >= 50 else ""
        parts.append(f"{clean(str(stage['stage']))} {seconds(stage.get('duration_ms') or 0)}{waited}")
    model = view.usage.get("model")
    if model:
        parts.append(clean(str(model)))
    return Text(" · ".join(parts), style="dim")


def failure(view: TurnView) -> Text:
    """Return why there is no answer."""
    error = view.error or {}
    said = clean(str(error.get("message") or error.get("code") or ""))
    if view.ending == "cancelled":
        reached = f" The stop reached: {', '.join(view.reached)}." if view.reached else ""
        return Text(said + reached, style="yellow")
    again = " Trying again may help." if error.get("retryable") else ""
    return Text.assemble(("No answer: ", "bold red"), said + again)


def _stages(view: TurnView, elapsed_s: float) -> RenderableType:
    grid = Table.grid(padding=(0, 2, 0, 0))
    for stage in view.stages:
        grid.add_row(*_stage(stage, elapsed_s))
    return grid


def _stage(stage: StageView, elapsed_s: float) -> tuple[Text, Text, Text]:
    signs = {"done": ("✓", "green"), "stopped": ("✗", "red"), "running": (_spin(elapsed_s), "cyan")}
    sign, style = signs[stage.state]
    name = stage.name if stage.attempt == 1 else f"{stage.name} (attempt {stage.attempt})"
    took = "" if stage.duration_ms is None else seconds(stage.duration_ms)
    said = clean(stage.summary or stage.hint).replace("\n", " ")
    return Text.assemble((sign, style), " ", clean(name)), Text(took, style="dim", justify="right"), Text(said)


def _waiting(view: TurnView, elapsed_s: float) -> Text:
    parts = [clean(view.waiting_for)]
    if view.position:
        parts.append(f"position {view.position}")
    if view.expected_wait_ms:
        parts.append(f"about {seconds(view.expected_wait_ms)}")
    return Text(f"{_spin(elapsed_s)} {', '.join(parts)}", style="yellow")


def _spin(elapsed_s: float) -> str:
    return _SPINNER[int(elapsed_s * _FRAMES_PER_S) % len(_SPINNER)]


def _source(citation: dict[str, Any]) -> str:
    parts = [str(citation.get("title") or citation.get("document") or "")]
    if citation.get("heading"):
        parts.append(str(citation["heading"]))
    return _flat(" — ".join(parts))


def _cell(cell: Any) -> str:  # Any: a cell as JSON carries it
    if cell is None:
        return "–"
    if isinstance(cell, bool):
        return "yes" if cell else "no"
    if isinstance(cell, float):
        # Whole numbers get no separators: they may be years or ids.
        return f"{cell:,.2f}" if abs(cell) >= 1 or cell == 0 else f"{cell:.4g}"
    return _flat(cell)


def _bare(cell: Any) -> str:  # Any: a cell as JSON carries it
    """Return a cell for a pipe: rounded as on the page, and without what a program would have to take out again."""
    return "" if cell is None else _cell(cell).replace(",", "") if isinstance(cell, float) else _flat(cell)


def _flat(cell: Any) -> str:  # Any: a cell as JSON carries it
    return "" if cell is None else " ".join(clean(str(cell)).split())


class _Tail:
    """The last lines of a text, as many as a terminal can redraw without scrolling."""

    def __init__(self, text: str) -> None:
        self._text = Text(text)

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Yield the last lines at the width there is."""
        for line in console.render_lines(self._text, options, pad=False)[-LIVE_LINES:]:
            yield from line
            yield Segment.line()
