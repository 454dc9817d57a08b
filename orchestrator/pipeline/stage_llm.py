"""The `llm` stage: the answer, streamed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from orchestrator import catalogue
from orchestrator.engines.llm import Exchange, Language, LanguageModel, Material, Piece, TableMaterial, Usage
from orchestrator.engines.retriever import Passage
from orchestrator.errors import EngineError, StoppedError
from orchestrator.events import MessageCompleted, MessageStarted
from orchestrator.pipeline.citations import cite
from orchestrator.pipeline.context import Context
from orchestrator.pipeline.retrying import patiently, with_retries
from orchestrator.pipeline.run_stage import end
from orchestrator.pipeline.semantic.lexicon import Lexicon
from orchestrator.pipeline.semantic.offer import offers
from orchestrator.pipeline.semantic.texts import quoted
from orchestrator.pipeline.stage_rag import unwire
from orchestrator.pipeline.stage_sql import table_of, today
from orchestrator.pipeline.warehouses import Connected
from orchestrator.publish import HopMessage
from orchestrator.store import claiming
from orchestrator.store.engine import rw
from orchestrator.store.rows import Row

#: Earlier exchanges a model is shown.
HISTORY = 6
_MEASURES = 5
_EXAMPLES = 2


def write(context: Context, llm: LanguageModel, connected: Connected | None) -> Sequence[HopMessage]:
    """Write the answer from what the earlier stages left, stream it, and end the turn.

    Raises:
        StoppedError: the user's stop reached the stream.
        OrchestratorError: the model failed; after the first piece nothing is tried again.
    """
    artifacts = patiently(context, lambda: claiming.artifacts_of(rw(), context.turn))
    material = patiently(context, lambda: material_of(context, artifacts, connected))
    message = context.row["message"]
    context.log.say(MessageStarted(turn=context.turn, attempt=context.fence, message=message))
    text, usage = _stream(context, llm, material)
    if not text.strip():
        raise EngineError("the model wrote nothing", engine="llm")
    passages = next((a for a in artifacts if a["kind"] == "passages"), None)
    citations = (
        tuple(c.wire() for c in cite(text, artifact=passages["id"], passages=material.passages)) if passages else ()
    )
    summary = catalogue.text("summary.llm", context.language, words=len(text.split()), model=usage.model)
    context.log.say(context.finished(summary))
    end(
        context,
        MessageCompleted(
            turn=context.turn,
            attempt=context.fence,
            message=message,
            text=text,
            citations=citations,
            usage={"input_tokens": usage.input_tokens, "output_tokens": usage.output_tokens, "model": usage.model},
            timeline=context.timeline("done"),
        ),
        summary=summary,
    )
    return ()


def _stream(context: Context, llm: LanguageModel, material: Material) -> tuple[str, Usage]:
    parts: list[str] = []
    usage = Usage(input_tokens=0, output_tokens=0, model=llm.name)
    flusher, log = context.runtime.flusher, context.log
    # Only the way to the first piece is tried again: after it, readers have seen text.
    piece, pieces = with_retries(context, lambda: _first(llm, material, context))
    try:
        while piece is not None:
            # No row can hold a null character, and the log must say what the row says.
            if text := piece.text.replace("\x00", ""):
                parts.append(text)
                log.write(text)
                flusher.mark(log)
            usage = piece.usage or usage
            if context.stop.is_set():
                raise StoppedError("llm")
            piece = next(pieces, None)
    finally:
        flusher.forget(log)
        log.flush()
    return "".join(parts), usage


def _first(llm: LanguageModel, material: Material, context: Context) -> tuple[Piece | None, Iterator[Piece]]:
    pieces = llm.write(material, deadline=context.deadline, stop=context.stop)
    return next(pieces, None), pieces


def material_of(context: Context, artifacts: Sequence[Row], connected: Connected | None) -> Material:
    """Return what the answer is written from: the turn's table or passages, its history, what the tenant can ask."""
    ask_back = context.carry.get("ask_back")
    return Material(
        question=context.row["text"],
        language=context.language,
        route=context.route,
        tenant_name=context.row["tenant_name"],
        mode="answer" if ask_back is None else "ask_back",
        table=next((_table(a) for a in artifacts if a["kind"] == "table"), None),
        passages=next((unwire(a["body"]) for a in artifacts if a["kind"] == "passages"), tuple[Passage, ...]()),
        history=tuple(
            Exchange(question=row["question"], answer=row["answer"])
            for row in claiming.exchanges(
                rw(), conversation=context.row["conversation"], turn=context.turn, most=HISTORY
            )
        ),
        alternatives=tuple(ask_back or ()),
        abilities=abilities(context.language, connected) if context.route == "chat" else (),
        key=f"{context.turn}:{context.fence}:llm",
        claim=context.claim,
    )


def abilities(language: Language, connected: Connected | None) -> tuple[str, ...]:
    """Return what a tenant may ask for, in the user's language."""
    known: tuple[str, ...] = ()
    examples: tuple[str, ...] = ()
    if connected is not None:
        labels = [measure.labels.shown(language) for measure in connected.layer.measures.values() if not measure.hidden]
        names = ", ".join(labels[:_MEASURES])
        known = (catalogue.text("abilities.sql", language, facts=names),)
        # Without the database's values: the examples name none.
        lexicon = Lexicon(connected.layer, {})
        examples = tuple(quoted(text, language) for text in offers(lexicon, "", language=language, today=today()))
    return (*known, catalogue.text("abilities.rag", language), *examples[:_EXAMPLES])


def _table(artifact: Row) -> TableMaterial:
    body = artifact["body"]
    return TableMaterial(table=table_of(body), description=body.get("description", ""), sql=body["sql"])
