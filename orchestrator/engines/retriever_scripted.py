"""The retriever in memory: the same ranking without a database, for tests and for trying documents out."""

from __future__ import annotations

import math
import threading
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from orchestrator.engines import fusion
from orchestrator.engines.classifier import Matrix, Vector
from orchestrator.engines.lexicon import asked
from orchestrator.engines.retriever import Chunk, Passage
from orchestrator.engines.words import terms
from orchestrator.errors import EngineError, NotFoundError, StoppedError
from orchestrator.resilience.stop import Stop


@dataclass(slots=True)
class _Stored:
    """One passage with its words in the language of its document."""

    key: str
    document: str
    chunk: Chunk
    vector: Vector
    language: str
    counts: dict[str, float]


class ScriptedRetriever:
    """Keeps passages per tenant; exact cosine and BM25 with the light stemmer of `words`."""

    def __init__(self, *, dim: int = 384) -> None:
        self._dim = dim
        self._lock = threading.Lock()
        self._titles: dict[tuple[str, str], str] = {}
        self._stored: dict[str, dict[str, list[_Stored]]] = {}

    def add_document(self, tenant: str, document: str, title: str) -> None:
        """Make a document known, so that passages can be indexed under it."""
        with self._lock:
            self._titles[tenant, document] = title

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

        It takes no time, so only a stop that came before keeps it from searching.

        Raises:
            StoppedError: `stop` was set.
            EngineError: the embedding has another width than the index.
        """
        if embedding is not None and embedding.shape != (self._dim,):
            raise EngineError(f"an embedding of {embedding.shape}, the index has {self._dim}", engine="retriever")
        if stop is not None and stop.is_set():
            raise StoppedError("sql")
        with self._lock:
            stored = {one.key: one for pieces in self._stored.get(tenant, {}).values() for one in pieces}
            titles = dict(self._titles)
        similar = (
            {} if embedding is None else {key: float(np.dot(one.vector, embedding)) for key, one in stored.items()}
        )
        near = sorted(
            (key for key, value in similar.items() if value >= fusion.SIMILARITY_FLOOR),
            key=lambda key: (-similar[key], key),
        )[: fusion.POOL]
        relevant = _bm25(list(stored.values()), query, language)
        by_words = sorted(relevant, key=lambda key: (-relevant[key], key))
        scores = fusion.fuse(by_words, near, language=language)
        best = sorted(scores, key=lambda key: (-scores[key], key))[:top_k]
        return [
            Passage(
                chunk=key,
                document=stored[key].document,
                title=titles[tenant, stored[key].document],
                heading=stored[key].chunk.heading,
                text=stored[key].chunk.text,
                start=stored[key].chunk.start,
                end=stored[key].chunk.end,
                score=scores[key],
                similarity=similar[key] if key in near else None,
            )
            for key in best
        ]

    def index(
        self, tenant: str, document: str, chunks: Sequence[Chunk], embeddings: Matrix, *, model: str, language: str
    ) -> None:
        """Replace the document's passages by these; `model` is not kept, as one process has one embedder.

        Raises:
            EngineError: `embeddings` does not fit `chunks` or the index's width.
            NotFoundError: the document was not added.
        """
        if embeddings.shape != (len(chunks), self._dim) or not np.isfinite(embeddings).all():
            raise EngineError(f"embeddings of {embeddings.shape} for {len(chunks)} chunks", engine="retriever")
        if (tenant, document) not in self._titles:
            raise NotFoundError(f"no document {document}")
        pieces = [
            _Stored(f"{document}#{chunk.n}", document, chunk, embeddings[at].copy(), language, _counts(chunk, language))
            for at, chunk in enumerate(chunks)
        ]
        with self._lock:
            self._stored.setdefault(tenant, {})[document] = pieces

    def forget(self, tenant: str, document: str) -> int:
        """Remove the document's passages and return how many there were."""
        with self._lock:
            return len(self._stored.get(tenant, {}).pop(document, []))


def _counts(chunk: Chunk, language: str) -> dict[str, float]:
    counts: Counter[str] = Counter(terms(chunk.text, language))
    weighted = {term: float(count) for term, count in counts.items()}
    for term in terms(chunk.heading, language):
        weighted[term] = weighted.get(term, 0.0) + fusion.HEADING_WEIGHT
    return weighted


def _bm25(stored: Sequence[_Stored], query: str, language: str) -> dict[str, float]:
    """Return the score of every passage that holds a word of the question, each in its own language."""
    wanted = {
        (one.concept, one.language, term): one.weight
        for one in reversed(asked(query, language))
        for term in terms(one.word, one.language)
    }
    spread = Counter((one.language, term) for one in stored for term in one.counts)
    mean = sum(len(one.counts) for one in stored) / len(stored) if stored else 1.0
    scores: dict[str, float] = {}
    for one in stored:
        norm = fusion.BM25_K1 * (1 - fusion.BM25_B + fusion.BM25_B * len(one.counts) / mean)
        worth: dict[int, float] = {}
        for (concept, spoken, term), weight in wanted.items():
            frequency = one.counts.get(term, 0.0)
            if spoken == one.language and frequency:
                holders = spread[spoken, term]
                rarity = math.log(1 + (len(stored) - holders + 0.5) / (holders + 0.5))
                value = weight * rarity * frequency * (fusion.BM25_K1 + 1) / (frequency + norm)
                worth[concept] = max(worth.get(concept, 0.0), value)
        if worth:
            scores[one.key] = sum(worth.values())
    return scores
