"""What parsing gives, what it may cost, and how a parser says why it can't."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

from orchestrator.engines.words import guess_language
from orchestrator.errors import InvalidInputError

#: Why a document can't be taken in; the catalogue has a sentence for each as `documents.<problem>`.
Problem = Literal[
    "corrupt", "crashed", "empty", "encrypted", "no_text", "too_big", "too_complex", "unsupported"
]  # fmt: skip


def refuse(problem: Problem, message: str) -> InvalidInputError:
    """Return the error for a document that can't be taken in; `message` is for logs and never quotes the document."""
    return InvalidInputError(message, field="file", detail_key=f"documents.{problem}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What one document may cost; the defaults fit a worker with 2 GB."""

    max_bytes: int = 25_000_000
    max_pages: int = 1_500
    #: Code points of plain text, about 700 pages.
    max_chars: int = 2_000_000
    #: Unpacked size of a packed document (DOCX), in total and against its packed size.
    max_unpacked_bytes: int = 200_000_000
    max_ratio: float = 100.0
    #: Processor seconds, then wall-clock seconds, after which the parsing process is killed.
    cpu_s: int = 60
    timeout_s: float = 120.0
    #: Address space of the parsing process.
    memory_bytes: int = 1_500_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Heading:
    """A heading and where its own line starts in the plain text; level 1 is the highest."""

    offset: int
    level: int
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ParsedDocument:
    """A document as plain text (NFC), with the structure that survived; every offset counts code points of `text`."""

    title: str
    language: Literal["en", "es"]
    text: str
    headings: tuple[Heading, ...] = ()
    #: Where each page starts; empty for formats without pages.
    pages: tuple[int, ...] = ()


_SPACES = re.compile(r"[^\S\n]+")


def clean(text: str) -> str:
    """Return `text` in NFC on one line, without control, zero-width and surrogate characters.

    PostgreSQL refuses NUL in text, JSON refuses lone surrogates; PDFs bring both.
    """
    # U+200D joins emoji and stays; soft hyphens and byte-order marks are of category Cf and go.
    kept = "".join(
        char
        if (category := unicodedata.category(char))[0] != "C" or char == "\u200d"
        else (" " if category == "Cc" else "")
        for char in text
    )
    return _SPACES.sub(" ", unicodedata.normalize("NFC", kept)).replace("\n", " ").strip()


@dataclass(slots=True)
class TextBuilder:
    """Collects blocks into one plain text and keeps the offsets right; a paragraph is separated by an empty line."""

    limits: Limits
    _parts: list[str] = field(default_factory=list)
    _length: int = 0
    _headings: list[Heading] = field(default_factory=list)
    _pages: list[int] = field(default_factory=list)

    def _append(self, line: str, separator: str) -> int:
        if self._length:
            self._parts.append(separator)
            self._length += len(separator)
        offset = self._length
        self._parts.append(line)
        self._length += len(line)
        if self._length > self.limits.max_chars:
            raise refuse("too_big", f"more than {self.limits.max_chars} characters of text")
        return offset

    def paragraph(self, text: str) -> None:
        """Add a paragraph; a blank one is left out."""
        if line := clean(text):
            self._append(line, "\n\n")

    def line(self, text: str) -> None:
        """Add a list item or row directly below what came before."""
        if line := clean(text):
            self._append(line, "\n")

    def heading(self, text: str, level: int) -> None:
        """Add a heading; it is a line of the text too."""
        if line := clean(text):
            offset = self._append(line, "\n\n")
            self._headings.append(Heading(offset=offset, level=level, text=line))

    def table(self, rows: Sequence[Sequence[str]], *, header: bool) -> None:
        """Add a table, one line a row; under a header each row names its columns, so that it can be read alone.

        A row of a table cut into passages would otherwise lose what its figures mean.
        """
        cleaned = [[clean(cell) for cell in row] for row in rows]
        cleaned = [row for row in cleaned if any(row)]
        if not cleaned:
            return
        names = cleaned[0] if header and len(cleaned) > 1 and len(cleaned[0]) > 1 else None
        self.paragraph(" | ".join(cell for cell in cleaned[0] if cell))
        for row in cleaned[1:]:
            self.line(_described(row, names) if names else " | ".join(cell for cell in row if cell))

    def page(self) -> None:
        """Say that a page starts with whatever is added next."""
        self._pages.append(self._length + 2 if self._length else 0)

    def build(self, *, title: str, filename: str) -> ParsedDocument:
        """Return the document; an empty `title` is replaced by the first heading, then by the file's name.

        Raises:
            InvalidInputError: there is no text.
        """
        text = "".join(self._parts)
        if not text:
            raise refuse("empty", "no text in the document")
        named = clean(title) or (self._headings[0].text if self._headings else "") or title_of(filename)
        return ParsedDocument(
            title=named[:200],
            language="es" if guess_language(text) == "es" else "en",
            text=text,
            headings=tuple(self._headings),
            pages=tuple(min(page, len(text)) for page in self._pages),
        )


def _described(row: Sequence[str], names: Sequence[str]) -> str:
    pairs = [
        f"{names[at]}: {cell}" if at < len(names) and names[at] else cell
        for at, cell in enumerate(row)
        if at > 0 and cell
    ]
    return " — ".join(part for part in (row[0], "; ".join(pairs)) if part)


def title_of(filename: str) -> str:
    """Return a readable title from a file's name."""
    stem = filename.replace("\\", "/").rsplit("/", 1)[-1]
    stem = stem.rsplit(".", 1)[0] if "." in stem.strip(".") else stem
    return clean(re.sub(r"[_\-]+", " ", stem)) or "Untitled"
