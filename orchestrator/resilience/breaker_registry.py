"""The shared breakers of a process, made at first use, and a list of all there are for whoever looks."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from redis import Redis

from orchestrator.log.keys import Keys
from orchestrator.resilience import breaker_local
from orchestrator.resilience.breaker_shared import SharedBreaker
from orchestrator.resilience.breaker_states import Policy, State

_BADNESS: Sequence[State] = ("closed", "half_open", "open")


class Breakers:
    """Shared breakers by name; thread-safe."""

    def __init__(self, redis: Redis, keys: Keys, policy: Policy) -> None:
        self._redis = redis
        self._keys = keys
        self._policy = policy
        self._lock = threading.Lock()
        self._breakers: dict[str, SharedBreaker] = {}

    def of(self, dependency: str, which: str, *, probe_s: float) -> SharedBreaker:
        """Return the breaker before one dependency; `probe_s` bounds how long a good call of it may take."""
        name = f"{dependency} {which}"
        with self._lock:
            found = self._breakers.get(name)
            if found is None:
                policy = replace(self._policy, probe_ms=round(probe_s * 1000))
                found = self._breakers[name] = SharedBreaker(
                    self._redis, self._keys, name, dependency=dependency, policy=policy
                )
            return found


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """A breaker as an operator sees it."""

    name: str
    #: Whether all workers share it, or it is of the process that was asked alone.
    shared: bool
    state: State
    #: Seconds since it came into this state; None when it has never changed.
    since_s: float | None
    #: Failures in a row.
    failures: int
    #: How often it has opened.
    opened: int
    #: Seconds until a probe may go, when it is open; until the probe's lease ends, when half open.
    next_probe_s: float | None


def shared_ones(redis: Redis, keys: Keys) -> list[Shown]:
    """Return all shared breakers that were used within a day, those that are not closed first.

    Raises:
        redis.exceptions.RedisError: Redis does not answer.
    """
    # redis-py types replies as possibly awaitable.
    names: Any = redis.zrange(keys.breakers(), 0, -1)
    if not names:
        return []
    with redis.pipeline(transaction=False) as pipe:
        pipe.time()
        for name in names:
            pipe.hgetall(keys.breaker(name.decode()))
        (seconds, micros), *records = pipe.execute()
    now_ms = seconds * 1000 + micros // 1000
    return sorted((_shown(n.decode(), r, now_ms) for n, r in zip(names, records, strict=True) if r), key=_order)


def own_ones() -> list[Shown]:
    """Return the breakers of this process before its stores."""
    shown = []
    for breaker in breaker_local.of_stores():
        record = breaker.record
        shown.append(
            Shown(
                name=breaker.name,
                shared=False,
                state=record.state,
                since_s=breaker.since_s(),
                failures=record.streak,
                opened=record.opened,
                next_probe_s=None if record.state == "closed" else breaker.next_probe_s(),
            )
        )
    return sorted(shown, key=_order)


def worst(breakers: Sequence[Shown]) -> dict[str, State]:
    """Return each kind of dependency with the worst state of its breakers: nothing that an outsider should not read."""
    found: dict[str, State] = {}
    for shown in breakers:
        kind = shown.name.partition(" ")[0]
        found[kind] = max(found.get(kind, "closed"), shown.state, key=_BADNESS.index)
    return found


def figures(breakers: Sequence[Shown]) -> list[dict[str, object]]:
    """Return what a page of metrics says about breakers: 0 closed, 1 half open, 2 open."""
    return [
        {
            "name": b.name,
            "shared": b.shared,
            "state": b.state,
            "state_number": _BADNESS.index(b.state),
            "since_s": None if b.since_s is None else round(b.since_s, 1),
            "failures": b.failures,
            "opened_total": b.opened,
            "next_probe_s": None if b.next_probe_s is None else round(b.next_probe_s, 1),
        }
        for b in breakers
    ]


def _shown(name: str, record: dict[bytes, bytes], now_ms: int) -> Shown:
    state: Any = record[b"state"].decode()  # one of the three: the script wrote it
    since_ms, until_ms = int(record[b"since"]), int(record[b"until"])
    return Shown(
        name=name,
        shared=True,
        state=state,
        since_s=(now_ms - since_ms) / 1000 if since_ms else None,
        failures=int(record[b"streak"]),
        opened=int(record[b"opened"]),
        next_probe_s=None if state == "closed" else max(0.0, (until_ms - now_ms) / 1000),
    )


def _order(shown: Shown) -> tuple[bool, str]:
    return shown.state == "closed", shown.name
