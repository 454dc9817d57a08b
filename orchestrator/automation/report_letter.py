"""A report's mail in the reader's language: words, a table that any mail program shows, and the PDF. Pure."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

from orchestrator import catalogue
from orchestrator.automation.report_pdf import Report, render
from orchestrator.engines.llm import Language
from orchestrator.engines.llm_builtin_format import Unit, decimals_for, figure, unit_of, without_unit
from orchestrator.engines.warehouse import Table
from orchestrator.pipeline.semantic.texts import day_label

#: Rows in the mail itself; all of them are in the PDF.
_SHOWN = 30
_FIGURE_TYPES = ("integer", "number")


@dataclass(frozen=True, slots=True, kw_only=True)
class Letter:
    """What is sent to one reader."""

    subject: str
    text: str
    html: str
    pdf: bytes
    file_name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class _Written:
    """The table in words."""

    headings: list[str]
    rows: list[list[str]]
    figures: frozenset[int]
    #: (name, figure, the figure written), the largest first; empty unless one column names and another counts.
    bars: list[tuple[str, float, str]]
    total: str


def letter(table: Table, *, description: str, company: str, day: dt.date, language: Language, url: str) -> Letter:
    """Return the mail about one day's table; `description` says what was computed, and names its unit."""
    written = _write(table, unit_of(description), language)
    when = day_label(day, language)

    def say(key: str, **facts: object) -> str:
        return catalogue.text(f"report.{key}", language, **facts)

    title = say("title", day=when)
    lead = [say("lead", day=when)] if written.rows else [say("empty", day=when)]
    whole = sum(value for _, value, _ in written.bars)
    if len(written.bars) > 1 and whole > 0:
        name, value, size = written.bars[0]
        share = figure(100 * value / whole, unit="%", decimals=0, language=language)
        lead += [say("total", total=written.total), say("best", name=name, figure=size, share=share)]
    tail = [say("more", url=url), say("why")]
    lines = ["  ".join(row) for row in [written.headings, *written.rows[:_SHOWN]]] if written.rows else []
    pdf = render(
        Report(
            title=title,
            company=company,
            lead=lead,
            headings=written.headings,
            rows=written.rows,
            figures=written.figures,
            bars=[(name, value) for name, value, _ in written.bars],
            page=catalogue.text("report.page", language, page="{page}"),
        )
    )
    return Letter(
        subject=say("subject", company=company, day=when),
        text="\n\n".join([title, "\n".join(lead), *(["\n".join(lines)] if lines else []), "\n".join(tail)]) + "\n",
        html=_html(title, lead, written, tail),
        pdf=pdf,
        file_name=f"sales-{day:%Y-%m-%d}.pdf",
    )


def _write(table: Table, usual: Unit, language: Language) -> _Written:
    figures = [index for index, column in enumerate(table.columns) if column.type in _FIGURE_TYPES]
    columns: list[list[str]] = []
    for index, column in enumerate(table.columns):
        cells = [row[index] for row in table.rows]
        if index not in figures:
            columns.append(["–" if cell is None else str(cell) for cell in cells])
            continue
        unit = unit_of(column.name) or usual
        numbers = [float(cell) for cell in cells if isinstance(cell, int | float | str) and cell not in (None, "")]
        decimals = decimals_for(numbers, unit, whole=column.type == "integer")
        written = (
            None if cell is None else figure(float(cell), unit=unit, decimals=decimals, language=language)
            for cell in cells
        )
        columns.append(["–" if text is None else text for text in written])
    rows = [list(row) for row in zip(*columns, strict=True)] if table.rows else []
    bars: list[tuple[str, float, str]] = []
    total = ""
    if len(figures) == 1 and len(table.columns) == 2:
        at, name_at = figures[0], 1 - figures[0]
        values = [float(cell) if (cell := row[at]) is not None else 0.0 for row in table.rows]
        bars = sorted(
            ((rows[n][name_at], value, rows[n][at]) for n, value in enumerate(values)), key=lambda bar: -bar[1]
        )
        unit = unit_of(table.columns[at].name) or usual
        total = figure(sum(values), unit=unit, decimals=2 if unit else 0, language=language)
    return _Written(
        headings=[_heading(column.name) for column in table.columns],
        rows=rows,
        figures=frozenset(figures),
        bars=bars,
        total=total,
    )


def _heading(name: str) -> str:
    words = without_unit(name.replace("_", " "))
    return words[:1].upper() + words[1:]


def _html(title: str, lead: Sequence[str], written: _Written, tail: Sequence[str]) -> str:
    rows = [_row("th", written.headings, written.figures)]
    rows += [_row("td", row, written.figures) for row in written.rows[:_SHOWN]]
    table = f'<table style="border-collapse:collapse;font-size:14px">{"".join(rows)}</table>' if written.rows else ""
    paragraphs = "".join(f"<p>{escape(line)}</p>" for line in lead)
    small = "".join(f'<p style="color:#585d5a;font-size:12px">{escape(line)}</p>' for line in tail)
    return (
        '<html><body style="font-family:system-ui,sans-serif;color:#1c1f1e">'
        f'<h1 style="font-size:20px">{escape(title)}</h1>{paragraphs}{table}{small}</body></html>'
    )


def _row(tag: str, texts: Sequence[str], figures: frozenset[int]) -> str:
    # Mail programs drop style sheets: each cell carries its own.
    cells = (
        f'<{tag} style="padding:6px 12px 6px 0;border-bottom:1px solid #dfdcd2;'
        f'text-align:{"right" if index in figures else "left"}">{escape(text)}</{tag}>'
        for index, text in enumerate(texts)
    )
    return f"<tr>{''.join(cells)}</tr>"
