"""The `rag` stage: passages that an answer can cite."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from orchestrator import catalogue
from orchestrator.engines.retriever import Passage, Retriever
from orchestrator.events import ArtifactReady
from orchestrator.pipeline import vectors
from orchestrator.pipeline.context import Context
from orchestrator.pipeline.rag_answer import find_passages
from orchestrator.pipeline.retrying import patiently, with_retries
from orchestrator.pipeline.run_stage import finish, keep_artifact
from orchestrator.publish import HopMessage

PREVIEW_PASSAGES = 3


def find(context: Context, retriever_of: Callable[[str | None], Retriever]) -> Sequence[HopMessage]:
    """Find passages, keep them as an artifact and say so.

    `retriever_of` gives the index over the vectors of one embedder: two embedders' vectors must not meet.

    Raises:
        NoAnswerError: nothing in the documents has to do with the question.
    """
    packed = context.carry.get("embedding")
    found = with_retries(
        context,
        lambda: patiently(
            context,
            lambda: find_passages(
                context.row["text"],
                vectors.unpack(packed) if packed else None,
                tenant=context.row["tenant"],
                retriever=retriever_of(context.carry.get("model")),
                language=context.language,
                stop=context.stop,
                limit_s=context.deadline.remaining_s(),
            ),
        ),
    )
    passages = [wire(n, passage) for n, passage in enumerate(found.passages, start=1)]
    preview = {"passages": [{**p, "text": p["text"][:400]} for p in passages[:PREVIEW_PASSAGES]]}
    body = {"passages": passages, "confident": found.confident}
    title = context.row["text"]
    artifact = keep_artifact(context, step="rag", kind="passages", title=title, body=body, preview=preview)
    summary = catalogue.text("summary.rag", context.language, passages=len(passages))
    finish(
        context,
        summary,
        ArtifactReady(
            turn=context.turn,
            artifact=artifact,
            kind="passages",
            url=f"/api/artifacts/{artifact}",
            preview=preview,
            stage="rag",
        ),
    )
    return ()


def wire(n: int, passage: Passage) -> dict[str, Any]:
    """Return a passage as the contract's artifact holds it, with what a citation needs."""
    return {
        "n": n,
        "chunk": passage.chunk,
        "document": passage.document,
        "title": passage.title,
        "heading": passage.heading,
        "text": passage.text,
        "start": passage.start,
        "end": passage.end,
        "score": passage.score,
        "similarity": passage.similarity,
    }


def unwire(body: dict[str, Any]) -> tuple[Passage, ...]:
    """Return the passages of an artifact's body, in order."""
    return tuple(Passage(**{name: value for name, value in p.items() if name != "n"}) for p in body["passages"])
