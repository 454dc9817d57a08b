"""Read an artifact: a page of a table's rows, the passages, the SQL, the chart's description."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from orchestrator.errors import InvalidInputError, NotFoundError
from orchestrator.store.engine import ro
from orchestrator.store.rows import one_row

#: A turn's artifact belongs to whoever asked; a job's (a report) to the tenant.
_READ = """
SELECT a.id, a.kind, a.title, a.body FROM switchyard_artifact a
LEFT JOIN switchyard_turn t ON t.id = a.turn_id
LEFT JOIN switchyard_conversation c ON c.id = t.conversation_id
WHERE a.id = :artifact AND a.tenant_id = :tenant
  AND ((a.turn_id IS NULL AND a.job IS NOT NULL) OR (t.user_id = :user AND c.deleted_at IS NULL))
"""
_CSV_ROWS = 200
#: A spreadsheet runs a cell that begins with one of these as a formula.
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")


@dataclass(frozen=True, slots=True, kw_only=True)
class Artifact:
    """What a step left."""

    id: str
    kind: str
    title: str
    body: dict[str, Any]


def read(*, tenant: str, user: str, artifact: str) -> Artifact:
    """Return an artifact with its whole body.

    Raises:
        NotFoundError: there is none, or it is not this user's to read.
        StoreDownError: PostgreSQL does not answer.
    """
    row = one_row(ro(), _READ, tenant=tenant, user=user, artifact=artifact)
    if row is None:
        raise NotFoundError("no such artifact")
    return Artifact(id=row["id"], kind=row["kind"], title=row["title"], body=row["body"])


def page(artifact: Artifact, *, limit: int, after: str | None) -> dict[str, Any]:
    """Return the contract's shape with at most `limit` rows or passages; `after` is the earlier page's `next`.

    Raises:
        InvalidInputError: `after` comes from nowhere.
    """
    shape: dict[str, Any] = {"id": artifact.id, "kind": artifact.kind, "title": artifact.title, **artifact.body}
    listed = {"table": "rows", "passages": "passages"}.get(artifact.kind)
    if listed is None:
        return shape
    if after is not None and not after.isdecimal():
        raise InvalidInputError("not a position", field="after", detail_key="error.invalid_field")
    start, entries = int(after or 0), artifact.body.get(listed, [])
    shape[listed] = entries[start : start + limit]
    if start + limit < len(entries):
        shape["next"] = str(start + limit)
    return shape


def csv_of(artifact: Artifact) -> Iterator[str]:
    """Return a table or passages as CSV, in pieces; the first begins with a byte order mark, which Excel needs.

    Raises:
        InvalidInputError: this kind has no rows.
    """
    match artifact.kind:
        case "table":
            header: list[str] = [column["name"] for column in artifact.body.get("columns", [])]
            rows: Sequence[Sequence[Any]] = artifact.body.get("rows", [])
        case "passages":
            header = ["n", "title", "heading", "text", "document", "start", "end"]
            rows = [[passage.get(name) for name in header] for passage in artifact.body.get("passages", [])]
        case _:
            raise InvalidInputError("no rows to write", field="format", detail_key="error.invalid_field")
    return csv_pieces(header, rows)


def csv_pieces(header: Sequence[str], rows: Sequence[Sequence[Any]]) -> Iterator[str]:
    """Return rows as CSV that a spreadsheet opens and runs nothing of."""
    yield "\ufeff" + _lines([header])
    for start in range(0, len(rows), _CSV_ROWS):
        yield _lines(rows[start : start + _CSV_ROWS])


def _lines(rows: Sequence[Sequence[Any]]) -> str:
    buffer = io.StringIO()
    csv.writer(buffer, lineterminator="\r\n").writerows([harmless(cell) for cell in row] for row in rows)
    return buffer.getvalue()


def as_typed(cell: str) -> str:
    """Return what `harmless` was given, for a cell that comes back."""
    return cell[1:] if cell.startswith("'") and harmless(cell[1:]) == cell else cell


def harmless(cell: Any) -> Any:  # Any: a cell as JSON carries it
    """Return a cell that a spreadsheet shows and does not run; numbers stay numbers."""
    if isinstance(cell, bool):
        return "true" if cell else "false"
    if isinstance(cell, str) and cell.lstrip(" ").startswith(_FORMULA):
        return "'" + cell
    return cell
