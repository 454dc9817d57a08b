"""What a running stage knows and may say."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from orchestrator.chat import ending, plan
from orchestrator.chat.plan import Hop
from orchestrator.engines.llm import Language
from orchestrator.events import Route, StageFinished, StageName
from orchestrator.log.turn_log import TurnLog
from orchestrator.pipeline.runtime import Runtime
from orchestrator.resilience.deadline import Deadline
from orchestrator.resilience.stop import Stop
from orchestrator.store.rows import Row


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """One claimed stage. Facts come from the claim's row; the clock is monotonic from then on."""

    runtime: Runtime
    hop: Hop
    row: Row
    log: TurnLog
    stop: Stop
    deadline: Deadline
    claimed_at_s: float = field(default_factory=time.monotonic)

    @property
    def turn(self) -> str:
        """Return the turn's id."""
        return str(self.row["turn"])

    @property
    def fence(self) -> int:
        """Return the attempt this stage belongs to."""
        return int(self.row["fence"])

    @property
    def claim(self) -> str:
        """Return at most 12 characters that tell this claim of the hop from any other: whose it is, and when."""
        return f"{self.runtime.incarnation[-4:]}{int(self.claimed_at_s * 1e6) & 0xFFFF_FFFF:x}"

    @property
    def stage(self) -> StageName:
        """Return what users call this hop."""
        return plan.STAGE_OF[self.hop]

    @property
    def language(self) -> Language:
        """Return the user's language."""
        return "es" if self.row["language"] == "es" else "en"

    @property
    def route(self) -> Route:
        """Return the turn's route, known after `classify`."""
        route: Route = self.row["route"]
        return route

    @property
    def carry(self) -> Mapping[str, Any]:
        """Return the small values an earlier hop left for this one."""
        return self.row["carry"] or {}

    def duration_ms(self) -> int:
        """Return how long this stage has been running."""
        return round((time.monotonic() - self.claimed_at_s) * 1000)

    def finished(self, summary: str) -> StageFinished:
        """Return the event that closes this stage now."""
        return StageFinished(
            turn=self.turn,
            attempt=self.fence,
            stage=self.stage,
            worker=self.runtime.worker,
            queue_wait_ms=int(self.row["queue_wait_ms"]),
            duration_ms=self.duration_ms(),
            summary=summary,
        )

    def timeline(self, outcome: str) -> dict[str, Any]:
        """Return where the turn's time went up to now, this stage ending with `outcome`."""
        me = {
            "stage": self.stage,
            "attempt": self.fence,
            "queue": self.row["queue"],
            "queue_wait_ms": int(self.row["queue_wait_ms"]),
            "duration_ms": self.duration_ms(),
            "worker": self.runtime.worker,
            "outcome": outcome,
        }
        return ending.timeline([*self.row["past"], me], total_ms=int(self.row["elapsed_ms"]) + self.duration_ms())
