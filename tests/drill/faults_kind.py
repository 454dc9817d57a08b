"""What a fault is."""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from tests.drill.planner import Kind, Planned
from tests.drill.world import World

#: Does it, waits for `lasts_s`, and puts back what it touched, also when it is cancelled.
Strike = Callable[[World, Planned, random.Random], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Fault:
    """One kind of fault: what the planner has to know, and how it is done."""

    kind: Kind
    strike: Strike
