"""Take documents in, list them, take them out. The reading itself is a job that the dispatcher releases."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache, partial
from pathlib import PurePosixPath
from typing import Any

from django.conf import settings
from django.db import IntegrityError, transaction
from django.db.models import Q
from django.utils import timezone
from redis import Redis

from orchestrator import catalogue
from orchestrator.automation.models import Job
from orchestrator.automation.states import JobState
from orchestrator.chat.wake import signal_cancel, wake_dispatcher
from orchestrator.errors import (
    ConflictError,
    ForbiddenError,
    InvalidInputError,
    NotFoundError,
    QuotaExceededError,
    TooBigError,
)
from orchestrator.log.clients import sync_client
from orchestrator.log.keys import Keys
from orchestrator.pipeline.models import Chunk, Document, DocumentBody
from orchestrator.tenants.models import Tenant

READ_JOB = "read_document"
JOB_QUEUE = "jobs"
_WAITING = (JobState.CREATED, JobState.PENDING, JobState.RETRY_WAIT)
_UNDER_WAY = (JobState.ASSIGNED, JobState.RUNNING)


@dataclass(frozen=True, slots=True, kw_only=True)
class DocumentRow:
    """A document as its tenant's people see it."""

    id: str
    title: str
    filename: str
    state: str
    #: What went wrong, in the reader's language.
    error: str | None
    chunks: int
    size_bytes: int
    created_by: str | None
    created_at: datetime

    def wire(self) -> dict[str, Any]:
        """Return the contract's Document."""
        shape: dict[str, Any] = {
            "id": self.id,
            "title": self.title,
            "filename": self.filename,
            "state": self.state,
            "error": self.error,
            "chunks": self.chunks,
            "size_bytes": self.size_bytes,
            "created_at": self.created_at.isoformat(),
        }
        return {name: value for name, value in shape.items() if value is not None}


def add_document(
    *, tenant: str, user: str, filename: str, mime: str, content: bytes, title: str | None = None, cid: str
) -> DocumentRow:
    """Keep a document and have it read; the same bytes again give the document there is.

    A document whose reading failed is read again.

    Raises:
        QuotaExceededError: the tenant keeps as many as it may.
        InvalidInputError: there is nothing in it.
        TooBigError: it is over `SWITCHYARD_MAX_UPLOAD_BYTES`.
    """
    limit = settings.SWITCHYARD.max_upload_bytes
    if len(content) > limit:
        raise TooBigError("document too big", limit=limit, field="file")
    if not content.strip():
        raise InvalidInputError("empty document", field="file", detail_key="documents.empty")
    name = _harmless(PurePosixPath(filename.replace("\\", "/")).name) or "document"
    digest = hashlib.sha256(content).digest()
    known = _same(tenant, digest)
    if known is None:
        try:
            with transaction.atomic():
                _require_room(tenant)
                known = Document.objects.create(
                    tenant_id=tenant,
                    created_by_id=user,
                    title=(_harmless(title or "") or PurePosixPath(name).stem)[:300],
                    filename=name[:300],
                    mime=_harmless(mime)[:120],
                    size_bytes=len(content),
                    digest=digest,
                )
                DocumentBody.objects.create(document=known, content=content)
                _begin_reading(known, user=user, cid=cid)
        except IntegrityError:
            # The same bytes came twice at once; the other call was first.
            known = _same(tenant, digest)
            if known is None:
                raise
    elif known.state == "failed":
        read_again(tenant=tenant, document=known.pk, user=user, cid=cid)
        known.refresh_from_db()
    return _row(known, "en")


def _require_room(tenant: str) -> None:
    if Tenant.objects.filter(pk=tenant, most_documents__isnull=True).exists():
        return
    # Two uploads at once wait for each other here, or both would take the last place.
    row = Tenant.objects.select_for_update(no_key=True).get(pk=tenant)
    kept = Document.objects.filter(tenant_id=tenant).exclude(state="deleted").count()
    if row.most_documents is not None and kept >= row.most_documents:
        raise QuotaExceededError("documents", limit=row.most_documents, detail_key="error.quota_documents")


def read_again(*, tenant: str, document: str, user: str | None, cid: str) -> None:
    """Have a document read anew, for example after its reading failed.

    Raises:
        NotFoundError: the tenant has no such document.
        ConflictError: it is waiting to be read or being read already.
    """
    with transaction.atomic():
        row = Document.objects.select_for_update().filter(pk=document, tenant_id=tenant).first()
        if row is None or row.state == "deleted":
            raise NotFoundError("no such document")
        if _jobs_of(document).filter(state__in=[*_WAITING, *_UNDER_WAY]).exists():
            raise ConflictError("already being read", detail_key="error.documents_waiting")
        row.state, row.error = "queued", ""
        row.save(update_fields=["state", "error", "updated_at"])
        _begin_reading(row, user=user, cid=cid)


def page(*, tenant: str, language: str, limit: int, after: str | None) -> dict[str, Any]:
    """Return `{items, next?}`, the newest first; ids begin with the time, so they order and page the list."""
    rows = Document.objects.filter(tenant_id=tenant).exclude(state="deleted").order_by("-pk")
    if after is not None:
        rows = rows.filter(pk__lt=after)
    found = list(rows[: limit + 1])
    listed: dict[str, Any] = {"items": [_row(row, language).wire() for row in found[:limit]]}
    if len(found) > limit:
        listed["next"] = found[limit - 1].pk
    return listed


def read_document(*, tenant: str, document: str, language: str) -> DocumentRow:
    """Return one document.

    Raises:
        NotFoundError: the tenant has none such (any more).
    """
    return _row(_existing(tenant, document), language)


def remove_document(*, tenant: str, document: str, user: str, may_remove_all: bool) -> None:
    """Forget a document: its passages and bytes are gone, a job that reads it is stopped.

    Args:
        tenant: from the credentials.
        document: which one.
        user: from the credentials.
        may_remove_all: whether the caller may also remove what others gave.

    Raises:
        NotFoundError: the tenant has none such (any more).
        ForbiddenError: somebody else gave it.
    """
    row = _existing(tenant, document)
    if row.created_by_id != user and not may_remove_all:
        raise ForbiddenError("somebody else's document")
    with transaction.atomic():
        # The lock that `Retriever.index` takes too: what is being indexed is in, and removed here, or finds no row.
        locked = Document.objects.select_for_update().filter(pk=document, tenant_id=tenant).first()
        if locked is None or locked.state == "deleted":
            raise NotFoundError("no such document")
        Chunk.objects.filter(document=locked).delete()
        DocumentBody.objects.filter(document=locked).delete()
        locked.state, locked.error, locked.chunks = "deleted", "", 0
        locked.save(update_fields=["state", "error", "chunks", "updated_at"])
        now = timezone.now()
        _jobs_of(document).filter(state__in=_WAITING).update(state=JobState.CANCELLED.value, ended_at=now)
        running = list(_jobs_of(document).filter(state__in=_UNDER_WAY).values_list("pk", flat=True))
        Job.objects.filter(pk__in=running).update(cancel_requested_at=now)
        transaction.on_commit(partial(_stop, running))


def _begin_reading(document: Document, *, user: str | None, cid: str) -> None:
    Job.objects.create(
        tenant_id=document.tenant_id,
        created_by_id=user,
        type=READ_JOB,
        state=JobState.PENDING.value,
        queue=JOB_QUEUE,
        payload={"document": document.pk},
        cid=cid,
    )
    transaction.on_commit(_wake)


def _wake() -> None:
    wake_dispatcher(_redis(), _keys())


def _stop(jobs: Sequence[str]) -> None:
    for job in jobs:
        signal_cancel(_redis(), _keys(), job)


@cache
def _redis_of(url: str) -> Redis:
    return sync_client(url)


def _redis() -> Redis:
    return _redis_of(settings.SWITCHYARD.redis_url.get_secret_value())


def _keys() -> Keys:
    return Keys(settings.SWITCHYARD.key_prefix)


def _jobs_of(document: str) -> Any:  # Any: a queryset whose stub type has two parameters nobody reads
    return Job.objects.filter(Q(type=READ_JOB) & Q(payload__document=document))


def _same(tenant: str, digest: bytes) -> Document | None:
    return Document.objects.filter(tenant_id=tenant, digest=digest).exclude(state="deleted").first()


def _existing(tenant: str, document: str) -> Document:
    row = Document.objects.filter(pk=document, tenant_id=tenant).exclude(state="deleted").first()
    if row is None:
        raise NotFoundError("no such document")
    return row


def _harmless(text: str) -> str:
    """Return `text` on one line, without what a database or a terminal would stumble over."""
    return "".join(letter if letter.isprintable() else " " for letter in text).strip()


def _row(row: Document, language: str) -> DocumentRow:
    return DocumentRow(
        id=row.pk,
        title=row.title,
        filename=row.filename,
        state=row.state,
        error=_spoken(row.error, language) if row.error else None,
        chunks=row.chunks,
        size_bytes=row.size_bytes,
        created_by=row.created_by_id,
        created_at=row.created_at,
    )


def _spoken(error: str, language: str) -> str:
    """Return a stored error, which is a sentence or a key of the catalogue, as a sentence."""
    facts: Mapping[str, object] = {"limit": settings.SWITCHYARD.max_upload_bytes}
    return catalogue.text(error, language, **facts) if catalogue.has(error) else error
