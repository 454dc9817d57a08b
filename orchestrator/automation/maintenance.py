"""What a database of this product needs every night, and what its administrator should know of it."""

from __future__ import annotations

from collections.abc import Mapping

from orchestrator.automation.run_job import JobContext
from orchestrator.errors import StoppedError
from orchestrator.store import maintaining
from orchestrator.store.rows import Row

#: Below this nothing worth it can be done with a table, and the figures after it still have to be read.
_LEAST_S = 15.0
_SHOWN = 8


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
            if not row["ours"]:
                not_done[table] = f"it belongs to {row['owner']}, who alone may vacuum it"
            elif (remaining_s := context.deadline.remaining_s() - _LEAST_S) < _LEAST_S:
                left.append(table)
            elif why := maintaining.vacuum(
                connection, table, limit_s=min(maintaining.TABLE_S, remaining_s), stop=context.stop
            ):
                not_done[table] = why
        after = maintaining.look(connection, maintaining.TABLES)
        invalid = maintaining.look(connection, maintaining.INVALID_INDEXES)
        whole = maintaining.look(connection, maintaining.WHOLE)[0]
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
