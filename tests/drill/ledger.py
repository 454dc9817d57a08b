"""What arrived outside, and what PostgreSQL says when all is over."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterable
from contextlib import closing
from pathlib import Path
from typing import Final

import psycopg2

from orchestrator.engines.llm_fake_server import Asked
from tests.drill.facts import Clock, Execution, StageRow, TurnRow

_LINE: Final = re.compile(
    r"^(?P<at>\S+ \S+) UTC \[\d+\].* LOG:  ledger (?P<what>begin|end) "
    r"switchyard:(?P<turn>[^:\s]+):(?P<fence>\d+):(?P<claim>\S+) (?P<number>\d+)"
)
_REQUEST: Final = re.compile(r"^(?P<turn>[^:]+):(?P<fence>\d+):llm:(?P<claim>.+)$")

_TURNS: Final = """
select t.id, coalesce(t.client_id, ''), t.state, coalesce(t.error_code, ''), t.fence,
       extract(epoch from t.created_at), extract(epoch from t.ended_at), t.answer,
       (select count(*) from switchyard_outbox o where o.kind = 'ending' and o.key = t.id),
       (select count(*) from switchyard_outbox o where o.kind = 'ending' and o.key = t.id and o.done_at is null),
       (select coalesce(array_agg(a.step order by a.step), '{}') from switchyard_artifact a where a.turn_id = t.id)
from switchyard_turn t join switchyard_tenant n on n.id = t.tenant_id where n.slug = any(%s) order by t.created_at
"""
_STAGES: Final = """
select s.turn_id, s.fence, s.hop, s.state, coalesce(s.worker, ''), extract(epoch from s.started_at),
       extract(epoch from s.ended_at)
from switchyard_stage s join switchyard_turn t on t.id = s.turn_id join switchyard_tenant n on n.id = t.tenant_id
where n.slug = any(%s) order by s.id
"""
_OPEN: Final = """
select count(*) from switchyard_turn t join switchyard_tenant n on n.id = t.tenant_id
where n.slug = any(%s) and t.state not in ('completed', 'failed', 'cancelled')
"""


def warehouse_executions(log: Path, clock: Clock) -> list[Execution]:
    """Return every statement of the drill's database that began, as its server wrote it down."""
    began: dict[tuple[str, str, str, str], list[float]] = {}
    ended: dict[tuple[str, str, str, str], int] = {}
    with log.open(errors="replace") as lines:
        for line in lines:
            found = _LINE.match(line)
            if found is None:
                continue
            key = (found["turn"], found["fence"], found["claim"], found["number"])
            if found["what"] == "end":
                ended[key] = ended.get(key, 0) + 1
            else:
                at = dt.datetime.fromisoformat(found["at"]).replace(tzinfo=dt.UTC)
                began.setdefault(key, []).append(clock.of_wall(at.timestamp()))
    return [
        Execution(at_s, turn, int(fence), "sql", claim, index < ended.get((turn, fence, claim, number), 0))
        for (turn, fence, claim, number), times in began.items()
        for index, at_s in enumerate(times)
    ]


def llm_executions(asked: Iterable[Asked], clock: Clock) -> list[Execution]:
    """Return every request that the language-model server saw; those without a name are not of a turn."""
    found = ((one, _REQUEST.match(one.request)) for one in asked)
    return [
        Execution(clock.of_wall(one.at_s), named["turn"], int(named["fence"]), "llm", named["claim"], one.whole)
        for one, named in found
        if named is not None
    ]


def open_turns(database_url: str, tenants: Iterable[str]) -> int:
    """Return how many turns have not ended."""
    with closing(psycopg2.connect(database_url, connect_timeout=5)) as database, database.cursor() as cursor:
        cursor.execute(_OPEN, (list(tenants),))
        (count,) = cursor.fetchone() or (0,)
        return int(count)


def untold_endings(database_url: str) -> int:
    """Return how many endings have not yet been told to the log."""
    with closing(psycopg2.connect(database_url, connect_timeout=5)) as database, database.cursor() as cursor:
        cursor.execute("select count(*) from switchyard_outbox where kind = 'ending' and done_at is null")
        (count,) = cursor.fetchone() or (0,)
        return int(count)


def turn_rows(database_url: str, tenants: Iterable[str], clock: Clock) -> list[TurnRow]:
    """Return every turn of the drill, the oldest first."""
    with closing(psycopg2.connect(database_url, connect_timeout=5)) as database, database.cursor() as cursor:
        cursor.execute(_TURNS, (list(tenants),))
        return [
            TurnRow(
                turn=row[0],
                client_id=row[1],
                state=row[2],
                code=row[3],
                fence=row[4],
                created_s=clock.of_wall(float(row[5])),
                ended_s=_since(row[6], clock),
                answer=row[7],
                endings=row[8],
                untold=row[9],
                artifacts=tuple(row[10]),
            )
            for row in cursor.fetchall()
        ]


def stage_rows(database_url: str, tenants: Iterable[str], clock: Clock) -> list[StageRow]:
    """Return every hop of every attempt, the oldest first."""
    with closing(psycopg2.connect(database_url, connect_timeout=5)) as database, database.cursor() as cursor:
        cursor.execute(_STAGES, (list(tenants),))
        return [
            StageRow(
                turn=row[0],
                fence=row[1],
                hop=row[2],
                state=row[3],
                worker=row[4],
                started_s=_since(row[5], clock),
                ended_s=_since(row[6], clock),
            )
            for row in cursor.fetchall()
        ]


def _since(epoch_s: float | None, clock: Clock) -> float | None:
    return None if epoch_s is None else clock.of_wall(float(epoch_s))
