"""The dispatcher: the only publisher of first hops, a plain process that lives while the broker is down.

Each round lets go whatever has room: turns that begin, turns that were
classified, taken over or put back, then jobs. A round is begun by a wake-up or
by the poll behind it. What nobody else will end or say is the sweeper's, beside
it in a thread of its own, so that a long telling holds no turn up.
"""

from __future__ import annotations

import random
import time
from collections.abc import Mapping, Sequence
from typing import Any

import structlog
from redis import Redis
from redis.exceptions import RedisError

from orchestrator import publish
from orchestrator.control.admission import FRAGILE_AFTER, Candidate, Slots, choose
from orchestrator.control.broker_redis import RedisBroker
from orchestrator.control.leader import Leader
from orchestrator.control.sweep import acceptance
from orchestrator.control.sweeper import Sweeper
from orchestrator.errors import DependencyDownError
from orchestrator.log.keys import Keys
from orchestrator.log.writer import LogWriter
from orchestrator.publish import HopMessage
from orchestrator.queues import QUEUES
from orchestrator.resilience.retry import next_delay_s
from orchestrator.store import recovering, releasing
from orchestrator.store.engine import rw
from orchestrator.store.rows import Row

POLL_S = 0.5
#: While somebody waits for room: a stage that ends tells nobody, which would cost every stage a round trip.
FULL_POLL_S = 0.03
#: New turns of one tenant that are looked at in a round.
MOST_NEW = 64
_JOB_QUEUES = ("jobs", "batch", "gpu.bulk")
_logger = structlog.get_logger(__name__)


class Dispatcher:
    """One dispatching process; several may run, one leads."""

    def __init__(self, redis: Redis, keys: Keys, *, broker: Redis | None = None) -> None:
        """Dispatch over the log's Redis, and `broker`'s where the broker is another one."""
        self._redis = redis
        self._keys = keys
        self._broker = RedisBroker(broker or redis, keys)
        self._writer = LogWriter(redis, keys)
        self._leader = Leader()
        self.sweeper = Sweeper(self._leader, self._writer, redis, keys)
        self._rng = random.Random()
        self._leave = False
        #: Something that counts as dispatched may not be in the broker: a publish failed, a store was away while
        #: workers published or claimed, or the leader before us died between its commit and its publish.
        self._doubtful = True
        self._told_unknown: set[str] = set()

    def stop(self) -> None:
        """End after the round that runs."""
        self._leave = True

    def run(self) -> None:
        """Work until `stop`."""
        delay_s = 0.2
        listener = _Wake(self._redis, self._keys)
        self.sweeper.start()
        while not self._leave:
            try:
                if not self._leader.lead():
                    self._doubtful = True
                    time.sleep(POLL_S)
                    continue
                full = self.release()
                delay_s = 0.2
                listener.wait(FULL_POLL_S if full else POLL_S)
            except (DependencyDownError, RedisError, OSError) as exc:
                # Nothing is lost: the rows wait.
                self._doubtful = True
                delay_s = next_delay_s(delay_s, base_s=0.2, cap_s=3, rng=self._rng)
                _logger.warning("round failed", error=type(exc).__name__, reason=str(exc)[:200])
                time.sleep(delay_s)
            except Exception:  # a background loop must survive
                self._doubtful = True
                _logger.exception("round failed")
                time.sleep(1)
        self.sweeper.stop()
        self._leader.resign()
        listener.close()

    def release(self) -> bool:
        """Publish what has room, and return whether somebody has to wait for more.

        Raises:
            DependencyDownError, redis.exceptions.RedisError: a store or the broker does not answer.
        """
        self._put_back_what_was_forgotten()
        slots = Slots(releasing.held(rw()))
        left = self._release_turns(slots)
        for queue, due in releasing.waiting_jobs(rw()).items():
            if not self._known((queue,)):
                continue
            room = QUEUES[queue].admitted - slots.held(queue)
            for row in releasing.release_jobs(rw(), queue=queue, room=room) if room > 0 else ():
                _send_job(row)
            left = left or due > max(0, room)
        return left

    def _release_turns(self, slots: Slots) -> bool:
        found = releasing.candidates(rw(), most=MOST_NEW)
        rows = {row["turn"]: row for row in found if row["queues"] and self._known(row["queues"])}
        waiting = [Candidate.of(row) for row in rows.values()]
        fragile_held = any(c.fragile for c in waiting) and releasing.fragile_held(rw(), lost=FRAGILE_AFTER)
        chosen = choose(waiting, slots, QUEUES, fragile_held=fragile_held)
        if chosen:
            # The gateway may have died after its commit. Whatever is said of a turn comes after this.
            self._writer.append_all([acceptance(rows[c.turn]) for c in chosen if not c.begun])
            released = {row["turn"]: row for row in releasing.release(rw(), [(c.turn, c.fence) for c in chosen])}
            for candidate in chosen:
                if candidate.turn in released:
                    _send(released[candidate.turn])
        return len(chosen) < len(rows)

    def _known(self, queues: Sequence[str]) -> bool:
        """Return whether these are queues of this version; another one's rows wait for it and hold up nobody else."""
        unknown = set(queues) - set(QUEUES)
        if unknown - self._told_unknown:
            self._told_unknown |= unknown
            _logger.error("rows wait for a queue that this version does not have", queues=sorted(unknown))
        return not unknown

    def _put_back_what_was_forgotten(self) -> None:
        """Have what is dispatched and unclaimed wait again when the broker may not hold it.

        That is so after any doubt of our own, and when the broker lost its memory. A message that was there all the
        time meets a newer number at its claim.
        """
        forgot = self._broker.forgot()
        if not forgot and not self._doubtful:
            return
        self._doubtful = True  # until it is done
        turns = recovering.put_back_all(rw())
        jobs = recovering.put_back_jobs(rw(), everything=True, patience_s=0)
        self._doubtful = False
        if turns or jobs:
            _logger.warning("put back", turns=len(turns), jobs=len(jobs), broker_forgot=forgot)


def _send(row: Row) -> None:
    publish.send_hops(messages(row["turn"], row["fence"], row["hops"]), cid=row["cid"])
    hops: Sequence[Mapping[str, Any]] = row["hops"]
    _logger.info(
        "turn dispatched",
        turn=row["turn"],
        fence=row["fence"],
        hops=[hop["hop"] for hop in hops],
        dispatch_no=hops[0]["dispatch_no"],
        cid=row["cid"],
    )


def messages(turn: str, fence: int, hops: Sequence[Mapping[str, Any]]) -> list[HopMessage]:
    """Return a turn's hops as they go to the broker, in order."""
    return [
        HopMessage(turn=turn, fence=fence, hop=hop["hop"], queue=hop["queue"], dispatch_no=hop["dispatch_no"])
        for hop in hops
    ]


def _send_job(row: Row) -> None:
    publish.send_job(
        job=row["job"], fence=row["fence"], dispatch_no=row["dispatch_no"], queue=row["queue"], cid=row["cid"]
    )
    _logger.info("job dispatched", job=row["job"], type=row["type"], cid=row["cid"])


class _Wake:
    """Waits for a wake-up on Redis, or for the time to pass when there is none to hear."""

    def __init__(self, redis: Redis, keys: Keys) -> None:
        # redis-py leaves `pubsub` untyped.
        self._pubsub = redis.pubsub(  # type: ignore[no-untyped-call]
            ignore_subscribe_messages=True
        )
        self._channel = keys.wake()
        self._subscribed = False

    def wait(self, limit_s: float) -> None:
        """Return at the next wake-up, or after `limit_s`; further wake-ups that came with it are taken as one."""
        until = time.monotonic() + limit_s
        if not self._subscribed:
            self._pubsub.subscribe(self._channel)
            self._subscribed = True
        while (left_s := until - time.monotonic()) > 0:
            if self._pubsub.get_message(timeout=left_s) is not None:
                while self._pubsub.get_message(timeout=0) is not None:
                    pass
                return

    def close(self) -> None:
        """Leave the channel."""
        self._pubsub.close()
