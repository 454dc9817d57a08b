"""The product's Celery app with its stages bent: slow enough to be struck in the middle, or deadly to their worker.

`celery -A tests.drill.bent_app worker …` reads, all optional:

- `BENT_PAUSES="classify=0.5 sql=2"`: seconds that a hop takes longer; a stop ends the pause as it would end the work.
- `BENT_DEADLY=word`: a question with this word kills the worker that runs it, as a crash in a native library does.
- `BENT_VISIBILITY_S=2`: after so long the broker takes a message for lost.

Every run of a stage's work leaves one line, `stage works`, in the worker's log.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Sequence

import structlog

from orchestrator.celery import app
from orchestrator.chat.plan import Hop
from orchestrator.errors import StoppedError
from orchestrator.pipeline.context import Context
from orchestrator.pipeline.retrying import REACHED
from orchestrator.pipeline.run_stage import Body
from orchestrator.publish import HopMessage
from tasks.base import StageTask

_PAUSES_S = {
    hop: float(pause_s)
    for hop, _, pause_s in (part.partition("=") for part in os.environ.get("BENT_PAUSES", "").split())
}
_DEADLY = os.environ.get("BENT_DEADLY", "")
_run_hop = StageTask.run_hop
_logger = structlog.get_logger(__name__)


def _bent_run_hop(self: StageTask, hop: Hop, body: Body, *, turn: str, fence: int, dispatch_no: int) -> None:
    def bent(context: Context) -> Sequence[HopMessage]:
        _logger.info("stage works")
        if _DEADLY and _DEADLY in context.row["text"]:
            os.kill(os.getpid(), signal.SIGKILL)
        if context.stop.wait(_PAUSES_S.get(hop, 0.0)):
            raise StoppedError(REACHED[hop])
        return body(context)

    _run_hop(self, hop, bent, turn=turn, fence=fence, dispatch_no=dispatch_no)


# Assigned, as Celery makes the tasks' classes from this one by itself.
StageTask.run_hop = _bent_run_hop  # type: ignore[method-assign]
if "BENT_VISIBILITY_S" in os.environ:
    app.conf.broker_transport_options |= {
        "visibility_timeout": float(os.environ["BENT_VISIBILITY_S"]),
        "unacked_restore_interval": 1,
    }

__all__ = ["app"]
