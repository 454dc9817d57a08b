"""What left with a transaction is repeated until it is done; its key makes a repeat harmless."""

from __future__ import annotations

import random

import structlog

from orchestrator.chat.ending import from_outbox
from orchestrator.events import Event, MessageCompleted, MessageStarted
from orchestrator.log.turn_log import LostTurnError, TurnLog
from orchestrator.log.writer import LogWriter
from orchestrator.resilience.retry import next_delay_s
from orchestrator.store import outbox
from orchestrator.store.engine import rw

_logger = structlog.get_logger(__name__)


def relay(writer: LogWriter, rng: random.Random) -> int:
    """Append every ending that is still open a second after its commit; return how many were done.

    Raises:
        StoreDownError: PostgreSQL does not answer; the rows stay open, as they do when Redis doesn't.
    """
    done = 0
    for row in outbox.open_outbox(rw()):
        body = row["body"]
        try:
            event, conversation, fence, cid = from_outbox(body), body["conversation"], body["fence"], body["cid"]
        except (KeyError, TypeError):
            # Another version wrote it: put off, never dropped, and seen in the admin by its attempts.
            _logger.exception("outbox row not understood", row=row["id"], kind=row["kind"])
            delay_s = next_delay_s(30.0 * (row["attempts"] + 1), base_s=30, cap_s=3600, rng=rng)
            outbox.later_outbox(rw(), row=row["id"], delay_s=delay_s)
            continue
        if not _say(writer, event, conversation=conversation, fence=fence, cid=cid):
            break
        outbox.done_outbox(rw(), kind=row["kind"], keys=[row["key"]])
        _logger.info("ending relayed", turn=event.turn, event_type=event.type, cid=cid)
        done += 1
    return done


def _say(writer: LogWriter, event: Event, *, conversation: str, fence: int, cid: str) -> bool:
    """Append an ending, after whatever of its text the log does not hold; return whether Redis took it."""
    pen = TurnLog(writer, conversation=conversation, turn=event.turn, fence=fence, cid=cid, current_fence=lambda: fence)
    try:
        if isinstance(event, MessageCompleted):
            # Readers see the text grow to what the ending says, though its writer could not say the last of it.
            pen.say(MessageStarted(turn=event.turn, attempt=event.attempt, message=event.message))
            pen.write(event.text)
        return pen.say(event)
    except LostTurnError:
        return True  # it is there already
