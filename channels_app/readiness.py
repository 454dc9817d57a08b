"""Whether this process still takes new work; `/readyz` answers 503 once it drains."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(slots=True)
class Readiness:
    """One flag of the process."""

    draining: bool = False


#: This process'; set by the launcher when it is told to stop.
READINESS = Readiness()
