"""PDF into plain text: pages, paragraphs joined again, headings guessed by the size of their letters."""

from __future__ import annotations

import io
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from pypdf import PdfReader
from pypdf.errors import DependencyError, FileNotDecryptedError, LimitReachedError, PyPdfError

from orchestrator.pipeline.parsing.document import Limits, ParsedDocument, TextBuilder, clean, refuse

_BULLET = re.compile(r"(?:[-•▪◦·*–]|\d{1,3}[.)]|[a-z]\))\s")
_ENDS = re.compile(r"[.!?:;…][\"”’)»]*$")
#: A line this much larger than the running text is a heading.
_LARGER = 1.12
#: A page of a real text holds more than this; fewer on average means pictures of text.
_MIN_CHARS_A_PAGE = 8


@dataclass(frozen=True, slots=True)
class _Line:
    text: str
    size: float
    gap: bool  # an empty line precedes it


def parse_pdf(content: bytes, filename: str, limits: Limits) -> ParsedDocument:
    """Return the document with the offset of every page.

    A PDF that only forbids changes (an owner's password) is read; one that asks for a password to open is refused.

    Raises:
        InvalidInputError: encrypted, damaged, too many pages, or pictures of text alone.
    """
    try:
        reader = PdfReader(io.BytesIO(content))
        if reader.is_encrypted and not reader.decrypt(""):
            raise refuse("encrypted", "asks for a password")
        count = len(reader.pages)
        if count > limits.max_pages:
            raise refuse("too_big", f"{count} pages")
        pages = [_lines(page) for page in reader.pages]
        metadata = reader.metadata
        title = str(metadata.title or "") if metadata else ""
    except (FileNotDecryptedError, DependencyError) as exc:
        raise refuse("encrypted", "asks for a password") from exc
    except LimitReachedError as exc:
        raise refuse("too_big", "a stream unpacks past the limit") from exc
    except (
        PyPdfError,
        ArithmeticError,
        AssertionError,
        AttributeError,
        LookupError,
        NotImplementedError,
        OSError,
        RecursionError,
        TypeError,
        ValueError,
    ) as exc:
        # pypdf fails on damage wherever it first trips over it.
        raise refuse("corrupt", f"not readable as PDF: {type(exc).__name__}") from exc
    if not pages or sum(len(line.text) for page in pages for line in page) < _MIN_CHARS_A_PAGE * len(pages):
        raise refuse("no_text", f"{len(pages)} pages without text, probably scanned")

    builder = TextBuilder(limits)
    _write(_without_running_titles(pages), builder)
    return builder.build(title=_title(title, filename), filename=filename)


def _title(given: str, filename: str) -> str:
    """Return the metadata's title unless it is what office software puts there by itself."""
    named = clean(given)
    automatic = named.lower().startswith(("untitled", "microsoft word", "powerpoint")) or named == filename
    return "" if automatic or re.search(r"\.\w{2,4}$", named) else named


def _lines(page: Any) -> list[_Line]:  # Any: pypdf's page, whose callback is untyped
    """Return a page's lines with the size of their largest letters."""
    pieces: list[tuple[str, float]] = []

    def seen(text: str, cm: Sequence[float], tm: Sequence[float], _font: object, size: float | None) -> None:
        scale = abs(tm[3] or tm[1]) * abs(cm[3] or cm[1])
        pieces.append((text, (size or 0.0) * (scale or 1.0)))

    text = page.extract_text(visitor_text=seen)
    sizes = [size for piece, size in pieces for _ in piece]
    # The sizes only fit where the pieces add up to the page; else the lines come without.
    exact = "".join(piece for piece, _ in pieces) == text
    found: list[_Line] = []
    offset, gap = 0, False
    for raw in text.split("\n"):
        line = clean(raw)
        # Spaces come with the size of whatever was set before them.
        letters = [sizes[offset + at] for at, char in enumerate(raw) if exact and not char.isspace()]
        offset += len(raw) + 1
        if line:
            found.append(_Line(line, round(max(letters, default=0.0), 1), gap))
        gap = not line
    return found


def _without_running_titles(pages: Sequence[list[_Line]]) -> list[list[_Line]]:
    """Return the pages without what stands first or last on most of them, page numbers included."""

    def key(line: _Line) -> str:
        return re.sub(r"\d+", "#", line.text)

    edges = Counter(name for page in pages for name in {key(line) for line in [*page[:2], *page[-2:]]})
    running = {name for name, times in edges.items() if len(pages) >= 3 and times >= 0.6 * len(pages)}
    return [
        [line for at, line in enumerate(page) if key(line) not in running or 2 <= at < len(page) - 2] for page in pages
    ]


def _write(pages: Sequence[list[_Line]], builder: TextBuilder) -> None:
    """Add the pages' lines, joined into paragraphs where a line is full and the next goes on."""
    letters = Counter[float]()
    for page in pages:
        for line in page:
            letters[line.size] += len(line.text)
    body = letters.most_common(1)[0][0] if letters else 0.0
    larger = sorted({size for size in letters if body and size > _LARGER * body}, reverse=True)
    widths = sorted(len(line.text) for page in pages for line in page if line.size <= body * _LARGER)
    full = widths[int(0.85 * (len(widths) - 1))] if widths else 0

    for page in pages:
        builder.page()
        open_text = ""
        for at, line in enumerate(page):
            level = larger.index(line.size) + 1 if line.size in larger and len(line.text) <= 150 else 0
            previous = page[at - 1] if at else None
            goes_on = bool(open_text) and previous is not None and not level and _goes_on(previous, line, full)
            if goes_on:
                open_text = _joined(open_text, line.text)
                continue
            _flush(open_text, builder)
            open_text = "" if level else line.text
            if level:
                builder.heading(line.text, min(level, 6))
        _flush(open_text, builder)


def _goes_on(previous: _Line, line: _Line, full: int) -> bool:
    if line.gap or _BULLET.match(line.text):
        return False
    width = len(previous.text)
    return width >= 0.85 * full or (width >= 0.6 * full and not _ENDS.search(previous.text) and line.text[0].islower())


def _joined(first: str, second: str) -> str:
    """Return two lines as one; a hyphen at the end of the first between small letters was the typesetter's."""
    if re.search(r"[^\W\d_]-$", first) and second[:1].islower():
        return first[:-1] + second
    return f"{first} {second}"


def _flush(text: str, builder: TextBuilder) -> None:
    if _BULLET.match(text):
        builder.line(text)
    else:
        builder.paragraph(text)
