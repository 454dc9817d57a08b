"""What every stage's task shares: the log context, and handing the rest of the route to the broker."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import structlog
from celery import Task

from orchestrator import publish
from orchestrator.chat.plan import Hop
from orchestrator.pipeline import runtime
from orchestrator.pipeline.run_stage import Body, run_stage


class StageTask(Task):  # type: ignore[type-arg]  # celery's Task is generic only in its stubs
    """A task whose message is a wake-up with ids; the row says the rest."""

    ignore_result = True
    acks_late = True

    def run_hop(self, hop: Hop, body: Body, *, turn: str, fence: int, dispatch_no: int) -> None:
        """Run one hop and, when it wants others published, become their chain.

        Raises:
            celery.exceptions.Ignore: after replacing itself, as Celery asks.
            StoreDownError: the claim could not be made; the message is acknowledged and the row is swept up later.
        """
        cid = _header(self, "cid")
        with structlog.contextvars.bound_contextvars(cid=cid, turn=turn, hop=hop, fence=fence):
            rest = run_stage(hop, body, runtime=runtime.current(), turn=turn, fence=fence, dispatch_no=dispatch_no)
            self._hand_over(rest, cid=cid)

    def _hand_over(self, rest: Sequence[publish.HopMessage], *, cid: str) -> None:
        if rest:
            # The chain inherits nothing from this task: its ids, queues and headers are explicit.
            raise self.replace(publish.hops(rest, cid=cid))


def _header(task: Any, name: str) -> str:  # Any: celery puts custom headers on the request as attributes
    value = task.request.get(name) or (task.request.headers or {}).get(name)
    return str(value or "")
