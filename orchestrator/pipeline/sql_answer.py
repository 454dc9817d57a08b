"""From a question to rows: a verified query, the semantic layer, a language model with one repair, or an honest no."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, replace
from typing import Final, Literal

import structlog
from sqlglot import exp

from orchestrator.engines.llm import LanguageModel
from orchestrator.engines.warehouse import Limits, Table, Warehouse
from orchestrator.errors import EngineError, GuardRefusedError, NoAnswerError
from orchestrator.pipeline.prompts_sql import repair_messages, sql_of, sql_prompt
from orchestrator.pipeline.semantic.compose import compose
from orchestrator.pipeline.semantic.describe import describe
from orchestrator.pipeline.semantic.lexicon import Lexicon
from orchestrator.pipeline.semantic.model import SemanticLayer
from orchestrator.pipeline.semantic.offer import offers
from orchestrator.pipeline.semantic.query import Misread, Query
from orchestrator.pipeline.semantic.reading import read
from orchestrator.pipeline.semantic.texts import day_label, quoted
from orchestrator.pipeline.semantic.values import Lexicons
from orchestrator.pipeline.semantic.verified import Embed, find_verified
from orchestrator.pipeline.sql_guard import guard, guard_tree
from orchestrator.resilience.deadline import Deadline
from orchestrator.resilience.stop import Stop

log = structlog.get_logger(__name__)

Language = Literal["en", "es"]
Origin = Literal["verified", "semantic", "generated"]
Chart = Literal["line", "bar", "number"]

#: Seconds of the deadline that a statement must leave for what comes after it.
RESERVE_S: Final = 0.5
MAX_TOKENS: Final = 900
_LEXICONS: Final = Lexicons()


@dataclass(frozen=True, slots=True, kw_only=True)
class SqlAnswer:
    """Rows, the statement that gave them, and what they mean."""

    table: Table
    sql: str
    #: One line in the user's language; empty for a generated statement.
    description: str
    source: Origin
    chart_hint: Chart | None


def answer_sql(
    question: str,
    *,
    language: Language,
    today: dt.date,
    layer: SemanticLayer,
    warehouse: Warehouse,
    llm: LanguageModel | None,
    limits: Limits,
    deadline: Deadline,
    stop: Stop,
    embed: Embed | None = None,
) -> SqlAnswer:
    """Return the rows that answer the question.

    `today` is the first day without rows. `embed` makes verified queries easier to find; without it words decide.

    Raises:
        NoAnswerError: the data has no answer that we are sure of; `facts` says what could be asked. Or it ends before
            the days that are asked for; `facts` is its last day.
        DeadlineExceededError: the deadline or the statement's own limit passed.
        StoppedError, DependencyDownError: as the warehouse and the model say.
    """
    runner = _Runner(warehouse=warehouse, limits=limits, deadline=deadline, stop=stop)
    lexicon = _LEXICONS.get(layer, warehouse, limits=limits, stop=stop)
    found = find_verified(question, lexicon, language=language, today=today, embed=embed)
    if found is not None:
        table, sql = runner.run_tree(found.tree)
        return SqlAnswer(
            table=table, sql=sql, description=found.description, source="verified", chart_hint=_chart(table)
        )
    try:
        query = read(question, lexicon, today=today)
        tree = compose(query, layer, language=language)
    except Misread as exc:
        log.info("sql.not_understood", reason=exc.reason, words=exc.words)
    else:
        table, sql = runner.run_tree(tree)
        if query.span is not None and (query.span.start or today) >= today and _is_void(table):
            last = day_label(today - dt.timedelta(days=1), language)
            raise NoAnswerError("the range has no rows yet", detail_key="sql.no_data_yet", facts=(last,))
        line = describe(query, layer, language=language)
        return SqlAnswer(table=table, sql=sql, description=line, source="semantic", chart_hint=_hint(query, table))
    if llm is not None and llm.completes:
        generated = _generate(question, lexicon, llm, runner, today=today)
        if generated is not None:
            return generated
    offered = tuple(quoted(text, language) for text in offers(lexicon, question, language=language, today=today))
    raise NoAnswerError(
        "the question is beyond the layer",
        detail_key="sql.no_answer" if offered else "sql.no_answer_plain",
        facts=offered,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Runner:
    """Guards and runs within what is left of the deadline."""

    warehouse: Warehouse
    limits: Limits
    deadline: Deadline
    stop: Stop

    def run_tree(self, tree: exp.Expr) -> tuple[Table, str]:
        guarded = guard_tree(
            tree, dialect=self.warehouse.dialect, catalogue=self.warehouse.catalogue(), limit_rows=self.limits.rows
        )
        return self._run(guarded.sql), guarded.sql

    def run_text(self, sql: str) -> tuple[Table, str]:
        guarded = guard(
            sql, dialect=self.warehouse.dialect, catalogue=self.warehouse.catalogue(), limit_rows=self.limits.rows
        )
        return self._run(guarded.sql), guarded.sql

    def _run(self, sql: str) -> Table:
        self.deadline.require(RESERVE_S, stage="sql")
        timeout_s = min(self.limits.timeout_s, self.deadline.remaining_s() - RESERVE_S / 2)
        return self.warehouse.run(sql, limits=replace(self.limits, timeout_s=timeout_s), stop=self.stop)


def _generate(
    question: str, lexicon: Lexicon, llm: LanguageModel, runner: _Runner, *, today: dt.date
) -> SqlAnswer | None:
    """Ask the model for a statement, and once more when the first was refused or failed."""
    dialect = runner.warehouse.dialect
    system, messages = sql_prompt(
        question, lexicon=lexicon, catalogue=runner.warehouse.catalogue(), dialect=dialect, today=today.isoformat()
    )
    for attempt in (1, 2):
        answer = llm.complete(system, messages, max_tokens=MAX_TOKENS, deadline=runner.deadline, stop=runner.stop)
        sql = sql_of(answer)
        if sql is None:
            return None
        try:
            table, ran = runner.run_text(sql)
        except GuardRefusedError as exc:
            reason = exc.reason
        except EngineError as exc:
            if exc.engine != "warehouse":
                raise
            reason = str(exc)
        else:
            return SqlAnswer(table=table, sql=ran, description="", source="generated", chart_hint=_chart(table))
        log.info("sql.generated_refused", attempt=attempt, reason=reason)
        messages = repair_messages(messages, answer, reason)
    return None


def _is_void(table: Table) -> bool:
    """Return whether the rows hold no figure but nothing and zero."""
    return not any(cell for row in table.rows for cell in row)


def _hint(query: Query, table: Table) -> Chart | None:
    if query.groups and query.groups[0] in ("day", "week", "month", "quarter", "year") and len(table.rows) > 1:
        return "line"
    return _chart(table)


def _chart(table: Table) -> Chart | None:
    if len(table.rows) == 1 and len(table.columns) <= 4:
        return "number"
    numbers = [column for column in table.columns if column.type in ("integer", "number")]
    if not numbers or len(table.rows) < 2:
        return None
    if table.columns[0].type in ("date", "datetime"):
        return "line"
    return "bar" if len(table.rows) <= 40 else None
