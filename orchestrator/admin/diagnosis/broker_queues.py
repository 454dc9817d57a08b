"""Whether what lies in the broker belongs to somebody."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from typing import cast

from redis import Redis
from redis.exceptions import RedisError

from orchestrator.admin.diagnosis.findings import AwayError, Check, Finding
from orchestrator.log.clients import sync_client
from orchestrator.queues import QUEUES

#: Beyond the visibility timeout; the workers look every few seconds.
STUCK_S = 60.0
_SCAN_S = 3.0
#: Lists of Celery's own: replies to `inspect`, and what Flower listens to.
_CELERYS = (".pidbox", "celeryev")

FOREIGN = Check(
    id="queue-foreign",
    subject="broker",
    level="warning",
    why="no worker takes from it: an older version's, or a mistyped name's; the rows behind it are dispatched again",
    remedy="make sure that nobody else uses it, then `redis-cli DEL <its key>`",
)
STUCK = Check(
    id="unacknowledged-stuck",
    subject="broker",
    level="warning",
    why="nobody gives these messages to another worker: none is alive to do it, or none uses this prefix",
    remedy="is a worker alive? They are repeated by one within seconds; rows repair what they stood for meanwhile",
)
CHECKS = (FOREIGN, STUCK)


def broker(lists: Mapping[str, int], stuck: int, *, prefix: str) -> Iterator[Finding]:
    """Yield what nobody will read.

    Args:
        lists: key -> length, for each list under the broker's prefix.
        stuck: messages that have been unacknowledged for longer than anything may take.
        prefix: what the broker's keys begin with.
    """
    foreign = {
        key: length
        for key, length in lists.items()
        if key.removeprefix(prefix) not in QUEUES and not any(mark in key for mark in _CELERYS)
    }
    if foreign:
        shown = ", ".join(f"{key} ({length})" for key, length in sorted(foreign.items())[:5])
        yield FOREIGN.found(f"{len(foreign)} lists that are no queue of ours: {shown}")
    else:
        waiting = sum(lists.values())
        yield FOREIGN.fine(f"{waiting} messages wait in the broker, all in queues of the table")
    if stuck:
        yield STUCK.found(f"{stuck} messages are unacknowledged for longer than the visibility timeout")


def look(url: str, *, prefix: str, visibility_timeout_s: float) -> tuple[dict[str, int], int]:
    """Return the lists with their lengths, and how many messages are stuck.

    Raises:
        AwayError: the broker does not answer.
    """
    client: Redis = sync_client(url)
    try:
        until, lists = time.monotonic() + _SCAN_S, {}
        for key in client.scan_iter(match=f"{prefix}*", count=1000, _type="list"):
            lists[key.decode(errors="replace")] = cast("int", client.llen(key))
            if time.monotonic() > until:  # millions of other keys
                break
        # kombu scores each message with the time of its delivery.
        late_s = time.time() - visibility_timeout_s - STUCK_S
        stuck = cast("int", client.zcount(f"{prefix}unacked_index", 0, late_s))
    except (RedisError, OSError) as exc:
        raise AwayError(str(exc) or type(exc).__name__) from exc
    finally:
        client.close()
    return lists, stuck
