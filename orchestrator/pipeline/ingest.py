"""From a document's bytes to pieces that only lack their vectors; no database, no model."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from orchestrator.engines.extract import ARROW
from orchestrator.engines.retriever import Chunk
from orchestrator.engines.words import fold
from orchestrator.pipeline.chunking import chunk
from orchestrator.pipeline.parsing.document import Limits, ParsedDocument
from orchestrator.pipeline.parsing.isolate import parse_isolated
from orchestrator.resilience.stop import Stop


@dataclass(frozen=True, slots=True, kw_only=True)
class Ingested:
    """A parsed document, its pieces, and the text to embed for each of them, in the same order."""

    document: ParsedDocument
    chunks: tuple[Chunk, ...]
    to_embed: tuple[str, ...]


def ingest(
    content: bytes, filename: str, mime: str, limits: Limits | None = None, *, stop: Stop | None = None
) -> Ingested:
    """Parse `content` in its own process and cut it into pieces.

    The caller embeds `to_embed`, calls `Retriever.index` and then marks the document
    indexed; running it all again gives the same rows.

    Raises:
        InvalidInputError: it can't be taken in; `detail_key` (`documents.…`) says why.
        StoppedError: the stop came while parsing.
    """
    document = parse_isolated(content, filename, mime, limits, stop=stop)
    chunks = tuple(chunk(document))
    return Ingested(document=document, chunks=chunks, to_embed=tuple(embedded_text(piece) for piece in chunks))


def under_title(chunks: Iterable[Chunk], title: str) -> list[Chunk]:
    """Return the pieces with `title` in front of their heading path, unless it stands there.

    The title that a document was given may name what none of its own headings does; so the index sees it.
    """
    wanted = " ".join(title.split())
    return [
        piece
        if not wanted or fold(piece.heading).startswith(fold(wanted))
        else replace(piece, heading=ARROW.join(part for part in (wanted, piece.heading) if part))
        for piece in chunks
    ]


def embedded_text(piece: Chunk) -> str:
    """Return what the encoder reads for a piece: the heading path, which often holds the asked word, comes first."""
    return f"{piece.heading}\n{piece.text}"
