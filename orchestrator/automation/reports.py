"""The nightly sales report: a table artifact for each tenant, from its own warehouse."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import timedelta

from orchestrator import ids
from orchestrator.automation.run_job import JobContext
from orchestrator.engines.llm import LanguageModel
from orchestrator.errors import NoAnswerError
from orchestrator.pipeline.sql_answer import answer_sql
from orchestrator.pipeline.stage_sql import limits, preview_of, table_body, today
from orchestrator.pipeline.warehouses import Warehouses
from orchestrator.store import claiming
from orchestrator.store.engine import rw

#: Asked of the semantic layer, so that a company with another schema gets the same report from its own layer.
QUESTION = "net sales by branch yesterday"


def sales_report(
    context: JobContext, *, warehouses: Callable[[], Warehouses], llm: Callable[[], LanguageModel]
) -> Mapping[str, object]:
    """Keep yesterday's sales as an artifact of the job; a tenant without a warehouse has none to report.

    Raises:
        StoppedError: the job was cancelled.
        OrchestratorError: the warehouse does not answer.
    """
    connected = warehouses().of(context.tenant)
    if connected is None:
        return {"skipped": "no warehouse is connected"}
    day = today()
    try:
        answer = answer_sql(
            QUESTION,
            language="en",
            today=day,
            layer=connected.layer,
            warehouse=connected.warehouse,
            llm=llm(),
            limits=limits(),
            deadline=context.deadline,
            stop=context.stop,
        )
    except NoAnswerError:
        return {"skipped": "the semantic layer has no sales by branch"}
    artifact = claiming.keep_artifact(
        rw(),
        artifact=ids.artifact_id(),
        tenant=context.tenant,
        turn=None,
        job=context.job,
        step="report",
        kind="table",
        title=f"Sales of {day - timedelta(days=1):%Y-%m-%d}",
        body=table_body(answer.table) | {"sql": answer.sql, "description": answer.description},
        preview=preview_of(answer.table),
    )
    return {"artifact": artifact, "rows": len(answer.table.rows)}
