"""What left with a transaction is repeated until it is done; its key makes a repeat harmless."""

from __future__ import annotations

import random

import structlog

from orchestrator.chat.ending import from_outbox
from orchestrator.log.writer import LogWriter
from orchestrator.resilience.retry import next_delay_s
from orchestrator.store import outbox
from orchestrator.store.engine import rw

_logger = structlog.get_logger(__name__)


def relay(writer: LogWriter, rng: random.Random) -> int:
    """Append every ending that is still open a second after its commit; return how many were done.

    Raises:
        StoreDownError, redis.exceptions.RedisError: a store does not answer; the rows stay open.
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
        appended = writer.append(conversation, event, fence=fence, cid=cid, asserted=True)
        outbox.done_outbox(rw(), kind=row["kind"], keys=[row["key"]])
        _logger.info("ending relayed", turn=event.turn, verdict=appended.verdict)
        done += 1
    return done
