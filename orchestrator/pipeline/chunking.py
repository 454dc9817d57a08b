"""A document's text into pieces that fit the encoder and can be cited exactly."""

from __future__ import annotations

from collections.abc import Iterator

from semantic_text_splitter import TextSplitter

from orchestrator.engines.extract import ARROW
from orchestrator.engines.retriever import Chunk
from orchestrator.pipeline.parsing.document import Heading, ParsedDocument

#: About 200 word pieces of English and 250 of Spanish; the encoder reads 256 and cuts the rest.
MAX_CHARS = 900
#: Whole sentences up to this length are repeated where a section had to be cut.
OVERLAP_CHARS = 120


def chunk(document: ParsedDocument, *, max_chars: int = MAX_CHARS, overlap_chars: int = OVERLAP_CHARS) -> list[Chunk]:
    """Return the document's pieces in reading order; `document.text[start:end]` is exactly each one's text.

    A piece never crosses a heading. Its `heading` is the path down to it, beginning with
    the document's title, and is not part of its text. Cuts fall between paragraphs where
    possible, then lines, sentences, words.
    """
    splitter = TextSplitter(max_chars, overlap=min(overlap_chars, max_chars // 2))
    found: list[Chunk] = []
    for path, start, end in _sections(document):
        for offset, text in splitter.chunk_indices(document.text[start:end]):
            at = start + offset
            found.append(Chunk(n=len(found), heading=path, text=text, start=at, end=at + len(text)))
    if not found and document.text:
        # Headings alone are still something to find.
        for offset, text in splitter.chunk_indices(document.text):
            found.append(Chunk(n=len(found), heading=document.title, text=text, start=offset, end=offset + len(text)))
    return found


def _sections(document: ParsedDocument) -> Iterator[tuple[str, int, int]]:
    """Yield (heading path, start, end) of what lies between the headings, blank sections included."""
    open_headings: list[Heading] = []
    start = 0
    for heading in document.headings:
        yield _path(document.title, open_headings), start, heading.offset
        while open_headings and open_headings[-1].level >= heading.level:
            open_headings.pop()
        open_headings.append(heading)
        start = heading.offset + len(heading.text)
    yield _path(document.title, open_headings), start, len(document.text)


def _path(title: str, headings: list[Heading]) -> str:
    parts = [heading.text for heading in headings]
    if not parts or parts[0] != title:
        parts.insert(0, title)
    return ARROW.join(parts)
