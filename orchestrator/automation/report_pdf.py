"""A report as a PDF: title, one chart, the table."""

from __future__ import annotations

import io
import math
from collections.abc import Sequence
from dataclasses import dataclass
from xml.sax.saxutils import escape

from reportlab.graphics.charts.barcharts import HorizontalBarChart
from reportlab.graphics.shapes import Drawing
from reportlab.lib import colors
from reportlab.lib.enums import TA_LEFT, TA_RIGHT
from reportlab.lib.pagesizes import A4
from reportlab.lib.styles import ParagraphStyle, getSampleStyleSheet
from reportlab.lib.units import mm
from reportlab.pdfgen.canvas import Canvas
from reportlab.platypus import Flowable, Paragraph, SimpleDocTemplate, Spacer, Table, TableStyle

_ACCENT = colors.HexColor("#1f7a74")
_RULE = colors.HexColor("#dfdcd2")
_BAR_MM = 7.0
#: More bars than this say nothing at a glance.
MOST_BARS = 12


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What stands in it, all of it in words already."""

    title: str
    company: str
    lead: Sequence[str]
    headings: Sequence[str]
    rows: Sequence[Sequence[str]]
    #: Positions of columns with figures, which align to the right.
    figures: frozenset[int]
    #: (name, figure) of the chart, the largest first; empty: no chart.
    bars: Sequence[tuple[str, float]]
    #: `Page {page}`, to be filled.
    page: str


def render(report: Report) -> bytes:
    """Return the PDF's bytes; a long table goes on over pages, its head repeated."""
    target = io.BytesIO()
    styles = getSampleStyleSheet()
    document = SimpleDocTemplate(
        target,
        pagesize=A4,
        leftMargin=20 * mm,
        rightMargin=20 * mm,
        topMargin=20 * mm,
        bottomMargin=18 * mm,
        title=report.title,
        author=report.company,
    )
    story: list[Flowable] = [
        Paragraph(escape(report.company), styles["Normal"]),
        Paragraph(escape(report.title), ParagraphStyle("left", parent=styles["Title"], alignment=TA_LEFT)),
        *(Paragraph(escape(line), styles["Normal"]) for line in report.lead),
        Spacer(1, 6 * mm),
    ]
    if len(report.bars) > 1:
        story += [_chart(report.bars[:MOST_BARS], document.width), Spacer(1, 6 * mm)]
    if report.rows:
        story.append(_table(report, document.width))

    def foot(canvas: Canvas, _: SimpleDocTemplate) -> None:
        canvas.setFont("Helvetica", 8)
        canvas.setFillColor(colors.grey)
        canvas.drawRightString(A4[0] - 20 * mm, 10 * mm, report.page.format(page=canvas.getPageNumber()))

    document.build(story, onFirstPage=foot, onLaterPages=foot)
    return target.getvalue()


def _chart(bars: Sequence[tuple[str, float]], width: float) -> Drawing:
    height = (len(bars) * _BAR_MM + 12) * mm
    drawing = Drawing(width, height)
    chart = HorizontalBarChart()
    chart.x, chart.y = round(38 * mm), round(8 * mm)
    chart.width, chart.height = round(width - 44 * mm), round(height - 10 * mm)
    # The chart draws from the bottom up.
    chart.data = [[figure for _, figure in reversed(bars)]]
    chart.categoryAxis.categoryNames = [_short(name) for name, _ in reversed(bars)]
    chart.categoryAxis.labels.fontSize = 8
    chart.categoryAxis.strokeColor = _RULE
    chart.valueAxis.valueMin = math.floor(min(0.0, *(figure for _, figure in bars)))
    chart.valueAxis.labels.fontSize = 7
    chart.valueAxis.strokeColor = chart.valueAxis.gridStrokeColor = _RULE
    chart.valueAxis.visibleGrid = True
    chart.bars[0].fillColor = _ACCENT
    chart.bars[0].strokeColor = None
    drawing.add(chart)
    return drawing


def _short(name: str) -> str:
    return name if len(name) <= 22 else f"{name[:21]}…"


def _table(report: Report, width: float) -> Table:
    left = ParagraphStyle("cell", fontName="Helvetica", fontSize=9, leading=11)
    right = ParagraphStyle("figure", parent=left, alignment=TA_RIGHT)
    styles = [right if index in report.figures else left for index in range(len(report.headings))]
    head = [Paragraph(f"<b>{escape(text)}</b>", style) for text, style in zip(report.headings, styles, strict=True)]
    body = [[Paragraph(escape(text), style) for text, style in zip(row, styles, strict=True)] for row in report.rows]
    table = Table([head, *body], colWidths=[width / len(report.headings)] * len(report.headings), repeatRows=1)
    table.setStyle(
        TableStyle(
            [
                ("LINEBELOW", (0, 0), (-1, 0), 0.8, _ACCENT),
                ("LINEBELOW", (0, 1), (-1, -1), 0.3, _RULE),
                ("VALIGN", (0, 0), (-1, -1), "MIDDLE"),
            ]
        )
    )
    return table
