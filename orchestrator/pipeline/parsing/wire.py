"""What passes between the worker and the parsing process, checked on both sides."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict

from orchestrator.pipeline.parsing.document import Heading, Limits, ParsedDocument, Problem


class Request(BaseModel):
    """The first line on the child's stdin; the document's bytes follow it."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    filename: str
    mime: str
    max_bytes: int
    max_pages: int
    max_chars: int
    max_unpacked_bytes: int
    max_ratio: float
    cpu_s: int
    timeout_s: float
    memory_bytes: int

    def limits(self) -> Limits:
        """Return the limits as the parsers take them."""
        return Limits(**self.model_dump(exclude={"filename", "mime"}))


class Reply(BaseModel):
    """The child's whole stdout: a document, or why there is none."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    problem: Problem | None = None
    message: str = ""
    title: str = ""
    language: Literal["en", "es"] = "en"
    text: str = ""
    #: (offset, level, text), in order.
    headings: tuple[tuple[int, int, str], ...] = ()
    pages: tuple[int, ...] = ()

    @classmethod
    def of(cls, document: ParsedDocument) -> Reply:
        """Return the reply that carries `document`."""
        return cls(
            title=document.title,
            language=document.language,
            text=document.text,
            headings=tuple((heading.offset, heading.level, heading.text) for heading in document.headings),
            pages=document.pages,
        )

    def document(self) -> ParsedDocument:
        """Return the document it carries."""
        return ParsedDocument(
            title=self.title,
            language=self.language,
            text=self.text,
            headings=tuple(Heading(offset=at, level=level, text=text) for at, level, text in self.headings),
            pages=self.pages,
        )
