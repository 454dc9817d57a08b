"""The retriever over PostgreSQL: exact vector search and BM25 inside the tenant, fused, in one statement."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
from sqlalchemy import Connection, Engine, Row, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from orchestrator.engines import fusion
from orchestrator.engines.classifier import Matrix, Vector
from orchestrator.engines.lexicon import asked
from orchestrator.engines.pg_stop import ended_by
from orchestrator.engines.retriever import Chunk, Passage
from orchestrator.errors import DeadlineExceededError, EngineError, NotFoundError, StoppedError, StoreDownError
from orchestrator.resilience.bounded import bounded
from orchestrator.resilience.stop import Stop

#: How long a search may take that nobody bounds; the pool's own `statement_timeout` is below it.
LONGEST_S = 30.0
#: The width of `switchyard_chunk.embedding`.
DIM = 384

# `ts_rank_cd` of one lexeme is the weighted number of its places, which is BM25's term frequency; the number of
# different lexemes stands for the length. Of a concept (a word and its translations) the best word counts, once.
# Each language's words only meet passages of that language, or a Spanish article would count as an English word.
# The vector search is an exact scan of the tenant: an approximate index loses neighbours under a filter
# (measured: 13 % of them in small tenants), and up to some thousand passages a scan takes milliseconds.
# MATERIALIZED and the integer keys are for speed: the planner expects one hit where there are thousands, and would
# compute the rarities again for each (350 ms instead of 5 for 200 passages), or sort whole `tsv`s.
_SEARCH = text("""
WITH live AS MATERIALIZED (
  SELECT row_number() OVER () AS piece, c.id, c.language, c.tsv, length(c.tsv) AS length,
         c.embedding <=> CAST(:vector AS vector) AS distance
    FROM switchyard_chunk c JOIN switchyard_document d ON d.id = c.document_id
   WHERE c.tenant_id = :tenant AND d.tenant_id = :tenant AND d.state = 'indexed'
     AND (CAST(:model AS text) IS NULL OR c.model = :model)
), lexemes AS MATERIALIZED (
  SELECT row_number() OVER () AS word, language, concept, max(weight) AS weight,
         CAST(quote_literal(lexeme) AS tsquery) AS query
    FROM unnest(CAST(:languages AS text[]), CAST(:concepts AS int[]), CAST(:words AS text[]),
                CAST(:weights AS float8[])) AS asked (language, concept, word, weight),
         unnest(to_tsvector(CASE language WHEN 'es' THEN regconfig 'spanish' ELSE regconfig 'english' END, word))
   GROUP BY language, concept, lexeme
), size AS MATERIALIZED (
  SELECT CAST(count(*) AS float8) AS total, CAST(avg(length) AS float8) AS mean FROM live
), hits AS MATERIALIZED (
  SELECT c.piece, c.length, l.word, l.concept, l.weight,
         ts_rank_cd(CAST(:places AS real[]), c.tsv, l.query) * :heading_weight AS frequency
    FROM lexemes l JOIN live c ON c.language = l.language AND c.tsv @@ l.query
), rarity AS MATERIALIZED (
  SELECT word, ln(1 + (total - count(*) + 0.5) / (count(*) + 0.5)) AS idf FROM hits, size GROUP BY word, total
), concepts AS (
  SELECT piece, max(weight * idf * frequency * (:k1 + 1) / (frequency + :k1 * (1 - :b + :b * length / mean))) AS worth
    FROM hits JOIN rarity USING (word), size GROUP BY piece, concept
), ranked AS (
  SELECT piece, sum(worth) AS worth FROM concepts GROUP BY piece
), by_words AS (
  SELECT id, row_number() OVER (ORDER BY worth DESC, id) AS place
    FROM ranked JOIN live USING (piece) ORDER BY place LIMIT :pool
), by_vectors AS (
  SELECT id, 1 - distance AS similarity, row_number() OVER (ORDER BY distance, id) AS place
    FROM live WHERE distance <= 1 - :floor ORDER BY place LIMIT :pool
), fused AS (
  SELECT id, v.similarity, CAST(
           coalesce(:by_words / (:k + w.place), 0) + coalesce(:by_vectors / (:k + v.place), 0) AS float8) AS score
    FROM by_words w FULL JOIN by_vectors v USING (id)
   ORDER BY score DESC, id LIMIT :top_k
)
SELECT c.id, c.document_id, d.title, c.heading, c.text, c.start_at, c.end_at, f.score, f.similarity
  FROM fused f JOIN switchyard_chunk c USING (id) JOIN switchyard_document d ON d.id = c.document_id
 ORDER BY f.score DESC, c.id
""")

# Two ingestions of one document take turns here, and one that comes after the document's removal finds no row.
_LOCK_DOCUMENT = text("SELECT 1 FROM switchyard_document WHERE id = :document AND tenant_id = :tenant FOR UPDATE")
_FORGET = text("DELETE FROM switchyard_chunk WHERE document_id = :document AND tenant_id = :tenant")
_INDEX = text("""
INSERT INTO switchyard_chunk
       (id, tenant_id, document_id, n, heading, text, start_at, end_at, language, model, embedding, tsv)
SELECT id, :tenant, :document, n, heading, body, start_at, end_at, :language, :model, CAST(vector AS vector),
       setweight(to_tsvector(CAST(:config AS regconfig), heading), 'A') || to_tsvector(CAST(:config AS regconfig), body)
  FROM unnest(CAST(:ids AS text[]), CAST(:ns AS int[]), CAST(:headings AS text[]), CAST(:texts AS text[]),
              CAST(:starts AS int[]), CAST(:ends AS int[]), CAST(:embeddings AS text[]))
       AS piece (id, n, heading, body, start_at, end_at, vector)
""")


class PgRetriever:
    """Searches and keeps passages in `switchyard_chunk`; only documents in state `indexed` are found.

    Thread-safe: it holds nothing but the engine's pool. With `model`, passages of another
    embedder are left out until they are indexed again.
    """

    def __init__(self, engine: Engine, *, model: str | None = None) -> None:
        self._engine = engine
        self._model = model

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

        One round trip. Passages in English and in Spanish are both searched; `language`
        only says how much the vectors count and which words of the question carry nothing.

        Raises:
            EngineError: the embedding has another width than the index.
            StoppedError: `stop` was set; the statement has ended in the server, too.
            DeadlineExceededError: it took longer than `limit_s`, and was ended.
            StoreDownError: the database does not answer.
        """
        if embedding is not None and embedding.shape != (DIM,):
            raise EngineError(f"an embedding of {embedding.shape}, the index has {DIM}", engine="retriever")
        weights = fusion.weights_for(language)
        wanted = asked(query, language)
        values = {
            "tenant": tenant,
            "model": self._model,
            "languages": [one.language for one in wanted],
            "concepts": [one.concept for one in wanted],
            "words": [one.word for one in wanted],
            "weights": [one.weight for one in wanted],
            "vector": None if embedding is None else _literal(embedding),
            # No weight may be above 1, so text counts less here and the sum is scaled back.
            "places": [1 / fusion.HEADING_WEIGHT] * 3 + [1.0],
            "heading_weight": fusion.HEADING_WEIGHT,
            "k1": fusion.BM25_K1,
            "b": fusion.BM25_B,
            "pool": fusion.POOL,
            "floor": fusion.SIMILARITY_FLOOR,
            "k": float(fusion.RRF_K),
            "by_words": weights.words,
            "by_vectors": weights.vectors,
            "top_k": top_k,
        }
        asked_to_end = stop or Stop()
        try:
            rows = bounded(
                lambda inner: self._found(values, inner),
                stop=asked_to_end,
                limit_s=LONGEST_S if limit_s is None else limit_s,
                name="retriever",
            )
        except (TimeoutError, StoppedError) as exc:
            if asked_to_end.is_set():
                raise StoppedError("sql") from None
            raise DeadlineExceededError("the search took too long", stage="rag") from exc
        return [
            Passage(
                chunk=row.id,
                document=row.document_id,
                title=row.title,
                heading=row.heading,
                text=row.text,
                start=row.start_at,
                end=row.end_at,
                score=float(row.score),
                similarity=None if row.similarity is None else float(row.similarity),
            )
            for row in rows
        ]

    def _found(self, values: Mapping[str, object], stop: Stop) -> Sequence[Row[Any]]:
        if stop.is_set():
            raise StoppedError("sql")
        with _store_errors(stop), self._engine.connect() as connection:
            try:
                with ended_by(stop, connection.connection.driver_connection):
                    return connection.execute(_SEARCH, values).all()
            finally:
                if stop.is_set():
                    # A cancel may still be on its way; it must not hit the pool's next statement.
                    connection.invalidate()

    def index(
        self, tenant: str, document: str, chunks: Sequence[Chunk], embeddings: Matrix, *, model: str, language: str
    ) -> None:
        """Replace the document's passages by these, in one transaction; repeating it changes nothing.

        It leaves the document's state alone: whoever ingests sets `indexed` afterwards.

        Raises:
            EngineError: `embeddings` does not fit `chunks` or the index's width.
            NotFoundError: the tenant has no such document.
            StoreDownError: the database does not answer.
        """
        if embeddings.shape != (len(chunks), DIM) or not np.isfinite(embeddings).all():
            raise EngineError(f"embeddings of {embeddings.shape} for {len(chunks)} chunks", engine="retriever")
        values = {
            "tenant": tenant,
            "document": document,
            "language": language,
            "model": model,
            "config": "spanish" if language == "es" else "english",
            "ids": [_chunk_id(tenant, document, chunk.n) for chunk in chunks],
            "ns": [chunk.n for chunk in chunks],
            "headings": [chunk.heading for chunk in chunks],
            "texts": [chunk.text for chunk in chunks],
            "starts": [chunk.start for chunk in chunks],
            "ends": [chunk.end for chunk in chunks],
            "embeddings": [_literal(row) for row in embeddings],
        }
        with _store_errors(), self._engine.begin() as connection:
            _lock(connection, tenant, document)
            connection.execute(_FORGET, {"tenant": tenant, "document": document})
            connection.execute(_INDEX, values)

    def forget(self, tenant: str, document: str) -> int:
        """Remove the document's passages and return how many there were.

        Raises:
            StoreDownError: the database does not answer.
        """
        with _store_errors(), self._engine.begin() as connection:
            return connection.execute(_FORGET, {"tenant": tenant, "document": document}).rowcount


def _lock(connection: Connection, tenant: str, document: str) -> None:
    if connection.execute(_LOCK_DOCUMENT, {"tenant": tenant, "document": document}).first() is None:
        raise NotFoundError(f"no document {document}")


def _chunk_id(tenant: str, document: str, n: int) -> str:
    """Return the same id whenever the same piece is indexed, so that a repeated ingestion changes no citation."""
    return "chk_" + hashlib.sha256(f"{tenant}/{document}/{n}".encode()).hexdigest()[:26]


def _literal(vector: Vector) -> str:
    return "[" + ",".join(map(str, vector.tolist())) + "]"


@contextmanager
def _store_errors(stop: Stop | None = None) -> Iterator[None]:
    """Say which failures are the database's and not the statement's, or the stop's."""
    try:
        yield
    except PoolTimeoutError as exc:
        raise StoreDownError("no free database connection", dependency="database") from exc
    except DBAPIError as exc:
        if stop is not None and stop.is_set():
            raise StoppedError("sql") from exc
        # psycopg2 raises OperationalError and InterfaceError for what is down; the rest is our mistake.
        if exc.connection_invalidated or type(exc).__name__ in ("OperationalError", "InterfaceError"):
            raise StoreDownError("the database does not answer", dependency="database") from exc
        raise
