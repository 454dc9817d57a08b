"""A task by name, with its ids, headers and queue: the only publisher of Celery messages beside the chain in `tasks`.

A message carries ids and small context; the row says everything else.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from celery import Signature, chain
from kombu.exceptions import OperationalError

from orchestrator.celery import app
from orchestrator.errors import DependencyDownError

#: Hop or job -> task name; a test holds every name to a registered task with the queue's route.
TASK_OF: Mapping[str, str] = {
    "classify": "stages.classify",
    "embed": "stages.embed",
    "sql": "stages.sql",
    "rag": "stages.rag",
    "llm": "stages.llm",
    "job": "jobs.run",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class HopMessage:
    """One hop of a chain as it goes to the broker."""

    turn: str
    fence: int
    hop: str
    queue: str
    dispatch_no: int


def signature(message: HopMessage, *, cid: str) -> Signature[Any]:
    """Return the Celery signature of a hop with the explicit id `turn:fence:hop`."""
    return app.signature(
        TASK_OF[message.hop],
        kwargs={
            "turn": message.turn,
            "fence": message.fence,
            "dispatch_no": message.dispatch_no,
        },
        immutable=True,
        task_id=f"{message.turn}:{message.fence}:{message.hop}",
        queue=message.queue,
        headers={"cid": cid},
        # Flower and the logs show this in place of the arguments.
        argsrepr="()",
        kwargsrepr=f"{{turn: {message.turn}, dispatch: {message.dispatch_no}}}",
    )


def hops(messages: Sequence[HopMessage], *, cid: str) -> Signature[Any]:
    """Return one hop, or a chain of several, ready to be sent or to replace a task."""
    signatures = [signature(message, cid=cid) for message in messages]
    return signatures[0] if len(signatures) == 1 else chain(*signatures)


def send_hops(messages: Sequence[HopMessage], *, cid: str) -> None:
    """Publish hops as one chain.

    Raises:
        DependencyDownError: the broker does not answer; the rows stay dispatched.
    """
    try:
        hops(messages, cid=cid).apply_async()
    except OperationalError as exc:
        raise DependencyDownError("the broker does not answer", dependency="broker") from exc


def send_job(*, job: str, fence: int, dispatch_no: int, queue: str, cid: str) -> None:
    """Publish the wake-up of a job.

    Raises:
        DependencyDownError: the broker does not answer.
    """
    try:
        app.send_task(
            TASK_OF["job"],
            kwargs={"job": job, "fence": fence, "dispatch_no": dispatch_no},
            task_id=f"{job}:{fence}:{dispatch_no}",
            queue=queue,
            headers={"cid": cid},
            argsrepr="()",
            kwargsrepr=f"{{job: {job}, dispatch: {dispatch_no}}}",
        )
    except OperationalError as exc:
        raise DependencyDownError("the broker does not answer", dependency="broker") from exc
