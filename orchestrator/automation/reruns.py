"""A job that failed for good, once more: the same row, so that what it did already is known to it."""

from __future__ import annotations

from functools import cache

import structlog
from django.conf import settings
from redis import Redis

from orchestrator.chat.wake import wake_dispatcher
from orchestrator.errors import ConflictError
from orchestrator.log.clients import sync_client
from orchestrator.log.keys import Keys
from orchestrator.store import jobs
from orchestrator.store.engine import rw

_logger = structlog.get_logger(__name__)


def run_again(job: str, *, fence: int, by: str) -> None:
    """Have a failed job tried anew, with all its attempts; its deliveries, artifact and lines stay.

    `fence` is the failure that was looked at: however often and by whomever it is asked for, one failure is followed by
    one run. `by` is who did it, for the record.

    Raises:
        ConflictError: it is not that failed job (any more), or its company is closed.
        StoreDownError: PostgreSQL does not answer; nothing was done.
    """
    if not jobs.run_again(rw(), job=job, fence=fence, by=by):
        raise ConflictError(f"job {job} is not the failed one", detail_key="error.job_not_failed")
    _logger.info("job is run again", job=job, by=by)
    wake_dispatcher(_redis(settings.SWITCHYARD.redis_url.get_secret_value()), Keys(settings.SWITCHYARD.key_prefix))


@cache
def _redis(url: str) -> Redis:
    return sync_client(url)
