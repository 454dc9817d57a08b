"""The nightly sales report: a table artifact for each tenant from its own warehouse, mailed to those who subscribed."""

from __future__ import annotations

import datetime as dt
import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import structlog
from django.conf import settings

from orchestrator import ids
from orchestrator.automation.mail import SILENCE_S, Attachment, Mail, Mailer, RefusedError, mailer
from orchestrator.automation.report_letter import letter
from orchestrator.automation.run_job import JobContext
from orchestrator.engines.llm import Language, LanguageModel
from orchestrator.engines.warehouse import Table
from orchestrator.errors import NoAnswerError, StoppedError, UnfinishedError
from orchestrator.pipeline.sql_answer import answer_sql
from orchestrator.pipeline.stage_sql import limits, preview_of, table_body, today
from orchestrator.pipeline.warehouses import Connected, Warehouses
from orchestrator.store import claiming, deliveries
from orchestrator.store.engine import rw
from orchestrator.store.rows import Row, all_rows, one_row

#: Asked of the semantic layer, so that a company with another schema gets the same report from its own layer.
QUESTIONS: Mapping[Language, str] = {
    "en": "net sales by branch yesterday",
    "es": "ventas netas por local de ayer",
}
_logger = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Made:
    """One language's report."""

    table: Table
    description: str
    artifact: str


def sales_report(
    context: JobContext, *, warehouses: Callable[[], Warehouses], llm: Callable[[], LanguageModel]
) -> Mapping[str, object]:
    """Keep the sales of the day before the fire as an artifact of the job, and mail it.

    A night that is caught up reports its own day. A tenant without a warehouse has none to report. A job that is tried
    again finds its artifact made and those served who were.

    Raises:
        StoppedError: the job was cancelled.
        UnfinishedError: its time was up before all had their mail; the rest is the next attempt's.
        OrchestratorError: the warehouse or the mail server does not answer.
    """
    connected = warehouses().of(context.own_tenant)
    if connected is None:
        context.note("there is nothing to report: no warehouse is connected")
        return {"skipped": "no warehouse is connected"}
    day = context.fire_time.date() if context.fire_time is not None else today()
    waiting = all_rows(rw(), deliveries.WAITING, job=context.job)
    made: dict[Language, _Made] = {}
    for language in dict.fromkeys(["en", *(row["language"] for row in waiting)]):
        try:
            made[language] = _make(context, connected, llm(), day, language)
        except NoAnswerError:
            context.note(f"the semantic layer gives no sales by branch in {language!r}", "warning")
            if language == "en":
                return {"skipped": "the semantic layer has no sales by branch"}
    done: dict[str, object] = {"artifact": made["en"].artifact, "rows": len(made["en"].table.rows)}
    url = settings.SWITCHYARD.smtp_url.get_secret_value()
    context.note(f"the report has {done['rows']} rows; {len(waiting)} readers wait for it")
    if not url:
        if waiting:
            context.note("nobody got it: no mail server is set", "warning")
        return done | ({"not_mailed": "no mail server is set"} if waiting else {})
    if waiting:
        with mailer(url, sender=settings.SWITCHYARD.mail_from) as session:
            for served, row in enumerate(waiting):
                if context.stop.is_set():
                    raise StoppedError("job")
                _require_time(context, served, len(waiting))
                _deliver(context, session, row, made.get(row["language"], made["en"]), day)
    counted = one_row(rw(), deliveries.COUNTS, job=context.job) or {}
    context.note(f"mailed to {counted.get('sent', 0)}, {counted.get('refused', 0)} refused")
    return done | {"mailed": counted.get("sent", 0), "refused": counted.get("refused", 0)}


def _make(context: JobContext, connected: Connected, llm: LanguageModel, day: dt.date, language: Language) -> _Made:
    answer = answer_sql(
        QUESTIONS[language],
        language=language,
        today=day,
        layer=connected.layer,
        warehouse=connected.warehouse,
        llm=llm,
        limits=limits(),
        deadline=context.deadline,
        stop=context.stop,
    )
    artifact = claiming.keep_artifact(
        rw(),
        artifact=ids.artifact_id(),
        tenant=context.own_tenant,
        turn=None,
        job=context.job,
        step="report" if language == "en" else f"report-{language}",
        kind="table",
        title=f"Sales of {day - dt.timedelta(days=1):%Y-%m-%d}",
        body=table_body(answer.table) | {"sql": answer.sql, "description": answer.description},
        preview=preview_of(answer.table),
    )
    return _Made(table=answer.table, description=answer.description, artifact=str(artifact))


def _require_time(context: JobContext, served: int, waiting: int) -> None:
    """Begin no mail that a silent server could draw out past the job's limit."""
    if served and context.deadline.remaining_s() < SILENCE_S:
        raise UnfinishedError(f"{served} of {waiting} readers were served in time", stage="job")
    context.deadline.require(SILENCE_S, stage="job")


def _deliver(context: JobContext, session: Mailer, row: Row, made: _Made, day: dt.date) -> None:
    email = row["email"]
    written = letter(
        made.table,
        description=made.description,
        company=row["company"],
        day=day - dt.timedelta(days=1),
        language=row["language"],
        url=settings.SWITCHYARD.public_url,
    )
    all_rows(rw(), deliveries.BEGUN, job=context.job, email=email)
    mail = Mail(
        to=email,
        subject=written.subject,
        text=written.text,
        html=written.html,
        id=f"{context.job}.{_mark(email)}@switchyard",
        attachments=(Attachment(name=written.file_name, mime="application/pdf", content=written.pdf),),
    )
    try:
        session.send(mail)
    except RefusedError as exc:
        _logger.warning("report refused", answer=str(exc))
        all_rows(rw(), deliveries.ENDED, job=context.job, email=email, state="refused", answer=str(exc)[:500])
    else:
        all_rows(rw(), deliveries.ENDED, job=context.job, email=email, state="sent", answer="")


def _mark(email: str) -> str:
    """Return what tells recipients apart in a Message-ID without naming them to the servers on the way."""
    return hashlib.sha256(email.lower().encode()).hexdigest()[:12]
