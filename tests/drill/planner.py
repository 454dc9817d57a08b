"""When what strikes: storms of overlapping faults and quiet spells between them, from a seed alone."""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final

#: Turns that lie wholly outside of all windows, and of this time after each, have to be completed.
TAIL_S: Final = 15.0
QUIET_S: Final = 50.0
STORM_S: Final = 95.0
#: Before the first storm.
CALM_S: Final = 12.0
#: Between two strikes of a storm, on average.
GAP_S: Final = 1.6
#: A drill this short strikes the small selection below, once.
SHORT_MINUTES: Final = 2.0
#: Kind and target of a short drill, in the order of their strikes; an empty target is left to chance.
SHORT: Final = (
    ("kill9-worker-llm", ""),
    ("link-cut", "workers-postgres"),
    ("freeze-worker-sql", ""),
    ("flushall", ""),
    ("llm-cut", ""),
    ("rolling-restart", "worker-rag"),
    ("postgres-restart", ""),
)


def _nothing(target: str) -> frozenset[str]:
    return frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """What planning needs to know of a fault."""

    name: str
    targets: tuple[str, ...]
    #: Shortest and longest time from its first effect to its healing.
    lasts_s: tuple[float, float]
    #: For a target, what no other strike may touch meanwhile.
    holds: Callable[[str], frozenset[str]] = _nothing


@dataclass(frozen=True, slots=True, kw_only=True)
class Planned:
    """One strike to come; times count from the drill's start."""

    at_s: float
    kind: str
    target: str
    lasts_s: float
    holds: frozenset[str] = frozenset()

    @property
    def ends_s(self) -> float:
        """When it should be healed."""
        return self.at_s + self.lasts_s


@dataclass(frozen=True, slots=True, kw_only=True)
class Schedule:
    """All of one drill; a quiet spell follows each storm."""

    length_s: float
    #: (begin, end) of each storm.
    storms: tuple[tuple[float, float], ...]
    strikes: tuple[Planned, ...] = ()

    def storm_end_s(self, at_s: float) -> float:
        """Return the end of the storm that a moment lies in."""
        return next((end for begin, end in self.storms if begin <= at_s <= end), self.length_s)


@dataclass(slots=True)
class _Table:
    """What is held until when."""

    until_s: dict[str, float] = field(default_factory=dict)

    def free(self, holds: frozenset[str], at_s: float) -> bool:
        return all(self.until_s.get(name, 0.0) <= at_s for name in holds)

    def take(self, planned: Planned) -> Planned:
        # A little longer than planned: servers take their time to start.
        self.until_s.update(dict.fromkeys(planned.holds, planned.ends_s + 1.5))
        return planned


def plan(minutes: float, seed: int, kinds: Sequence[Kind]) -> Schedule:
    """Return the schedule of a drill; the same arguments give the same one.

    Every kind strikes about equally often, each strike at a target by chance. A short drill strikes the fixed
    selection, or all of `kinds` where that is another choice than everything.
    """
    length_s = minutes * 60
    rng = random.Random(seed)
    if minutes <= SHORT_MINUTES:
        return _short(length_s, rng, kinds)
    count = max(1, round((length_s - CALM_S) / (STORM_S + QUIET_S)))
    cycle_s = (length_s - CALM_S) / count
    begins = [CALM_S + index * cycle_s for index in range(count)]
    storms = tuple((begin_s, begin_s + cycle_s - QUIET_S) for begin_s in begins)
    deck: deque[Kind] = deque()
    table = _Table()
    strikes = [planned for storm in storms for planned in _storm(storm, kinds, deck, table, rng)]
    return Schedule(length_s=length_s, storms=storms, strikes=tuple(strikes))


def _storm(
    storm: tuple[float, float], kinds: Sequence[Kind], deck: deque[Kind], table: _Table, rng: random.Random
) -> list[Planned]:
    begin_s, end_s = storm
    found = []
    at_s = begin_s
    while at_s < end_s:
        if len(deck) < len(kinds):  # never short of cards that fit; what is passed over stays on top
            deck.extend(rng.sample(kinds, len(kinds)))
        planned = _deal(at_s, end_s, deck, table, rng)
        if planned is not None:
            found.append(planned)
        at_s += rng.uniform(0.5, 1.5) * GAP_S
    return found


def _deal(at_s: float, end_s: float, deck: deque[Kind], table: _Table, rng: random.Random) -> Planned | None:
    """Take the first card off the deck that can strike now and is healed before the storm ends."""
    for index, kind in enumerate(deck):
        lasts_s = rng.uniform(*kind.lasts_s)
        targets = [target for target in kind.targets if table.free(kind.holds(target), at_s)]
        if targets and at_s + lasts_s <= end_s:
            del deck[index]
            target = rng.choice(targets)
            return table.take(
                Planned(at_s=at_s, kind=kind.name, target=target, lasts_s=lasts_s, holds=kind.holds(target))
            )
    return None


def _short(length_s: float, rng: random.Random, kinds: Sequence[Kind]) -> Schedule:
    by_name = {kind.name: kind for kind in kinds}
    fixed = {name for name, _ in SHORT}
    cards = [(by_name[name], target) for name, target in SHORT if name in by_name]
    if not fixed <= by_name.keys():
        cards = [(kind, "") for kind in rng.sample(kinds, len(kinds))]
    begin_s = length_s * 0.08
    # The second half is quiet: turns that begin 15 s into it prove the recovery.
    end_s = length_s * 0.5
    gap_s = (end_s - begin_s) * 0.8 / max(1, len(cards))
    strikes = []
    for index, (kind, wanted) in enumerate(cards):
        at_s, target = begin_s + index * gap_s, wanted or rng.choice(kind.targets)
        lasts_s = min(rng.uniform(*kind.lasts_s), end_s - at_s)
        strikes.append(Planned(at_s=at_s, kind=kind.name, target=target, lasts_s=lasts_s, holds=kind.holds(target)))
    return Schedule(length_s=length_s, storms=((begin_s, end_s),), strikes=tuple(strikes))
