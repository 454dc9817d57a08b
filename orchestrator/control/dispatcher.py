"""The dispatcher: the only publisher of first hops, a plain process that lives while the broker is down.

Each round ends what nobody else will end, tells who waits, relays what left
with a transaction, and releases what has room. A round is begun by a wake-up or
by the poll behind it, whose deadline is fixed: a stream of wake-ups can't put
the sweeps off.
"""

from __future__ import annotations

import random
import time
from collections.abc import Mapping

import structlog
from redis import Redis
from redis.exceptions import RedisError

from orchestrator import ids, publish
from orchestrator.automation.ingestion import give_up
from orchestrator.control.leader import Leader
from orchestrator.control.relay import relay
from orchestrator.control.sweep import close_left_over, end_overdue, recover_jobs, say_accepted
from orchestrator.control.waiting import Waiting
from orchestrator.errors import DependencyDownError
from orchestrator.log.keys import Keys
from orchestrator.log.writer import LogWriter
from orchestrator.publish import HopMessage
from orchestrator.queues import QUEUES
from orchestrator.resilience.retry import next_delay_s
from orchestrator.store import dispatching
from orchestrator.store.engine import rw
from orchestrator.store.processes import DEAD_AFTER_S
from orchestrator.store.rows import Row

POLL_S = 0.5
SWEEP_S = 1.0
#: Queues that a turn's first hop can go to.
_FIRST_QUEUES = ("gpu", "sql", "llm")
_JOB_QUEUES = ("jobs", "batch", "gpu.bulk")
_logger = structlog.get_logger(__name__)


class Dispatcher:
    """One dispatching process; several may run, one leads."""

    def __init__(self, redis: Redis, keys: Keys, *, broker: Redis | None = None) -> None:
        """Dispatch over the log's Redis, and `broker`'s where the broker is another one."""
        self._redis = redis
        self._broker = broker or redis
        self._keys = keys
        self._writer = LogWriter(redis, keys)
        self._leader = Leader()
        self._waiting = Waiting(self._writer)
        self._rng = random.Random()
        self._leave = False
        #: Something that counts as dispatched may not be in the broker: a publish failed, a store was away while
        #: workers published or claimed, or the leader before us died between its commit and its publish.
        self._doubtful = True
        #: When silence is a sign of death again: nobody could write a heartbeat while the database was away.
        self._judge_at_s = 0.0

    def stop(self) -> None:
        """End after the round that runs."""
        self._leave = True

    def run(self) -> None:
        """Work until `stop`."""
        delay_s, sweep_at_s = 0.2, 0.0
        listener = _Wake(self._redis, self._keys)
        while not self._leave:
            try:
                if not self._leader.lead():
                    self._distrust()
                    time.sleep(POLL_S)
                    continue
                # Before the release, which needs Redis: deadlines pass whether or not it answers.
                if time.monotonic() >= sweep_at_s:
                    sweep_at_s = time.monotonic() + SWEEP_S
                    self.sweep()
                self.release()
                delay_s = 0.2
                listener.wait(POLL_S)
            except (DependencyDownError, RedisError, OSError) as exc:
                # Nothing is lost: the rows wait.
                self._distrust()
                delay_s = next_delay_s(delay_s, base_s=0.2, cap_s=3, rng=self._rng)
                _logger.warning("round failed", error=type(exc).__name__, reason=str(exc)[:200])
                time.sleep(delay_s)
            except Exception:  # a background loop must survive
                self._distrust()
                _logger.exception("round failed")
                time.sleep(1)
        self._leader.resign()
        listener.close()

    def _distrust(self) -> None:
        self._doubtful = True
        self._judge_at_s = time.monotonic() + DEAD_AFTER_S

    def release(self) -> None:
        """Publish what has room: the rest of classified turns first, then new turns, then jobs."""
        self._send_doubtful_again()
        held = dispatching.held(rw())
        self._release_rest(held)
        for queue in _FIRST_QUEUES:
            room = QUEUES[queue].admitted - held.get(queue, 0)
            if room > 0:
                for row in dispatching.release_first(rw(), queue=queue, room=room):
                    self._start(row)
        for queue in _JOB_QUEUES:
            room = QUEUES[queue].admitted - held.get(queue, 0)
            if room > 0:
                for row in dispatching.release_jobs(rw(), queue=queue, room=room):
                    _send_job(row)

    def sweep(self) -> None:
        """End what is overdue, free what the dead hold, tell who waits, append endings that their winner could not.

        What PostgreSQL alone can do comes first.
        """
        judge = time.monotonic() >= self._judge_at_s
        end_overdue(self._writer, judge=judge)
        close_left_over()
        if judge:
            recover_jobs()
            give_up()
        self._waiting.tell()
        relay(self._writer, self._rng)

    def _start(self, row: Row) -> None:
        say_accepted(self._writer, row)
        publish.send_hops(_messages(row, row["rest"]), cid=row["cid"])
        _logger.info(
            "turn dispatched", turn=row["turn"], hop=row["hop"], dispatch_no=row["dispatch_no"], cid=row["cid"]
        )

    def _release_rest(self, held: dict[str, int]) -> None:
        full: set[str] = set()
        for row in dispatching.waiting_rest(rw()):
            hops = row["rest"]
            full |= {hop["queue"] for hop in hops if held.get(hop["queue"], 0) >= QUEUES[hop["queue"]].admitted}
            # In order within a queue; another route need not wait behind a warehouse that is slow.
            if any(hop["queue"] in full for hop in hops):
                continue
            if not dispatching.release_rest(rw(), turn=row["turn"], fence=row["fence"]):
                continue
            for hop in hops:
                held[hop["queue"]] = held.get(hop["queue"], 0) + 1
            first, *rest = hops
            publish.send_hops(_messages({**row, **first, "dispatch_no": 1}, rest), cid=row["cid"])
            _logger.info("rest dispatched", turn=row["turn"], hops=[hop["hop"] for hop in hops], cid=row["cid"])

    def _send_doubtful_again(self) -> None:
        """Send what is dispatched and unclaimed under new numbers when the broker may not hold it.

        That is so after any doubt of our own, and when the broker's incarnation is gone: it lost its memory. A
        message that was there all the time is refused at its claim.
        """
        forgot = self._broker.set(self._keys.incarnation(), ids.new_id("brk"), nx=True)
        if not forgot and not self._doubtful:
            return
        self._doubtful = True  # until all of it is out
        again = dispatching.send_again(rw())
        for row in again:
            publish.send_hops(_messages(row, row["rest"]), cid=row["cid"])
        again_jobs = dispatching.send_jobs_again(rw())
        for row in again_jobs:
            _send_job(row)
        self._doubtful = False
        if again or again_jobs:
            _logger.warning("sent again", turns=len(again), jobs=len(again_jobs), broker_forgot=bool(forgot))


def _messages(row: Mapping[str, object], rest: list[dict[str, object]]) -> list[HopMessage]:
    first = HopMessage(
        turn=str(row["turn"]),
        fence=int(str(row["fence"])),
        hop=str(row["hop"]),
        queue=str(row["queue"]),
        dispatch_no=int(str(row["dispatch_no"])),
    )
    return [
        first,
        *(
            HopMessage(
                turn=first.turn,
                fence=first.fence,
                hop=str(hop["hop"]),
                queue=str(hop["queue"]),
                dispatch_no=int(str(hop.get("dispatch_no", 1))),
            )
            for hop in rest
        ),
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
