"""Find words in one's own questions and answers."""

from __future__ import annotations

from typing import Any

from orchestrator.store.engine import ro
from orchestrator.store.rows import all_rows

#: Words beyond these narrow nothing down.
_WORDS = 8
#: A search looks at this many of the latest turns: bounded, however long somebody has been here.
_LATEST = 5_000
_AROUND = 90

_FIND = """
WITH mine AS (
  SELECT t.id, t.conversation_id, c.title, t.text, t.answer, t.created_at
  FROM switchyard_turn t JOIN switchyard_conversation c ON c.id = t.conversation_id
  WHERE t.user_id = :user AND t.tenant_id = :tenant AND c.deleted_at IS NULL
  ORDER BY t.created_at DESC, t.id DESC LIMIT :latest
)
SELECT id, conversation_id, title, text, answer, created_at FROM mine
WHERE (text || ' ' || coalesce(answer, '')) ILIKE ALL (CAST(:patterns AS text[]))
ORDER BY created_at DESC, id DESC LIMIT :most
"""


def own_messages(*, tenant: str, user: str, words: str, limit: int) -> list[dict[str, Any]]:
    """Return the latest turns of this user that hold every word, in any order and case.

    Raises:
        StoreDownError: PostgreSQL does not answer.
    """
    wanted = words.split()[:_WORDS]
    patterns = ["%" + _literal(word) + "%" for word in wanted]
    rows = all_rows(ro(), _FIND, tenant=tenant, user=user, patterns=patterns, latest=_LATEST, most=limit)
    return [
        {
            "turn": row["id"],
            "conversation": row["conversation_id"],
            "title": row["title"],
            "text": row["text"],
            "answer": excerpt(row["answer"] or "", wanted) or None,
            "created_at": row["created_at"].isoformat(),
        }
        for row in rows
    ]


def excerpt(text: str, words: list[str]) -> str:
    """Return the part of `text` around the first of the words, or its beginning when none is in it."""
    lowered = text.lower()
    places = [place for place in (lowered.find(word.lower()) for word in words) if place >= 0]
    start = max(0, min(places, default=0) - _AROUND)
    end = min(len(text), start + 2 * _AROUND)
    return ("…" if start > 0 else "") + text[start:end] + ("…" if end < len(text) else "")


def _literal(word: str) -> str:
    return word.replace("\\", r"\\").replace("%", r"\%").replace("_", r"\_")
