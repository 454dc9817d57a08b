"""The sql worker's task."""

from __future__ import annotations

from collections.abc import Sequence

from orchestrator.celery import app
from orchestrator.pipeline import stage_sql
from orchestrator.pipeline.context import Context
from orchestrator.pipeline.retrying import patiently
from orchestrator.publish import HopMessage
from tasks import engines
from tasks.base import StageTask


@app.task(bind=True, base=StageTask, name="stages.sql", queue="sql")
def sql(self: StageTask, *, turn: str, fence: int, dispatch_no: int) -> None:
    """Answer a turn by a table."""
    self.run_hop("sql", _body, turn=turn, fence=fence, dispatch_no=dispatch_no)


def _body(context: Context) -> Sequence[HopMessage]:
    connected = patiently(context, lambda: engines.warehouses().of(context.row["tenant"]))
    return stage_sql.query(context, connected, engines.llm())
