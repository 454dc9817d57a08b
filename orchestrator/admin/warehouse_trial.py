"""Try a connected database from the admin: does it answer, and what does a question become?"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final, Literal, cast

from orchestrator.admin.diagnosis.warehouses import hardening_gaps
from orchestrator.engines.warehouse import Warehouse as Port
from orchestrator.engines.warehouse_sql import open_warehouse
from orchestrator.pipeline.semantic.model import SemanticLayer
from orchestrator.pipeline.sql_answer import Origin, answer_sql
from orchestrator.pipeline.stage_sql import limits, today
from orchestrator.resilience.deadline import Deadline
from orchestrator.resilience.stop import Stop
from orchestrator.tenants.models import Warehouse
from orchestrator.tenants.sealing import unseal

LIMIT_MS: Final = 15_000
#: Rows on the page.
SHOWN: Final = 20
_WORDS: dict[Origin, str] = {
    "verified": "a verified query",
    "semantic": "the semantic layer",
    "generated": "a language model",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """What a connection showed."""

    took_ms: int
    relations: int
    columns: int
    #: What the role can do beyond reading.
    gaps: Sequence[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """What a question became."""

    source: str
    description: str
    sql: str
    headings: Sequence[str]
    rows: Sequence[Sequence[object]]
    total: int


def connection(warehouse: Warehouse) -> Found:
    """Return what is seen of the database now.

    Raises:
        OrchestratorError: it does not answer, or its address was sealed with another key.
    """
    began_s = time.monotonic()
    with opened(warehouse) as port:
        relations = port.catalogue()
    return Found(
        took_ms=round((time.monotonic() - began_s) * 1000),
        relations=len(relations),
        columns=sum(len(columns) for columns in relations.values()),
        gaps=hardening_gaps(unseal(bytes(warehouse.url_encrypted))),
    )


def question(warehouse: Warehouse, text: str, *, layer: SemanticLayer | None = None, language: str) -> Trial:
    """Return how a layer, or the one that is kept, answers a question, without a language model.

    Raises:
        OrchestratorError: it has no answer, or the database has none in 15 s.
    """
    layer = layer or SemanticLayer.model_validate(warehouse.layer)
    with opened(warehouse) as port:
        answer = answer_sql(
            text,
            language=cast("Literal['en', 'es']", language),
            today=today(),
            layer=layer,
            warehouse=port,
            llm=None,
            limits=limits(),
            deadline=Deadline.after_ms(LIMIT_MS),
            stop=Stop(),
        )
    return Trial(
        source=_WORDS[answer.source],
        description=answer.description,
        sql=answer.sql,
        headings=[column.name for column in answer.table.columns],
        rows=answer.table.rows[:SHOWN],
        total=len(answer.table.rows),
    )


@contextmanager
def opened(warehouse: Warehouse) -> Iterator[Port]:
    """Open the database for a trial.

    Raises:
        OrchestratorError: its address was sealed with another key.
    """
    port = open_warehouse(unseal(bytes(warehouse.url_encrypted)))
    try:
        yield port
    finally:
        port.close()
