"""Take a document in: read it in the `jobs` worker, embed it in the `gpu` worker, each a job."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict
from typing import Any

import structlog

from orchestrator import catalogue
from orchestrator.automation.run_job import JobContext
from orchestrator.automation.types import JOB_TYPES
from orchestrator.chat.wake import wake_dispatcher
from orchestrator.engines.gpu import GpuEngines
from orchestrator.engines.retriever import Chunk, Retriever
from orchestrator.errors import InvalidInputError, NotFoundError
from orchestrator.pipeline.ingest import embedded_text, ingest, under_title
from orchestrator.pipeline.runtime import current
from orchestrator.store import jobs
from orchestrator.store.engine import json_text, rw
from orchestrator.store.rows import Row, all_rows, one_row, transaction

_logger = structlog.get_logger(__name__)

_LOAD = """
UPDATE switchyard_document d SET state = :state, updated_at = now() FROM switchyard_document_body b
WHERE d.id = :document AND d.tenant_id = :tenant AND d.state <> 'deleted' AND b.document_id = d.id
RETURNING d.id, d.title, d.filename, d.mime, d.language, b.content, b.parsed
"""
_PARSED = "UPDATE switchyard_document_body SET parsed = CAST(:parsed AS jsonb) WHERE document_id = :document"
_TITLED = """
UPDATE switchyard_document
SET title = CASE WHEN title IN ('', filename, regexp_replace(filename, '[.][^.]*$', '')) THEN :title ELSE title END,
       language = :language, updated_at = now() WHERE id = :document
"""
_INDEXED = """
UPDATE switchyard_document SET state = 'indexed', chunks = :chunks, error = '', updated_at = now()
WHERE id = :document AND state = 'parsing' RETURNING id
"""
_FAILED = """
UPDATE switchyard_document SET state = 'failed', error = :error, updated_at = now()
WHERE id = :document AND state <> 'deleted'
"""
#: Every job of it has ended and none has indexed it; a moment's grace, as the next job is inserted by the first.
_GIVE_UP = """
UPDATE switchyard_document d SET state = 'failed', error = :error, updated_at = now()
WHERE d.state IN ('queued', 'parsing') AND d.updated_at < now() - interval '10 seconds'
  AND NOT EXISTS (SELECT 1 FROM switchyard_job j
                  WHERE j.tenant_id = d.tenant_id AND j.created_at >= d.created_at - interval '1 minute'
                    AND j.payload ->> 'document' = d.id
                    AND j.state NOT IN ('SUCCEEDED', 'FAILED', 'CANCELLED', 'TIMED_OUT'))
RETURNING d.id
"""


def read_document(context: JobContext) -> Mapping[str, object]:
    """Parse and cut a document, keep the pieces, and leave the embedding to the next job.

    Raises:
        NotFoundError: it was deleted meanwhile.
        StoppedError: the job was cancelled.
    """
    row = _load(context, state="parsing")
    document = row["id"]
    try:
        taken = ingest(bytes(row["content"]), row["filename"], row["mime"], stop=context.stop)
    except InvalidInputError as exc:
        # The fault lies in the file: the document says so, and the job itself has done its work.
        context.note(f"the file can't be read: {catalogue.of_error(exc, 'en')}", "warning")
        all_rows(rw(), _FAILED, document=document, error=catalogue.of_error(exc, "en"))
        return {"document": document, "state": "failed", "reason": exc.detail_key or exc.code}
    pieces = [asdict(chunk) for chunk in taken.chunks]
    context.note(f"read: {len(pieces)} pieces, language {taken.document.language}")
    with transaction(rw()) as connection:
        all_rows(
            connection,
            _TITLED,
            document=document,
            title=(taken.document.title or row["filename"])[:300],
            language=taken.document.language,
        )
        all_rows(connection, _PARSED, document=document, parsed=json_text({"chunks": pieces}))
        jobs.insert(
            connection,
            tenant=context.own_tenant,
            user=None,
            type="embed_document",
            queue=JOB_TYPES["embed_document"].queue,
            payload={"document": document},
            cid=context.cid,
        )
    here = current()
    wake_dispatcher(here.redis, here.keys)
    return {"document": document, "chunks": len(pieces)}


def embed_document(
    context: JobContext, *, engines: Callable[[], GpuEngines], retriever: Callable[[], Retriever]
) -> Mapping[str, object]:
    """Embed a read document's pieces on the bulk lane and index them.

    Raises:
        NotFoundError: it was deleted meanwhile.
        StoppedError: the job was cancelled.
    """
    row = _load(context, state="parsing")
    # Here and not when it is read: the title in the row is the one that the document keeps.
    pieces = [Chunk(**piece) for piece in (row["parsed"] or {}).get("chunks", ())]
    chunks = under_title(pieces, row["title"])
    gpu = engines()
    vectors = gpu.embed(
        [embedded_text(chunk) for chunk in chunks],
        lane="gpu.bulk",
        stop=context.stop,
        timeout_s=context.deadline.remaining_s(),
    )
    retriever().index(
        context.own_tenant, row["id"], chunks, vectors, model=gpu.embedder.name, language=row["language"] or "en"
    )
    if one_row(rw(), _INDEXED, document=row["id"], chunks=len(chunks)) is None:
        retriever().forget(context.own_tenant, row["id"])
        raise NotFoundError("the document was deleted while it was indexed")
    context.note(f"{len(chunks)} pieces are embedded by {gpu.embedder.name} and can be found")
    return {"document": row["id"], "chunks": len(chunks)}


def give_up() -> list[str]:
    """Mark as failed the documents that no job will index any more, and return their ids.

    Raises:
        StoreDownError: PostgreSQL does not answer.
    """
    return [row["id"] for row in all_rows(rw(), _GIVE_UP, error=catalogue.text("documents.crashed", "en"))]


def _load(context: JobContext, *, state: str) -> Row:
    document: Any = context.payload.get("document")
    row = one_row(rw(), _LOAD, document=document, tenant=context.own_tenant, state=state)
    if row is None:
        raise NotFoundError("the document was deleted")
    return row
