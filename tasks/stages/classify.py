"""The gpu worker's tasks: `classify` and, where a question comes without its vector, `embed`."""

from __future__ import annotations

from functools import partial

from orchestrator.celery import app
from orchestrator.pipeline import stage_classify
from tasks import engines
from tasks.base import StageTask


@app.task(bind=True, base=StageTask, name="stages.classify", queue="gpu")
def classify(self: StageTask, *, turn: str, fence: int, dispatch_no: int) -> None:
    """Route a turn and become the rest of its route."""
    body = partial(stage_classify.classify, engines=engines.gpu())
    self.run_hop("classify", body, turn=turn, fence=fence, dispatch_no=dispatch_no)


@app.task(bind=True, base=StageTask, name="stages.embed", queue="gpu")
def embed(self: StageTask, *, turn: str, fence: int, dispatch_no: int) -> None:
    """Embed a question for the `rag` hop that follows in the chain."""
    body = partial(stage_classify.embed, engines=engines.gpu())
    self.run_hop("embed", body, turn=turn, fence=fence, dispatch_no=dispatch_no)
