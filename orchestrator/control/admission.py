"""Who goes next: a pure decision over what waits and what is held.

Admission (design decision 2): a queue holds at most `admitted` messages, a
tenant at most its share of them, and a turn goes on only with a slot in every
queue that is left of its route. Whoever has fewest slots in the first of them
goes first, then whoever has waited longest: round-robin over tenants.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from orchestrator.queues import Queue

#: Workers lost until a turn runs apart from others that lost as many; with one more it is set aside.
FRAGILE_AFTER = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """A turn that could go on but for room."""

    turn: str
    fence: int
    tenant: str
    #: Queues of the hops that are left, in order.
    queues: tuple[str, ...]
    #: It runs already: classified, taken over, or put back.
    begun: bool
    #: It has lost two workers. The next one must not take others down that may have lost theirs to the same turn.
    fragile: bool

    @classmethod
    def of(cls, row: Mapping[str, Any]) -> Candidate:
        """Return the candidate that a row of `releasing.candidates` describes."""
        return cls(
            turn=row["turn"],
            fence=row["fence"],
            tenant=row["tenant"],
            queues=tuple(row["queues"]),
            begun=row["state"] == "running",
            fragile=row["lost"] >= FRAGILE_AFTER,
        )


class Slots:
    """What is held of each queue, by tenant."""

    def __init__(self, held: Sequence[Mapping[str, Any]]) -> None:
        """Count rows of `queue`, `tenant` and `held`."""
        self._all: Counter[str] = Counter()
        self._of: Counter[tuple[str, str | None]] = Counter()
        for row in held:
            self._all[row["queue"]] += row["held"]
            self._of[row["queue"], row["tenant"]] += row["held"]

    def held(self, queue: str) -> int:
        """Return how many slots of a queue are taken."""
        return self._all[queue]

    def held_by(self, queue: str, tenant: str) -> int:
        """Return how many slots of a queue a tenant has."""
        return self._of[queue, tenant]

    def fit(self, candidate: Candidate, queues: Mapping[str, Queue], *, backlog: int) -> bool:
        """Return whether there is a slot in every queue that is left, within the tenant's share.

        `backlog`: turns of the tenant that are under way and wait for room. A new turn counts them too: a tenant whose
        classified turns pile up behind a full queue classifies no more of them than its share.
        """
        wanted = Counter(candidate.queues)
        extra = 0 if candidate.begun else backlog
        return all(
            self._all[name] + count <= queues[name].admitted
            and self._of[name, candidate.tenant] + count + extra <= queues[name].share
            for name, count in wanted.items()
        )

    def take(self, candidate: Candidate) -> None:
        """Count a candidate's slots as taken."""
        for name in candidate.queues:
            self._all[name] += 1
            self._of[name, candidate.tenant] += 1


def choose(
    candidates: Sequence[Candidate], slots: Slots, queues: Mapping[str, Queue], *, fragile_held: bool = False
) -> list[Candidate]:
    """Return the candidates that may go now, in the order in which they are to be published.

    `candidates` come the longest waiting first; turns under way go before new ones of their tenant. `slots` counts what
    was taken when this returns. Within a tenant nobody overtakes in a queue that is full, yet another route goes on. Of
    fragile turns one goes at a time; `fragile_held`: one is on its way.
    """
    backlog = Counter(c.tenant for c in candidates if c.begun)
    lines: dict[str, deque[Candidate]] = {}
    for candidate in sorted(candidates, key=lambda c: not c.begun):
        lines.setdefault(candidate.tenant, deque()).append(candidate)
    chosen: list[Candidate] = []
    blocked: dict[str, set[str]] = {tenant: set() for tenant in lines}
    while lines:
        # Stable: among equals whoever's line began earlier.
        for tenant in sorted(lines, key=lambda name: slots.held_by(lines[name][0].queues[0], name)):
            candidate = lines[tenant].popleft()
            if candidate.fragile and fragile_held:
                pass
            elif not blocked[tenant] & set(candidate.queues) and slots.fit(candidate, queues, backlog=backlog[tenant]):
                slots.take(candidate)
                chosen.append(candidate)
                fragile_held = fragile_held or candidate.fragile
                if candidate.begun:
                    backlog[tenant] -= 1
            else:
                blocked[tenant] |= {name for name in candidate.queues if _full(name, candidate, slots, queues)}
            if not lines[tenant]:
                del lines[tenant]
    return chosen


def _full(name: str, candidate: Candidate, slots: Slots, queues: Mapping[str, Queue]) -> bool:
    return slots.held(name) >= queues[name].admitted or slots.held_by(name, candidate.tenant) >= queues[name].share
