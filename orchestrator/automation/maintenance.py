"""What a database of this product needs every night, and what its administrator should know of it."""

from __future__ import annotations

import time
from collections.abc import Mapping

import psycopg2.extensions

from orchestrator.automation.run_job import JobContext
from orchestrator.errors import StoppedError
from orchestrator.store import maintaining
from orchestrator.store.rows import Row

#: Below this nothing worth it can be done with a table, and the figures after it still have to be read.
_LEAST_S = 15.0
_SHOWN = 8
#: A table that takes so long is told of, also without dead rows.
_LONG_S = 1.0


def maintain(context: JobContext) -> Mapping[str, object]:
    """Vacuum and analyse every table, one after the other, and return sizes, dead rows and what is not well.

    What can't be done is named with its reason and fails nothing: tables of another role, one that is locked, one that
    takes too long. Those that the time did not reach are `left`; the next night begins with the most dead rows.

    Raises:
        StoppedError: the job was cancelled, also in the middle of a table.
        StoreDownError: PostgreSQL does not answer.
    """
    not_done: dict[str, str] = {}
    left: list[str] = []
    with maintaining.connected() as connection:
        before = maintaining.look(connection, maintaining.TABLES)
        for row in before:
            table = row["table"]
            if context.stop.is_set():
                raise StoppedError("job")
            remaining_s = context.deadline.remaining_s() - _LEAST_S
            if not row["ours"]:
                not_done[table] = f"it belongs to {row['owner']}, who alone may vacuum it"
            elif remaining_s < _LEAST_S:
                left.append(table)
            elif why := _vacuum(context, connection, row, limit_s=min(maintaining.TABLE_S, remaining_s)):
                not_done[table] = why
        after = maintaining.look(connection, maintaining.TABLES)
        invalid = maintaining.look(connection, maintaining.INVALID_INDEXES)
        whole = maintaining.look(connection, maintaining.WHOLE)[0]
    for table, why in not_done.items():
        context.note(f"{table} was left out: {why}", "warning")
    if left:
        context.note(f"{len(left)} tables are left for the next night", "warning")
    for row in invalid:
        context.note(f"no query uses the index {row['index']} of {row['table']}: its build failed", "warning")
    return {
        "vacuumed": len(before) - len(not_done) - len(left),
        "dead_rows_before": sum(row["dead"] for row in before),
        "dead_rows_after": sum(row["dead"] for row in after),
        "largest": _largest(before, after),
        "invalid_indexes": [f"{row['index']} of {row['table']}" for row in invalid],
        "not_done": not_done,
        "left": left,
        **whole,
    }


def _vacuum(context: JobContext, connection: psycopg2.extensions.connection, row: Row, *, limit_s: float) -> str | None:
    began_s = time.monotonic()
    why = maintaining.vacuum(connection, row["table"], limit_s=limit_s, stop=context.stop)
    took_s = time.monotonic() - began_s
    if why is None and (row["dead"] or took_s >= _LONG_S):
        context.note(f"{row['table']}: vacuumed in {took_s:.1f} s, {row['dead']} dead rows before")
    return why


def _largest(before: list[Row], after: list[Row]) -> list[dict[str, object]]:
    dead = {row["table"]: row["dead"] for row in before}
    return [
        {
            "table": row["table"],
            "size_bytes": row["size_bytes"],
            "rows": row["live"],
            "dead_before": dead.get(row["table"], 0),
            "dead_after": row["dead"],
        }
        for row in sorted(after, key=lambda row: -row["size_bytes"])[:_SHOWN]
    ]
