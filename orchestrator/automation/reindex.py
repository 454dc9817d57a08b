"""Have documents read again whose vectors are another encoder's: a search meets vectors of the present one alone."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import structlog
from django.db import connection

from orchestrator.automation.documents import read_again
from orchestrator.automation.run_job import JobContext
from orchestrator.engines.gpu import GpuEngines
from orchestrator.errors import ConflictError, NotFoundError, StoppedError
from orchestrator.store.engine import ro
from orchestrator.store.rows import all_rows

#: In one night; the rest follows in the next.
MOST = 500
OUTDATED = """
SELECT d.id FROM switchyard_document d
WHERE d.tenant_id = :tenant AND d.state = 'indexed'
  AND EXISTS (SELECT 1 FROM switchyard_chunk c WHERE c.document_id = d.id AND c.model <> :model)
ORDER BY d.created_at LIMIT :most
"""
_logger = structlog.get_logger(__name__)


def reindex(context: JobContext, *, engines: Callable[[], GpuEngines]) -> Mapping[str, object]:
    """Begin the reading of every outdated document, at most 500, and return how many there were.

    They answer with what they have until their new vectors are written. One that is being read already is left alone,
    so a repeat of the job begins nothing twice.

    Raises:
        StoppedError: the job was cancelled in between.
        StoreDownError: PostgreSQL does not answer.
    """
    model = engines().embedder.name
    begun = 0
    try:
        for row in all_rows(ro(), OUTDATED, tenant=context.own_tenant, model=model, most=MOST):
            if context.stop.is_set():
                raise StoppedError("job")
            try:
                read_again(tenant=context.own_tenant, document=row["id"], user=None, cid=context.cid)
            except (ConflictError, NotFoundError) as exc:
                _logger.info("left alone", document=row["id"], reason=str(exc))
                context.note(f"{row['id']} is left alone: {exc}")
            else:
                begun += 1
    finally:
        # Django's own connection, of this thread: no other job of it needs one.
        connection.close()
    context.note(f"{begun} documents are read again for {model}")
    return {"begun": begun, "model": model}
