"""The `sql` stage: a question over the company's database becomes a table."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, date, datetime
from typing import Any

from django.conf import settings

from orchestrator import catalogue
from orchestrator.engines.llm import LanguageModel
from orchestrator.engines.warehouse import Column, Limits, Table
from orchestrator.errors import NoAnswerError
from orchestrator.events import ArtifactReady
from orchestrator.pipeline.context import Context
from orchestrator.pipeline.retrying import with_retries
from orchestrator.pipeline.run_stage import finish, keep_artifact
from orchestrator.pipeline.sql_answer import answer_sql
from orchestrator.pipeline.warehouses import Connected
from orchestrator.publish import HopMessage

PREVIEW_ROWS = 20


def query(context: Context, connected: Connected | None, llm: LanguageModel) -> Sequence[HopMessage]:
    """Answer by a table, keep it as an artifact and say so.

    Raises:
        NoAnswerError: no warehouse is connected, or the question is not about what it holds.
        GuardRefusedError: the only statement found may not run.
    """
    if connected is None:
        raise NoAnswerError("no warehouse", detail_key="sql.no_warehouse")
    answer = with_retries(
        context,
        lambda: answer_sql(
            context.row["text"],
            language=context.language,
            today=today(),
            layer=connected.layer,
            warehouse=connected.warehouse,
            llm=llm,
            limits=replace(limits(), run_as=f"switchyard:{context.turn}:{context.fence}:{context.claim}"),
            deadline=context.deadline,
            stop=context.stop,
        ),
    )
    body = table_body(answer.table) | {
        "sql": answer.sql,
        "description": answer.description,
        "source": answer.source,
        "chart": answer.chart_hint,
    }
    preview = preview_of(answer.table)
    title = answer.description or context.row["text"]
    artifact = keep_artifact(context, step="sql", kind="table", title=title, body=body, preview=preview)
    summary = summary_of(answer.table, context.language)
    finish(
        context,
        summary,
        ArtifactReady(
            turn=context.turn,
            artifact=artifact,
            kind="table",
            url=f"/api/artifacts/{artifact}",
            preview=preview,
            stage="sql",
        ),
    )
    return ()


def today() -> date:
    """Return the business day; the example company's data ends the day before."""
    return datetime.now(UTC).date()


def limits() -> Limits:
    """Return what a statement may cost in this deployment."""
    environment = settings.SWITCHYARD
    return Limits(rows=environment.sql_row_limit, timeout_s=environment.sql_timeout_s, cost=environment.sql_cost_limit)


def table_body(table: Table) -> dict[str, Any]:
    """Return a table as the contract's artifact holds it."""
    return {
        "columns": [{"name": c.name, "type": c.type} for c in table.columns],
        "rows": [list(row) for row in table.rows],
        "total": len(table.rows),
        "truncated": table.truncated,
    }


def preview_of(table: Table) -> dict[str, Any]:
    """Return the first 20 rows."""
    body = table_body(table)
    return body | {"rows": body["rows"][:PREVIEW_ROWS]}


def table_of(body: dict[str, Any]) -> Table:
    """Return the table of an artifact's body."""
    return Table(
        columns=tuple(Column(name=c["name"], type=c["type"]) for c in body["columns"]),
        rows=tuple(tuple(row) for row in body["rows"]),
        truncated=body["truncated"],
    )


def summary_of(table: Table, language: str) -> str:
    """Return one line about how many rows there are."""
    if len(table.rows) == 1 and not table.truncated:
        return catalogue.text("summary.sql_one", language)
    key = "summary.sql_truncated" if table.truncated else "summary.sql"
    return catalogue.text(key, language, rows=len(table.rows))
