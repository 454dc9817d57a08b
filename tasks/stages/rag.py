"""The rag worker's task."""

from __future__ import annotations

from functools import partial

from orchestrator.celery import app
from orchestrator.pipeline import stage_rag
from tasks import engines
from tasks.base import StageTask


@app.task(bind=True, base=StageTask, name="stages.rag", queue="rag")
def rag(self: StageTask, *, turn: str, fence: int, dispatch_no: int) -> None:
    """Find a turn's passages."""
    body = partial(stage_rag.find, retriever_of=engines.retriever)
    self.run_hop("rag", body, turn=turn, fence=fence, dispatch_no=dispatch_no)
