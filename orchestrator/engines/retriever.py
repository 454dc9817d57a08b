"""The port that finds passages in a tenant's documents."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from orchestrator.engines.classifier import Matrix, Vector
from orchestrator.resilience.stop import Stop


@dataclass(frozen=True, slots=True, kw_only=True)
class Chunk:
    """A piece of a document before it is stored; offsets are code points in the document's plain text."""

    n: int
    heading: str
    text: str
    start: int
    end: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Passage:
    """A found piece, with what a citation needs."""

    chunk: str
    document: str
    title: str
    heading: str
    text: str
    start: int
    end: int
    #: Reciprocal-rank-fusion score, only comparable within one search.
    score: float
    #: Cosine of the dense part, in [-1, 1]; None when only full text found it.
    similarity: float | None


class Retriever(Protocol):
    """Searches and keeps one tenant's passages; tenants never meet."""

    def search(
        self,
        tenant: str,
        query: str,
        embedding: Vector | None,
        *,
        language: str,
        top_k: int,
        stop: Stop | None = None,
        limit_s: float | None = None,
    ) -> list[Passage]:
        """Return at most `top_k` passages of `tenant`, the best first; without an embedding, full text alone.

        Raises:
            StoppedError: `stop` was set; the search has ended in the index, too.
            DeadlineExceededError: it took longer than `limit_s`, and was ended.
            StoreDownError: the index does not answer.
        """

    def index(
        self, tenant: str, document: str, chunks: Sequence[Chunk], embeddings: Matrix, *, model: str, language: str
    ) -> None:
        """Replace the document's passages by these, in one transaction; repeating it changes nothing.

        Raises:
            EngineError: `embeddings` does not fit `chunks` or the index's width.
            StoreDownError: the index does not answer.
        """

    def forget(self, tenant: str, document: str) -> int:
        """Remove the document's passages and return how many there were."""
