"""Accept, cancel and read a turn. Synchronous; each call is one or two round trips."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import orjson
import structlog
from sqlalchemy import Connection

from orchestrator import catalogue, ids
from orchestrator.chat import ending, plan
from orchestrator.chat.reading import TURN_COLUMNS, turn_shape
from orchestrator.errors import (
    BusyError,
    ConflictError,
    IdReusedError,
    InvalidInputError,
    NotFoundError,
    QuotaExceededError,
    StoreDownError,
    TooBigError,
)
from orchestrator.events import Route, TurnCancelled
from orchestrator.store import accepting, claiming, outbox
from orchestrator.store.engine import json_text, ro, rw
from orchestrator.store.rows import Row, all_rows, one_row

_logger = structlog.get_logger(__name__)
TEXT_LIMIT = 8_000
WhenBusy = Literal["enqueue", "reject", "interrupt"]
DEADLINE_DEFAULT_MS, DEADLINE_MIN_MS, DEADLINE_MAX_MS = 120_000, 1_000, 600_000

_STATE = f"""
SELECT {TURN_COLUMNS} FROM switchyard_turn t WHERE t.id = :turn AND t.tenant_id = :tenant AND t.user_id = :user
"""  # noqa: S608 - constants only
_ARTIFACTS = "SELECT id, turn_id, kind, preview FROM switchyard_artifact WHERE turn_id = :turn ORDER BY created_at, id"


@dataclass(frozen=True, slots=True, kw_only=True)
class NewTurn:
    """A question as it comes in, from a person whose token named tenant and user."""

    tenant: str
    user: str
    conversation: str
    client_id: str | None
    text: str
    language: str
    cid: str
    route: Route | None = None
    deadline_ms: int | None = None
    parent: str | None = None
    on_disconnect: Literal["continue", "cancel"] = "continue"
    #: What an open turn of the conversation means for this one: stand in line, refuse, or stop the other.
    when_busy: WhenBusy = "enqueue"


@dataclass(frozen=True, slots=True, kw_only=True)
class Accepted:
    """The turn that stands for the question, committed."""

    turn: str
    conversation: str
    fence: int
    #: The same key and body came before; nothing new was made.
    duplicate: bool
    #: The question as it is kept.
    text: str
    parent: str | None
    #: Turns that have the wish to stop in their row, and are still to be told.
    interrupted: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class CancelRequested:
    """What a cancel did: ended a queued turn at once, or left the intent for whoever runs it."""

    turn: str
    conversation: str
    fence: int
    cid: str
    #: The ending to append to the log, when no stage of the turn was running.
    ending: TurnCancelled | None


def accept(new: NewTurn, *, within: Connection | None = None) -> Accepted:
    """Commit a turn, or return the one its idempotency key stands for.

    Args:
        new: the question.
        within: a transaction that the turn is to be part of; then without an idempotency key, and in line.

    Raises:
        BusyError: the conversation has an open turn and the caller did not want to queue.
        InvalidInputError: the text is empty or a bound is broken.
        TooBigError: the text is over 8,000 code points.
        NotFoundError: the conversation is not this user's, or the parent is not in it.
        IdReusedError: the key came before with another body.
        QuotaExceededError: the company has asked as much in 24 hours as it may.
        StoreDownError: PostgreSQL does not answer; nothing was accepted.
    """
    text = new.text.strip()
    if not text or "\x00" in text:
        raise InvalidInputError("empty text", field="text", detail_key="error.empty_text")
    if len(new.text) > TEXT_LIMIT:
        raise TooBigError("text too long", limit=TEXT_LIMIT, field="text")
    deadline_ms = DEADLINE_DEFAULT_MS if new.deadline_ms is None else new.deadline_ms
    if not DEADLINE_MIN_MS <= deadline_ms <= DEADLINE_MAX_MS:
        raise InvalidInputError("deadline out of range", field="deadline_ms", detail_key="error.invalid_field")
    body = [new.conversation, new.text, new.route, new.deadline_ms, new.parent]
    digest = hashlib.sha256(orjson.dumps(body)).digest()
    first, *rest = plan.hops(new.route)
    values: dict[str, object] = {
        "turn": ids.turn_id(),
        "tenant": new.tenant,
        "user": new.user,
        "conversation": new.conversation,
        "parent": new.parent,
        "client_id": new.client_id,
        "digest": digest,
        "text": text,
        "language": new.language,
        "route": new.route,
        "cid": new.cid,
        "on_disconnect": new.on_disconnect,
        "message": ids.new_id("msg"),
        "deadline_ms": deadline_ms,
        "title": text[:80],
        "hops": json_text([{"hop": h, "place": i, "queue": plan.QUEUE_OF[h]} for i, h in enumerate((first, *rest))]),
    }
    interrupted: tuple[str, ...] = ()
    if within is not None or new.when_busy == "enqueue":
        row = accepting.accept(within or rw(), **values)
    else:
        alone = accepting.accept_alone(rw(), interrupt=new.when_busy == "interrupt", **values)
        if alone.row is None:
            raise BusyError("the conversation has an open turn")
        row, interrupted = alone.row, alone.interrupted
    if not row["known"]:
        raise NotFoundError("no such conversation")
    if row["turn"] is not None:
        return _accepted(new, row, duplicate=False, interrupted=interrupted)
    return _again(new, digest, used_up=row["used_up"])


def ask_again(
    *,
    tenant: str,
    user: str,
    turn: str,
    conversation: str | None,
    text: str | None,
    client_id: str | None,
    language: str,
    cid: str,
) -> Accepted:
    """Commit a new turn whose parent is `turn`, with its text unless another is given, and its forced route.

    Raises:
        NotFoundError: the turn is not this user's, not of `conversation`, or its conversation is gone.
        InvalidInputError, TooBigError, IdReusedError, StoreDownError: as for `accept`.
    """
    earlier = accepting.asked_before(rw(), tenant=tenant, user=user, turn=turn)
    if earlier is None or conversation not in (None, earlier["conversation"]):
        raise NotFoundError("no such turn")
    return accept(
        NewTurn(
            tenant=tenant,
            user=user,
            conversation=earlier["conversation"],
            client_id=client_id,
            text=earlier["text"] if text is None else text,
            language=language,
            cid=cid,
            route=earlier["route"],
            parent=turn,
        )
    )


def _again(new: NewTurn, digest: bytes, *, used_up: int | None) -> Accepted:
    """Answer an idempotency key that is taken: by the same body, by another, or by one over 24 h old.

    `used_up`: the company's quota, when that is why there is no turn; what was accepted before is answered as before.
    """
    client_id = new.client_id or ""
    earlier = accepting.by_client_id(rw(), tenant=new.tenant, user=new.user, client_id=client_id)
    if used_up is not None and (earlier is None or earlier["stale"]):
        wait_s = accepting.room_again_s(rw(), tenant=new.tenant, most=used_up)
        raise QuotaExceededError("turns of a day", limit=used_up, retry_after_ms=math.ceil(wait_s * 1000))
    if earlier is None or earlier["stale"]:
        if earlier is not None:
            accepting.free_client_id(rw(), turn=earlier["turn"], client_id=client_id)
        return accept(new)
    if bytes(earlier["digest"]) != digest:
        raise IdReusedError(client_id)
    return _accepted(new, earlier, duplicate=True)


def _accepted(new: NewTurn, row: Row, *, duplicate: bool, interrupted: tuple[str, ...] = ()) -> Accepted:
    return Accepted(
        turn=row["turn"],
        conversation=new.conversation,
        fence=row["fence"],
        duplicate=duplicate,
        text=new.text.strip(),
        parent=new.parent,
        interrupted=interrupted,
    )


def left_open(*, tenant: str, user: str, conversation: str, older_than_s: float) -> list[str]:
    """Return the open turns of a conversation that were accepted at least so long ago, the oldest first."""
    return accepting.left_open(rw(), tenant=tenant, user=user, conversation=conversation, older_than_s=older_than_s)


def working(conversations: Sequence[str]) -> frozenset[str]:
    """Return which of these conversations have an open turn."""
    return accepting.working(rw(), conversations)


def request_cancel(*, tenant: str, user: str, turn: str, detail_key: str = "cancelled.by_user") -> CancelRequested:
    """End a turn of which no stage runs, or leave a durable intent that whoever runs it will meet.

    After it, `PUBLISH` the turn's id on the cancel channel, and wake the dispatcher: that only hastens.

    Raises:
        NotFoundError: it is not this user's.
        ConflictError: it has already ended.
    """
    row = one_row(rw(), _STATE, tenant=tenant, user=user, turn=turn)
    if row is None:
        raise NotFoundError("no such turn")
    made = CancelRequested(turn=turn, conversation=row["conversation"], fence=row["fence"], cid=row["cid"], ending=None)
    if row["state"] in ("queued", "running"):
        event = TurnCancelled(
            turn=turn,
            code="cancelled",
            message=catalogue.text(detail_key, row["language"]),
            retryable=False,
            timeline=ending.timeline(row["timeline"]["stages"], total_ms=row["age_ms"]),
            reached=("queued",),
        )
        if ending.commit(event, fence=row["fence"], conversation=row["conversation"], cid=row["cid"], idle=True):
            return replace(made, ending=event)
    if claiming.request_cancel(rw(), turn=turn, tenant=tenant, user=user):
        return made
    raise ConflictError("the turn has ended", detail_key="error.conflict_ended")


def ending_told(turn: str) -> None:
    """Mark a turn's ending as appended, so that the relay leaves it alone; harmless when PostgreSQL is away."""
    try:
        outbox.done_outbox(rw(), kind="ending", keys=[turn])
    except StoreDownError:
        _logger.info("ending left to the relay", turn=turn)


def read_turn(*, tenant: str, user: str, turn: str) -> dict[str, Any]:
    """Return the contract's Turn.

    Raises:
        NotFoundError: it is not this user's.
    """
    row = one_row(ro(), _STATE, tenant=tenant, user=user, turn=turn)
    if row is None:
        raise NotFoundError("no such turn")
    artifacts = all_rows(ro(), _ARTIFACTS, turn=turn)
    return turn_shape(row, artifacts)
