"""Make, list, rename, delete and rebuild conversations. Synchronous."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import Any

from orchestrator import ids
from orchestrator.chat.reading import TURN_COLUMNS, turn_shape
from orchestrator.errors import InvalidInputError, NotFoundError
from orchestrator.log.records import Partial
from orchestrator.store.engine import ro, rw
from orchestrator.store.rows import Row, all_rows, one_row

TITLE_LIMIT = 200

_CREATE = """
INSERT INTO switchyard_conversation (id, tenant_id, user_id, title) VALUES (:conversation, :tenant, :user, :title)
RETURNING id, title
"""
_AUTHORISE = """
SELECT c.id, (SELECT t.id FROM switchyard_turn t WHERE t.conversation_id = c.id
              ORDER BY t.created_at, t.id LIMIT 1) AS first_turn
FROM switchyard_conversation c
WHERE c.id = :conversation AND c.tenant_id = :tenant AND c.user_id = :user AND c.deleted_at IS NULL
"""
_LIST = """
SELECT id, title, created_at, updated_at FROM switchyard_conversation
WHERE tenant_id = :tenant AND user_id = :user AND deleted_at IS NULL
  AND (CAST(:after AS text) IS NULL OR (updated_at, id) <
       (SELECT a.updated_at, a.id FROM switchyard_conversation a
        WHERE a.id = :after AND a.tenant_id = :tenant AND a.user_id = :user))
ORDER BY updated_at DESC, id DESC LIMIT :most
"""
_RENAME = """
UPDATE switchyard_conversation SET title = :title
WHERE id = :conversation AND tenant_id = :tenant AND user_id = :user AND deleted_at IS NULL RETURNING id, title
"""
#: Open turns are told to stop; the rows stay until the clean-up.
_DELETE = """
WITH gone AS (
  UPDATE switchyard_conversation SET deleted_at = now()
  WHERE id = :conversation AND tenant_id = :tenant AND user_id = :user AND deleted_at IS NULL RETURNING id
)
SELECT gone.id, (SELECT coalesce(json_agg(t.id), '[]'::json) FROM switchyard_turn t WHERE t.conversation_id = gone.id
                 AND t.state IN ('queued', 'running', 'waiting_for_user')) AS open_turns FROM gone
"""
_TURNS = f"""
SELECT {TURN_COLUMNS} FROM switchyard_turn t
WHERE t.conversation_id = :conversation AND t.tenant_id = :tenant AND t.user_id = :user
  AND (CAST(:before AS text) IS NULL OR (t.created_at, t.id) <
       (SELECT b.created_at, b.id FROM switchyard_turn b WHERE b.id = :before AND b.conversation_id = :conversation))
ORDER BY t.created_at DESC, t.id DESC LIMIT :most
"""  # noqa: S608 - constants only
_ARTIFACTS = """
SELECT id, turn_id, kind, preview FROM switchyard_artifact WHERE turn_id = ANY(:turns) ORDER BY created_at, id
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class ConversationRow:
    """A conversation as its owner names it."""

    id: str
    title: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Authorised:
    """The caller owns it; `first_turn` tells a log that has everything from one that began again."""

    conversation: str
    first_turn: str | None


def create(*, tenant: str, user: str, title: str = "") -> ConversationRow:
    """Make an empty conversation.

    Raises:
        InvalidInputError: the title is over 200 characters.
    """
    row = one_row(rw(), _CREATE, conversation=ids.conversation_id(), tenant=tenant, user=user, title=_title(title))
    if row is None:
        raise RuntimeError("an insert always answers one row")
    return ConversationRow(id=row["id"], title=row["title"])


def authorise(*, tenant: str, user: str, conversation: str) -> Authorised:
    """Return that the user owns the conversation.

    Raises:
        NotFoundError: there is none, or it is somebody else's.
    """
    row = one_row(rw(), _AUTHORISE, tenant=tenant, user=user, conversation=conversation)
    if row is None:
        raise NotFoundError("no such conversation")
    return Authorised(conversation=row["id"], first_turn=row["first_turn"])


def list_page(*, tenant: str, user: str, limit: int, after: str | None) -> dict[str, Any]:
    """Return `{items, next?}`, the most recently used first; `after` is the last page's `next`."""
    rows = all_rows(ro(), _LIST, tenant=tenant, user=user, after=after, most=limit + 1)
    page: dict[str, Any] = {
        "items": [
            {
                "id": row["id"],
                "title": row["title"],
                "created_at": row["created_at"].isoformat(),
                "updated_at": row["updated_at"].isoformat(),
            }
            for row in rows[:limit]
        ]
    }
    if len(rows) > limit:
        page["next"] = rows[limit - 1]["id"]
    return page


def rename(*, tenant: str, user: str, conversation: str, title: str) -> ConversationRow:
    """Give a conversation another title.

    Raises:
        InvalidInputError: the title is over 200 characters.
        NotFoundError: it is not this user's.
    """
    row = one_row(rw(), _RENAME, tenant=tenant, user=user, conversation=conversation, title=_title(title))
    if row is None:
        raise NotFoundError("no such conversation")
    return ConversationRow(id=row["id"], title=row["title"])


def delete(*, tenant: str, user: str, conversation: str) -> list[str]:
    """Hide a conversation and return the ids of its open turns, which the caller then cancels.

    Raises:
        NotFoundError: it is not this user's.
    """
    row = one_row(rw(), _DELETE, tenant=tenant, user=user, conversation=conversation)
    if row is None:
        raise NotFoundError("no such conversation")
    return list(row["open_turns"])


def snapshot_rows(
    *,
    tenant: str,
    user: str,
    conversation: str,
    limit: int,
    before: str | None,
    partials: tuple[Partial, ...] = (),
) -> dict[str, Any]:
    """Return the contract's snapshot without `epoch` and `top`: the latest turns, the oldest of them first.

    Read the log's head *before* calling this: then whatever the rows miss lies after `top`.

    Args:
        tenant: from the token.
        user: from the token.
        conversation: which one.
        limit: most turns.
        before: the earlier page's `next`.
        partials: the head's running texts.

    Raises:
        NotFoundError: it is not this user's.
    """
    owned = one_row(
        ro(),
        "SELECT id, title FROM switchyard_conversation WHERE id = :conversation AND tenant_id = :tenant"
        " AND user_id = :user AND deleted_at IS NULL",
        conversation=conversation,
        tenant=tenant,
        user=user,
    )
    if owned is None:
        raise NotFoundError("no such conversation")
    # From the primary: a lagging replica could miss a turn that ended before `top`.
    rows = all_rows(rw(), _TURNS, conversation=conversation, tenant=tenant, user=user, before=before, most=limit + 1)
    more, rows = len(rows) > limit, list(reversed(rows[:limit]))
    artifacts: defaultdict[str, list[Row]] = defaultdict(list)
    for artifact in all_rows(rw(), _ARTIFACTS, turns=[row["id"] for row in rows]) if rows else ():
        artifacts[artifact["turn_id"]].append(artifact)
    running = {partial.turn: partial.text for partial in partials}
    snapshot: dict[str, Any] = {
        "conversation": {"id": owned["id"], "title": owned["title"]},
        "turns": [
            turn_shape(
                row,
                artifacts[row["id"]],
                partial=running.get(row["id"]) if row["state"] == "running" else None,
            )
            for row in rows
        ],
    }
    if more and rows:
        snapshot["next"] = rows[0]["id"]
    return snapshot


def _title(title: str) -> str:
    if len(title) > TITLE_LIMIT:
        raise InvalidInputError("title too long", field="title", detail_key="error.invalid_field")
    return title.strip()
