"""What every stage's task shares: the log context, and handing the rest of the route to the broker."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import structlog
from celery import Task
from celery.exceptions import Reject

from orchestrator import publish
from orchestrator.chat.plan import Hop
from orchestrator.errors import DependencyDownError
from orchestrator.pipeline import runtime
from orchestrator.pipeline.run_stage import Body, run_stage
from tasks.drain import draining

_logger = structlog.get_logger(__name__)


class StageTask(Task):  # type: ignore[type-arg]  # celery's Task is generic only in its stubs
    """A task whose message is a wake-up with ids; the row says the rest."""

    ignore_result = True
    acks_late = True

    def run_hop(self, hop: Hop, body: Body, *, turn: str, fence: int, dispatch_no: int) -> None:
        """Run one hop and publish the hops it wants; what follows it in a chain goes on only if it was done.

        Raises:
            StoreDownError: the claim could not be made; the message is acknowledged and the dispatcher sends it again.
            Reject: this worker leaves; the message goes back to its queue.
        """
        if draining():
            _logger.info("left in its queue", turn=turn, hop=hop, dispatch_no=dispatch_no)
            raise Reject("draining", requeue=True)
        cid = _header(self, "cid")
        with structlog.contextvars.bound_contextvars(cid=cid, turn=turn, hop=hop, fence=fence):
            rest = run_stage(hop, body, runtime=runtime.current(), turn=turn, fence=fence, dispatch_no=dispatch_no)
            if rest is None:
                # Celery would publish the next hop after a refused claim as after a good one: a repeated message
                # would start the answer while the first one's statement still runs.
                self.request.chain = None
            elif rest:
                self._send(rest, cid=cid)

    def _send(self, rest: Sequence[publish.HopMessage], *, cid: str) -> None:
        # Not `Task.replace`: it ends the task by `Ignore`, of which Celery sends no event, and Flower would show
        # every classification as running for ever.
        try:
            publish.send_hops(rest, cid=cid)
        except DependencyDownError as exc:
            _logger.warning("rest not published; the dispatcher sends it again", error=str(exc))


def _header(task: Any, name: str) -> str:  # Any: celery puts custom headers on the request as attributes
    value = task.request.get(name) or (task.request.headers or {}).get(name)
    return str(value or "")
