"""Turns that were given up through no fault of their users': list them, look into one, ask them again."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from functools import cache
from typing import Any

import structlog
from django.conf import settings
from redis import Redis

from orchestrator import ids
from orchestrator.chat import turns
from orchestrator.chat.turns import NewTurn
from orchestrator.chat.wake import wake_dispatcher
from orchestrator.errors import ConflictError, NotFoundError, OrchestratorError, StoreDownError
from orchestrator.log.clients import sync_client
from orchestrator.log.keys import Keys
from orchestrator.store import dead_letters as store
from orchestrator.store.engine import ro, rw
from orchestrator.store.rows import Row, transaction

PAGE_MOST = 200
#: What the ending makes of a stage that is open.
_AS_CLOSED: Mapping[str, str] = {"running": "failed", "waiting": "skipped", "dispatched": "skipped"}
_logger = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """Which letters; None leaves a criterion out."""

    #: A tenant's id, not its slug.
    tenant: str | None = None
    code: str | None = None
    hop: str | None = None
    replayed: bool | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Happened:
    """One stage of one attempt, as the letter remembers it."""

    hop: str
    attempt: int
    #: The stage's last state: `done`, `failed`, `lost`, `handed_back` …
    outcome: str
    worker: str
    ready_at: datetime | None
    started_at: datetime | None
    ended_at: datetime | None
    summary: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Letter:
    """A turn set aside."""

    letter: int
    tenant: str
    tenant_slug: str
    username: str
    conversation: str
    turn: str
    attempts: int
    hop: str
    code: str
    cause: str
    created_at: datetime
    replayed_at: datetime | None
    #: Also None when the turn that the replay made is gone.
    replayed_as: str | None
    #: Where that turn is.
    replay_state: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Opened:
    """A letter, what was asked, and all that happened to it, the oldest first."""

    letter: Letter
    text: str
    cid: str
    asked_at: datetime
    history: tuple[Happened, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Replayed:
    """What became of one letter: a new turn, or why there is none."""

    letter: int
    turn: str | None = None
    refusal: OrchestratorError | None = None


def page(wanted: Wanted, *, most: int = 50, before: int | None = None) -> list[Letter]:
    """Return at most `most` (200) letters, the newest first; `before` is the last letter of the page before.

    Raises:
        StoreDownError: PostgreSQL does not answer.
    """
    rows = store.page(ro(), most=min(most, PAGE_MOST), before=before, **asdict(wanted))
    return [_letter(row) for row in rows]


def count(wanted: Wanted) -> int:
    """Return how many letters there are.

    Raises:
        StoreDownError: PostgreSQL does not answer.
    """
    return store.count(ro(), **asdict(wanted))


def read(letter: int) -> Opened:
    """Return one letter with its history.

    Raises:
        NotFoundError: there is none of this number.
        StoreDownError: PostgreSQL does not answer.
    """
    row = store.one(ro(), letter)
    if row is None:
        raise NotFoundError(f"no dead letter {letter}")
    history = tuple(happened(entry, given_up_at=row["created_at"]) for entry in row["history"])
    return Opened(letter=_letter(row), text=row["text"], cid=row["cid"], asked_at=row["asked_at"], history=history)


def happened(entry: Mapping[str, Any], *, given_up_at: datetime) -> Happened:
    """Return one entry of a letter's history.

    It is written in the very statement that closes the stages, so it shows what was still open as open: this tells
    how that ended.
    """
    outcome = str(entry.get("outcome", ""))
    ended_at = _moment(entry.get("ended_at")) or (given_up_at if outcome == "running" else None)
    return Happened(
        hop=str(entry.get("hop", "")),
        attempt=int(entry.get("attempt", 1)),
        outcome=_AS_CLOSED.get(outcome, outcome),
        worker=str(entry.get("worker") or ""),
        ready_at=_moment(entry.get("ready_at")),
        started_at=_moment(entry.get("started_at")),
        ended_at=ended_at,
        summary=str(entry.get("summary") or ""),
    )


def waiting(wanted: Wanted) -> list[int]:
    """Return the letters that could be replayed, the oldest first.

    Raises:
        StoreDownError: PostgreSQL does not answer.
    """
    return store.open_ones(rw(), **asdict(wanted))


def replay(letter: int, *, by: str) -> str:
    """Ask a letter's question again, as a new turn of its user in its conversation, and return that turn.

    However many operators do it at once, a letter becomes one turn. `by` is who did it, for the record.

    Raises:
        NotFoundError: there is none of this number.
        ConflictError: it has been replayed, its conversation was deleted, or its user may no longer sign in.
        StoreDownError: PostgreSQL does not answer; nothing was done.
    """
    with transaction(rw()) as connection:
        row = store.lock(connection, letter)
        if row is None:
            raise NotFoundError(f"no dead letter {letter}")
        _require_replayable(letter, row)
        cid = ids.new_id("cid")
        accepted = turns.accept(
            NewTurn(
                tenant=row["tenant"],
                user=row["user"],
                conversation=row["conversation"],
                client_id=None,
                text=row["text"],
                language=row["language"],
                route=row["route"],
                parent=row["turn"],
                cid=cid,
            ),
            within=connection,
        )
        store.mark_replayed(connection, letter=letter, turn=accepted.turn)
    _logger.info("dead letter replayed", letter=letter, parent=row["turn"], turn=accepted.turn, by=by, cid=cid)
    return accepted.turn


def replay_all(letters: Iterable[int], *, by: str, told: Callable[[Replayed], None] | None = None) -> list[Replayed]:
    """Replay one letter after the other and wake the dispatcher; what one is refused for holds up no other.

    Args:
        letters: in the order to ask them in.
        by: who does it.
        told: called after each.

    Raises:
        StoreDownError: PostgreSQL does not answer (any more); those told of so far are replayed.
    """
    results: list[Replayed] = []
    try:
        for letter in letters:
            try:
                result = Replayed(letter=letter, turn=replay(letter, by=by))
            except StoreDownError:
                raise
            except OrchestratorError as exc:
                result = Replayed(letter=letter, refusal=exc)
            results.append(result)
            if told is not None:
                told(result)
    finally:
        if any(result.turn for result in results):
            wake_dispatcher(
                _redis(settings.SWITCHYARD.redis_url.get_secret_value()), Keys(settings.SWITCHYARD.key_prefix)
            )
    return results


def _require_replayable(letter: int, row: Row) -> None:
    refusals: Sequence[tuple[bool, str]] = (
        (row["replayed"], "dead_letter.replayed"),
        (row["conversation_deleted"], "dead_letter.conversation_deleted"),
        (not row["user_active"], "dead_letter.user_inactive"),
    )
    for applies, key in refusals:
        if applies:
            raise ConflictError(f"dead letter {letter}: {key}", detail_key=key)


def _letter(row: Row) -> Letter:
    return Letter(**{name: row[name] for name in Letter.__slots__})


def _moment(value: object) -> datetime | None:
    return datetime.fromisoformat(value) if isinstance(value, str) else None


@cache
def _redis(url: str) -> Redis:
    return sync_client(url)
