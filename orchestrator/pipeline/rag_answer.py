"""The `rag` stage's decision: which passages answer a question, and whether any does."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from orchestrator.engines.classifier import Vector
from orchestrator.engines.lexicon import asked
from orchestrator.engines.retriever import Passage, Retriever
from orchestrator.errors import NoAnswerError
from orchestrator.pipeline.rag_focus import covered, focus, rarity, unknown
from orchestrator.resilience.stop import Stop

#: How many passages an answer is written from.
TOP_K = 5
#: How many passages are looked through for them.
POOL = 20
#: What a name that stands nowhere takes from the evidence: the documents are about somebody else.
_UNKNOWN = 0.15
#: A passage that scores less than this share of the best one only dilutes the answer.
_TAIL = 0.35


@dataclass(frozen=True, slots=True, kw_only=True)
class _Bounds:
    """How evidence is weighed: similarity * its worth + coverage, against two thresholds."""

    similarity: float
    relevant: float
    sure: float


#: Of questions about the example's documents (`rag_dev.yaml`, the router's held-out `rag` ones and 47 more) 69 of 69 in
#: English and 69 of 72 in Spanish pass `relevant`; of questions out of scope, 3 of 113 and 8 of 104 do. A cosine says
#: less in Spanish, because to an English encoder any two Spanish sentences look alike (0.45 is usual).
_BOUNDS: Mapping[str, _Bounds] = {
    "en": _Bounds(similarity=0.5, relevant=0.54, sure=0.8),
    "es": _Bounds(similarity=0.25, relevant=0.5, sure=0.7),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """How much the found passages have to do with the question, before any threshold."""

    #: Highest cosine; 0 when no vector search took part or found anything.
    similarity: float
    #: Largest share of the question's content words that one passage holds, as asked or translated, by rarity.
    coverage: float
    #: How many names of the question none of the passages holds.
    unknown: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """Passages for an answer, the best first; `confident` is false where a person should be told to check."""

    passages: tuple[Passage, ...]
    confident: bool
    evidence: Evidence


def find_passages(
    question: str,
    embedding: Vector | None,
    *,
    tenant: str,
    retriever: Retriever,
    language: str,
    top_k: int = TOP_K,
    stop: Stop | None = None,
    limit_s: float | None = None,
) -> Found:
    """Return the passages of `tenant` that an answer to `question` can be written from.

    Raises:
        NoAnswerError: nothing in the tenant's documents has to do with the question (`rag.no_answer`).
        EngineError: the embedding does not fit the index.
        StoppedError, DeadlineExceededError, StoreDownError: as the retriever says.
    """
    pool = retriever.search(tenant, question, embedding, language=language, top_k=POOL, stop=stop, limit_s=limit_s)
    found = focus(question, pool, language=language)[:top_k]
    evidence = weigh(question, found, pool, language=language)
    bounds = _BOUNDS.get(language, _BOUNDS["en"])
    strength = bounds.similarity * evidence.similarity + evidence.coverage - _UNKNOWN * evidence.unknown
    if not found or strength < bounds.relevant:
        raise NoAnswerError(
            f"no passage fits: similarity {evidence.similarity:.2f}, coverage {evidence.coverage:.2f}",
            detail_key="rag.no_answer",
        )
    kept = tuple(passage for passage in found if passage.score >= _TAIL * found[0].score)
    return Found(passages=kept, confident=strength >= bounds.sure, evidence=evidence)


def weigh(question: str, passages: Sequence[Passage], pool: Sequence[Passage] = (), *, language: str) -> Evidence:
    """Return the evidence of the first three passages; what stands lower was found by accident more often than not.

    `pool` is all that was found, in the index's order: its first three say how near the vectors are, and a name
    that none of it holds is unknown.
    """
    wanted = asked(question, language)
    # The root, because one word that nothing holds ("gripe") must not outweigh three that fit.
    worth = {concept: math.sqrt(rare) for concept, rare in rarity(pool or passages, wanted).items()}
    coverage = max((covered(passage, wanted, worth=worth) for passage in passages[:3]), default=0.0)
    near = (*passages[:3], *pool[:3])
    similarity = max((passage.similarity or 0.0 for passage in near), default=0.0)
    return Evidence(
        similarity=similarity, coverage=coverage, unknown=len(unknown(question, pool or passages, language=language))
    )
