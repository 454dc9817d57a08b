"""The task of every job: its message is a wake-up, acknowledged early; the row's lease recovers it."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

import structlog
from celery import Task
from django.conf import settings

from orchestrator.automation import clean_up, ingestion, maintenance, reindex, reports, router_evaluation
from orchestrator.automation.run_job import Work, decline, run_job
from orchestrator.celery import app
from orchestrator.pipeline import runtime
from tasks import engines
from tasks.drain import draining

#: Job type -> what does it.
WORKS: Mapping[str, Work] = {
    "read_document": ingestion.read_document,
    "embed_document": partial(ingestion.embed_document, engines=engines.gpu, retriever=engines.retriever),
    "sales_report": partial(reports.sales_report, warehouses=engines.warehouses, llm=engines.llm),
    "clean_up": clean_up.clean_up,
    "maintenance": maintenance.maintain,
    "reindex": partial(reindex.reindex, engines=engines.gpu),
    "router_evaluation": partial(
        router_evaluation.router_evaluation,
        engines=engines.gpu,
        questions_dir=settings.BASE_DIR / "deploy" / "example" / "questions",
    ),
}


@app.task(bind=True, name="jobs.run", queue="jobs", acks_late=False, ignore_result=True)
def run(self: Task, *, job: str, fence: int, dispatch_no: int) -> None:  # type: ignore[type-arg]  # as in tasks.base
    """Run a job's current attempt."""
    with structlog.contextvars.bound_contextvars(task=self.request.id):
        if draining():
            # Its message is acknowledged, so that the broker can't give it to somebody else; the row can.
            decline(runtime=runtime.current(), job=job, fence=fence, dispatch_no=dispatch_no)
            return
        run_job(WORKS, runtime=runtime.current(), job=job, fence=fence, dispatch_no=dispatch_no)
