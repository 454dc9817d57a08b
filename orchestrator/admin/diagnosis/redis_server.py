"""Whether a Redis keeps what it is given, and has all that the product needs."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from typing import Any, cast

from redis import Redis
from redis.backoff import NoBackoff
from redis.exceptions import RedisError
from redis.retry import Retry

from orchestrator.admin.diagnosis.findings import EVERY, AwayError, Check, Finding

LEAST_REDIS = (6, 2)
_ALMOST_FULL = 0.9
_LIMIT_S = 1.0

AWAY = Check(
    id="redis-away",
    subject="redis",
    level="problem",
    why="answers can't be followed live and nothing is handed out; processes start, wait and go on when it is back",
    remedy="is Redis running, and are REDIS_URL and SWITCHYARD_BROKER_URL right?",
)
VERSION = Check(
    id="redis-version",
    subject="redis",
    level="problem",
    why="the log's scripts and Celery's transport need commands that an older server lacks",
    remedy="Redis 6.2 or newer is needed",
    refuses=EVERY,
)
EVICTION = Check(
    id="redis-eviction",
    subject="redis",
    level="problem",
    why="a full memory makes Redis throw away queues, unacknowledged messages and logs, in silence",
    remedy="`redis-cli CONFIG SET maxmemory-policy noeviction`, and `maxmemory-policy noeviction` in redis.conf",
    refuses=EVERY,
)
REPLICA = Check(
    id="redis-replica",
    subject="redis",
    level="problem",
    why="a replica takes no writes, and what is written to one all the same its primary overwrites",
    remedy="name the primary",
    refuses=EVERY,
)
CLUSTER = Check(
    id="redis-cluster",
    subject="redis",
    level="problem",
    why="Celery's transport takes from several keys at once, which a cluster refuses",
    remedy="use a Redis without cluster mode; a primary with a replica is fine",
    refuses=EVERY,
)
PERSISTENCE = Check(
    id="redis-persistence",
    subject="redis",
    level="warning",
    why="a restart forgets logs and queues; nothing accepted is lost, but running answers begin again",
    remedy="`redis-cli CONFIG SET appendonly yes`, and `appendonly yes` in redis.conf",
)
DISK = Check(
    id="redis-disk",
    subject="redis",
    level="problem",
    why="Redis could not write its file last time, and then refuses every write or forgets at the next restart",
    remedy="look into Redis' log and at its disk: is it full, or its folder not writable?",
)
FULL = Check(
    id="redis-full",
    subject="redis",
    level="problem",
    why="at maxmemory every append and every publish is refused",
    remedy="raise maxmemory, or find what else fills this Redis (`redis-cli --bigkeys`)",
)
SHARED = Check(
    id="redis-shared-memory",
    subject="redis",
    level="warning",
    why="logs and broker share one limited memory: many long answers can stop the queues",
    remedy="give the broker a Redis of its own by SWITCHYARD_BROKER_URL, or leave maxmemory at 0 and watch the memory",
)
CHECKS = (AWAY, VERSION, EVICTION, REPLICA, CLUSTER, PERSISTENCE, DISK, FULL, SHARED)


def redis(info: dict[str, Any], *, name: str = "Redis", broker: bool = True, log: bool = True) -> Iterator[Finding]:
    """Yield what a server's own figures tell.

    Args:
        info: the answer to INFO.
        name: how to call it.
        broker: whether the broker lies there.
        log: whether the logs lie there.
    """
    version = str(info.get("redis_version", "0"))
    new_enough = tuple(int(part) for part in re.findall(r"\d+", version)[:2]) >= LEAST_REDIS
    yield VERSION.fine(f"{name} {version}") if new_enough else VERSION.found(f"{name} {version}")
    most = int(info.get("maxmemory", 0))
    policy = info.get("maxmemory_policy", "unknown")
    told = f"{name}: maxmemory-policy {policy}"
    yield EVICTION.fine(told) if policy == "noeviction" else EVICTION.found(f"{told}, maxmemory {_mb(most)}")
    if info.get("role", "master") != "master":
        yield REPLICA.found(f"{name} is a replica of {info.get('master_host')}:{info.get('master_port')}")
    if info.get("cluster_enabled"):
        yield CLUSTER.found(f"{name} runs in cluster mode")
    durable = bool(info.get("aof_enabled"))
    yield (
        PERSISTENCE.fine(f"{name}: append-only file is on")
        if durable
        else PERSISTENCE.found(f"{name}: no append-only file")
    )
    writes = {"append-only file": "aof_last_write_status", "snapshot": "rdb_last_bgsave_status"}
    failed = [what for what, field in writes.items() if info.get(field, "ok") != "ok"]
    if failed:
        yield DISK.found(f"{name} could not write its {' and its '.join(failed)}")
    if most and int(info.get("used_memory", 0)) > most * _ALMOST_FULL:
        yield FULL.found(f"{name} uses {_mb(int(info['used_memory']))} of {_mb(most)}")
    if most and broker and log:
        yield SHARED.found(f"{name} holds logs and broker within maxmemory {_mb(most)}")


def ask(url: str) -> tuple[dict[str, Any], float, float]:
    """Return INFO, the server's clock less ours in seconds, and how wrong that may be.

    Raises:
        AwayError: it does not answer, or doesn't let us in.
    """
    client = Redis.from_url(
        url, socket_timeout=_LIMIT_S, socket_connect_timeout=_LIMIT_S, retry=Retry(NoBackoff(), 0), protocol=2
    )
    try:
        # redis-py types the answers of both its clients as one.
        info = cast("dict[str, Any]", client.info("everything"))
        before_s = time.time()
        seconds, micros = cast("tuple[int, int]", client.time())
        after_s = time.time()
    except (RedisError, OSError) as exc:
        raise AwayError(" ".join(str(exc).split()) or type(exc).__name__) from exc
    finally:
        client.close()
    return info, seconds + micros / 1e6 - (before_s + after_s) / 2, (after_s - before_s) / 2


def away(name: str, error: str) -> Finding:
    """Return that a Redis doesn't answer, in the driver's words."""
    return AWAY.found(f"{name} does not answer: {error}")


def _mb(count: int) -> str:
    return f"{count / 1e6:.0f} MB" if count else "unlimited"
