"""The gpu worker's tasks: `classify` and, where a question comes without its vector, `embed`."""

from __future__ import annotations

from collections.abc import Sequence

from orchestrator.celery import app
from orchestrator.pipeline import stage_classify
from orchestrator.pipeline.context import Context
from orchestrator.publish import HopMessage
from tasks import engines
from tasks.base import StageTask


@app.task(bind=True, base=StageTask, name="stages.classify", queue="gpu")
def classify(self: StageTask, *, turn: str, fence: int, dispatch_no: int) -> None:
    """Route a turn and publish the rest of its route."""
    self.run_hop("classify", _classify, turn=turn, fence=fence, dispatch_no=dispatch_no)


@app.task(bind=True, base=StageTask, name="stages.embed", queue="gpu")
def embed(self: StageTask, *, turn: str, fence: int, dispatch_no: int) -> None:
    """Embed a question for the `rag` hop that follows in the chain."""
    self.run_hop("embed", _embed, turn=turn, fence=fence, dispatch_no=dispatch_no)


# The models are asked for inside the claimed stage, so that a failure to load them ends the turn.
def _classify(context: Context) -> Sequence[HopMessage]:
    return stage_classify.classify(context, engines.gpu(), engines.labelled_routes(), engines.figure_names())


def _embed(context: Context) -> Sequence[HopMessage]:
    return stage_classify.embed(context, engines.gpu())
