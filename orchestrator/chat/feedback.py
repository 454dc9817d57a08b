"""Thumbs: keep what the asker thought of an answer, or take it back."""

from __future__ import annotations

from orchestrator.chat.ratings import COMMENT_LIMIT, Rating, Reason
from orchestrator.errors import ConflictError, InvalidInputError, NotFoundError, TooBigError
from orchestrator.store import feedback as store
from orchestrator.store.engine import rw
from orchestrator.store.rows import one_row


def give(
    *, tenant: str, user: str, turn: str, rating: Rating, reason: Reason | None = None, comment: str | None = None
) -> None:
    """Keep `rating` for a turn that has ended, in place of an earlier one.

    Raises:
        NotFoundError: the turn is not this user's.
        ConflictError: it has not ended.
        InvalidInputError: a reason with a thumb up, or a comment that no database can hold.
        TooBigError: the comment is over 2,000 code points.
        StoreDownError: PostgreSQL does not answer.
    """
    words = (comment or "").strip()
    if len(words) > COMMENT_LIMIT:
        raise TooBigError("comment too long", limit=COMMENT_LIMIT, field="comment")
    if "\x00" in words:
        raise InvalidInputError("a null character", field="comment", detail_key="error.invalid_field")
    if rating == "up" and reason is not None:
        raise InvalidInputError("a reason is for a thumb down", field="reason", detail_key="error.invalid_field")
    row = one_row(
        rw(), store.GIVE, tenant=tenant, user=user, turn=turn, rating=rating, reason=reason or "", comment=words
    )
    if row is None:
        raise NotFoundError("no such turn")
    if not row["ended"]:
        raise ConflictError("the turn has not ended")


def withdraw(*, tenant: str, user: str, turn: str) -> None:
    """Take a rating back; where there is none, that is what is wanted.

    Raises:
        NotFoundError: the turn is not this user's.
        StoreDownError: PostgreSQL does not answer.
    """
    if one_row(rw(), store.WITHDRAW, tenant=tenant, user=user, turn=turn) is None:
        raise NotFoundError("no such turn")
