"""From what a client wants to the use case that does it; the socket and the HTTP API share these.

A use case commits first; what follows it (the log, a wake-up) only hastens what
the row already says, so its failure is logged and never the client's.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable
from dataclasses import dataclass

import structlog
from redis.asyncio import Redis
from redis.exceptions import RedisError

from channels_app.connection import Admitted
from channels_app.executor import Executor
from channels_app.protocol import OnDisconnect, WhenBusy
from orchestrator.chat import conversations, feedback, turns
from orchestrator.chat.ratings import Rating, Reason
from orchestrator.chat.turns import Accepted, CancelRequested, NewTurn
from orchestrator.errors import ConflictError, NotFoundError, OrchestratorError, StoreDownError
from orchestrator.events import Route, TurnAccepted
from orchestrator.log.keys import Keys
from orchestrator.log.reader import LogReader

_SOON_S = 2.0
#: Nobody was there for longer than this: whoever asked since has come back, and a stop from before is not for them.
_JUST_ASKED_S = 5.0
#: What an id can look like; anything else can't exist, and some of it (NUL) the database would not even look up.
_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """In whose name something is done."""

    tenant: str
    user: str
    language: str


class Commands:
    """The chat's use cases, asynchronous; rows through the gateway's threads."""

    def __init__(self, reader: LogReader, redis: Redis, keys: Keys, executor: Executor) -> None:
        self._reader = reader
        self._redis = redis
        self._keys = keys
        self._executor = executor

    async def open(self, caller: Caller, conversation: str | None) -> Admitted:
        """Return a conversation that the caller may read; None makes a new one.

        Raises:
            NotFoundError: it is not the caller's.
            StoreDownError: PostgreSQL does not answer.
        """
        if conversation is None:
            made = await self._executor.run(conversations.create, tenant=caller.tenant, user=caller.user)
            return Admitted(conversation=made.id, first_turn=None)
        known = await self._executor.run(
            conversations.authorise, tenant=caller.tenant, user=caller.user, conversation=_existing(conversation)
        )
        return Admitted(conversation=known.conversation, first_turn=known.first_turn)

    async def send(
        self,
        caller: Caller,
        *,
        conversation: str,
        text: str,
        client_id: str | None,
        cid: str,
        route: Route | None = None,
        deadline_ms: int | None = None,
        on_disconnect: OnDisconnect = "continue",
        when_busy: WhenBusy = "enqueue",
    ) -> Accepted:
        """Commit a turn, put it into the log and wake the dispatcher.

        Raises:
            BusyError: `when_busy` is `reject` and the conversation has an open turn.
            NotFoundError: the conversation is not the caller's.
            IdReusedError: `client_id` came before with another question.
            InvalidInputError, TooBigError: the question is not acceptable.
            StoreDownError: PostgreSQL does not answer; the same `client_id` may be sent again.
        """
        accepted = await self._executor.run(
            turns.accept,
            NewTurn(
                tenant=caller.tenant,
                user=caller.user,
                conversation=_existing(conversation),
                client_id=client_id,
                text=text,
                language=caller.language,
                cid=cid,
                route=route,
                deadline_ms=deadline_ms,
                on_disconnect=on_disconnect,
                when_busy=when_busy,
            ),
        )
        # Beside the announcement: the earlier answer is to stop now, and the new one is not to wait for that.
        await asyncio.gather(
            self._follow(caller, accepted, cid), *(self._interrupt(caller, turn) for turn in accepted.interrupted)
        )
        return accepted

    async def regenerate(
        self, caller: Caller, *, turn: str, conversation: str | None, text: str | None, client_id: str | None, cid: str
    ) -> Accepted:
        """Commit a new turn in place of an earlier one, which stays; then as `send`.

        Raises:
            NotFoundError: the turn is not the caller's, or not of the conversation that is named.
            IdReusedError, InvalidInputError, TooBigError, StoreDownError: as for `send`.
        """
        accepted = await self._executor.run(
            turns.ask_again,
            tenant=caller.tenant,
            user=caller.user,
            turn=_existing(turn),
            conversation=conversation,
            text=text,
            client_id=client_id,
            language=caller.language,
            cid=cid,
        )
        await self._follow(caller, accepted, cid)
        return accepted

    async def _follow(self, caller: Caller, accepted: Accepted, cid: str) -> None:
        if accepted.duplicate:
            return
        event = TurnAccepted(turn=accepted.turn, text=accepted.text, user=caller.user, parent=accepted.parent)
        await _try("turn not announced", self._announce(accepted, event, cid))
        log.info("turn accepted", turn=accepted.turn, conversation=accepted.conversation)

    async def _announce(self, accepted: Accepted, event: TurnAccepted, cid: str) -> None:
        # Before the wake-up: the dispatcher's own events must find the turn's first one in the log.
        await self._reader.append(accepted.conversation, event, fence=accepted.fence, cid=cid)
        await self._redis.publish(self._keys.wake(), b"1")

    async def _interrupt(self, caller: Caller, turn: str) -> None:
        try:
            await self.cancel(caller, turn, detail_key="cancelled.interrupted")
        except ConflictError:
            return  # it ended meanwhile
        except OrchestratorError as exc:
            # The wish is in the row: the sweep or the worker's heartbeat finds it.
            log.warning("interrupt not hastened", turn=turn, code=exc.code)

    async def cancel(self, caller: Caller, turn: str, *, detail_key: str = "cancelled.by_user") -> CancelRequested:
        """Stop a turn: at once when it is queued, else as soon as whoever runs it hears of it.

        Raises:
            NotFoundError: it is not the caller's.
            ConflictError: it has ended.
            StoreDownError: PostgreSQL does not answer.
        """
        asked = await self._executor.run(
            turns.request_cancel,
            tenant=caller.tenant,
            user=caller.user,
            turn=_existing(turn),
            detail_key=detail_key,
        )
        if asked.ending is not None and await _try(
            "cancel not logged",
            self._reader.append(asked.conversation, asked.ending, fence=asked.fence, cid=asked.cid),
        ):
            # Else the relay would say it again a second later, into a log that may have forgotten it by then.
            await self._executor.run(turns.ending_told, turn)
        if asked.ending is not None:
            # Its slots are free, and the next turn of its conversation may begin.
            await _try("dispatcher not woken", self._redis.publish(self._keys.wake(), b"1"))
        await _try("workers not told", self._redis.publish(self._keys.cancel(), turn.encode()))
        log.info("cancel requested", turn=turn, conversation=asked.conversation)
        return asked

    async def rate(
        self, caller: Caller, *, turn: str, rating: Rating, reason: Reason | None, comment: str | None
    ) -> None:
        """Keep what the caller thought of an answer.

        Raises:
            NotFoundError, ConflictError, InvalidInputError, TooBigError, StoreDownError: as `feedback.give`.
        """
        await self._executor.run(
            feedback.give,
            tenant=caller.tenant,
            user=caller.user,
            turn=_existing(turn),
            rating=rating,
            reason=reason,
            comment=comment,
        )

    async def cancel_open_turns(self, caller: Caller, conversation: str) -> int:
        """Stop every turn of a conversation that has not ended, the youngest excepted; return how many.

        Raises:
            StoreDownError: PostgreSQL does not answer.
        """
        found = await self._executor.run(
            turns.left_open,
            tenant=caller.tenant,
            user=caller.user,
            conversation=conversation,
            older_than_s=_JUST_ASKED_S,
        )
        told = 0
        # The latest first: while the oldest runs, none of them begins.
        for turn in reversed(found):
            try:
                await self.cancel(caller, turn, detail_key="cancelled.disconnected")
            except (ConflictError, NotFoundError):
                continue  # it ended meanwhile
            told += 1
        return told


def store_down(exc: BaseException) -> StoreDownError:
    """Return the plain error for a Redis that does not answer."""
    return StoreDownError(f"Redis: {type(exc).__name__}", dependency="redis")


def _existing(id: str) -> str:
    if not _ID.fullmatch(id):
        raise NotFoundError("no such id")
    return id


async def _try(failure: str, call: Awaitable[object]) -> bool:
    try:
        async with asyncio.timeout(_SOON_S):
            await call
    except (RedisError, OSError, TimeoutError) as exc:
        log.warning(failure, reason=type(exc).__name__)
        return False
    return True
