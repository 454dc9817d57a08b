"""A worker process' life: logs, identity, heartbeat, cancel signals, and models loaded before work is taken."""

from __future__ import annotations

import functools
import logging
import os
from collections.abc import Callable
from typing import Any

import structlog
from celery.signals import (
    celeryd_after_setup,
    celeryd_init,
    worker_ready,
    worker_shutdown,
    worker_shutting_down,
)

from orchestrator import logs
from orchestrator.admin.diagnosis.start import require_good_start
from orchestrator.celery import app
from orchestrator.control.cancel_listener import CancelListener
from orchestrator.control.heartbeat import Heartbeat, bury_dead
from orchestrator.errors import StoreDownError
from orchestrator.pipeline import runtime
from orchestrator.store import engine as store
from tasks import broker_redis, engines
from tasks.drain import Drain

_logger = structlog.get_logger(__name__)
#: Queues whose tasks need the models.
_MODEL_QUEUES = frozenset({"gpu", "gpu.bulk"})
#: Queues whose tasks may ask the language model: its client is slow to import, so not at the first question.
_WRITER_QUEUES = frozenset({"llm", "sql"})
app.steps["worker"].add(Drain)


class _Life:
    """What `celeryd_after_setup` begins and `worker_shutdown` ends."""

    heartbeat: Heartbeat | None = None
    #: Dies with the process: waiting for it would cost an idle worker's end a second.
    listener: CancelListener | None = None


@celeryd_init.connect
def _first(sender: str, **_: Any) -> None:  # Any: celery's signals pass what they like
    logs.configure(sender.split("@", maxsplit=1)[0])
    broker_redis.outlive_garbage()
    # One line a task comes from our own stages, with the turn; Celery's would double it.
    logging.getLogger("celery.worker.strategy").setLevel(logging.WARNING)
    # A message put back by a worker that drains is a warning with a traceback to it.
    logging.getLogger("celery.app.trace").setLevel(logging.ERROR)


def _or_leave(receiver: Callable[..., None]) -> Callable[..., None]:
    """End the process when `receiver` fails: Celery only logs that, and goes on without what it was to set up."""

    @functools.wraps(receiver)
    def guarded(*args: Any, **kwargs: Any) -> None:  # Any: as below
        try:
            receiver(*args, **kwargs)
        except Exception as exc:
            _logger.exception("worker not started")
            raise SystemExit(os.EX_SOFTWARE) from exc

    return guarded


@celeryd_after_setup.connect
@_or_leave
def _begin(sender: str, instance: Any, **_: Any) -> None:
    # First: what it finds (no migration, say) is what would make the rest fail.
    require_good_start("worker", instance)
    _free_leases()
    queues = sorted(instance.app.amqp.queues.consume_from)
    here = runtime.start(sender.split("@", maxsplit=1)[0])
    if _MODEL_QUEUES & set(queues):
        engines.gpu()
    if _WRITER_QUEUES & set(queues):
        engines.llm()
    _Life.heartbeat = Heartbeat(
        incarnation=here.incarnation,
        name=here.worker,
        role="worker",
        queues=queues,
        slots=instance.concurrency,
        stops=here.stops,
    )
    _Life.listener = CancelListener(here.redis, here.keys, here.stops)
    _Life.listener.start()


def _free_leases() -> None:
    """Let go on elsewhere what the process before this one held, while this one still loads."""
    try:
        bury_dead("")
    except StoreDownError:
        _logger.info("leases left to run out")


@worker_ready.connect
@_or_leave
def _ready(**_: Any) -> None:
    # Only now: readiness counts heartbeats, and a worker that still loads its model takes no work.
    if _Life.heartbeat is not None:
        _Life.heartbeat.start()
    _logger.info("worker ready")


@worker_shutting_down.connect
def _drain(**_: Any) -> None:
    if _Life.heartbeat is not None:
        _Life.heartbeat.draining = True
    _logger.info("worker drains")


@worker_shutdown.connect
def _end(**_: Any) -> None:
    # Told by the drain, and again by Celery if it comes to that.
    heartbeat, _Life.heartbeat = _Life.heartbeat, None
    if heartbeat is None:
        return
    heartbeat.stop()
    runtime.current().flusher.close()
    store.close()
    _logger.info("worker left")
