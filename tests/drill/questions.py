"""The drill's questions: numbered, so that an answer can be held against what was asked."""

from __future__ import annotations

import random
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from tests.drill.facts import Route, Told

#: By route: the share of all, and the words that make the scripted classifier choose it.
_SHARES: Final[Mapping[Route, tuple[float, str]]] = {
    "sql": (1 / 3, "revenue of drill question {number}"),
    "rag": (0.2, "what does the policy say about drill question {number}?"),
    "chat": (1 - 1 / 3 - 0.2, "hello, this is drill question {number}"),
}
#: What share of the questions leaves the route to the classifier.
_CLASSIFIED: Final = 0.4
_TOLD: Final[Mapping[Told, float]] = {"cancel": 0.04, "deadline": 0.03, "walk_away": 0.02}
_TWINS: Final = 0.05
_NUMBER: Final = re.compile(r"drill question (\d+)")

#: Five digits: a smaller number may be read as a year, and "drill question 2001" is then no question of the drill's.
FIRST: Final = 10_000
#: Long enough for any recovery, short enough to wait for at the end.
DEADLINE_MS: Final = 60_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Asking:
    """What a client is to ask, and what it is to do meanwhile."""

    number: int
    text: str
    route: Route
    classified: bool
    told: Told
    deadline_ms: int
    #: Seconds after the acceptance at which it cancels or walks away.
    after_s: float
    #: It is sent from a second place at the same time, under the same id.
    twin: bool

    def data(self) -> dict[str, Any]:
        """Return the `data` of `chat.send`."""
        wanted: dict[str, Any] = {"text": self.text, "deadline_ms": self.deadline_ms}
        return wanted if self.classified else wanted | {"route": self.route}


def compose(number: int, rng: random.Random, *, may_leave: bool) -> Asking:
    """Return the question of this number; `may_leave`: the client's conversations end turns when it goes away."""
    routes = list(_SHARES)
    route = rng.choices(routes, [_SHARES[name][0] for name in routes])[0]
    told: Told = rng.choices(["", *_TOLD], [1 - sum(_TOLD.values()), *_TOLD.values()])[0]
    if told == "walk_away" and not may_leave:
        told = ""
    return Asking(
        number=number,
        text=_SHARES[route][1].format(number=number),
        route=route,
        classified=rng.random() < _CLASSIFIED,
        told=told,
        deadline_ms=rng.randrange(1_000, 3_000) if told == "deadline" else DEADLINE_MS,
        after_s=rng.uniform(0.0, 2.5),
        twin=rng.random() < _TWINS,
    )


def number_of(text: str) -> int | None:
    """Return the number of the question that a text repeats."""
    found = _NUMBER.search(text)
    return int(found.group(1)) if found else None
