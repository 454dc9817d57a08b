"""The job types there are and where each runs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class JobType:
    """One kind of automation work."""

    name: str
    queue: str
    #: Longest run before it counts as failed.
    limit_s: float


JOB_TYPES: Mapping[str, JobType] = {
    job_type.name: job_type
    for job_type in (
        # Parsing is untrusted work in a child process; embedding is bulk work on the model's queue.
        JobType(name="read_document", queue="jobs", limit_s=300),
        JobType(name="embed_document", queue="gpu.bulk", limit_s=900),
        JobType(name="sales_report", queue="batch", limit_s=120),
        JobType(name="clean_up", queue="batch", limit_s=300),
        JobType(name="maintenance", queue="batch", limit_s=1800),
        # There, because it asks the encoder for its name.
        JobType(name="reindex", queue="gpu.bulk", limit_s=300),
        # There, because it asks the router itself.
        JobType(name="router_evaluation", queue="gpu.bulk", limit_s=600),
    )
}
