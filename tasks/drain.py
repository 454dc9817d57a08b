"""Drain: what a worker does between SIGTERM and its end.

It takes nothing more, lets what runs come to its end, hands back what does not
in time, and leaves. Celery's warm shutdown would wait for the threads pool
without bound and acknowledge nothing meanwhile, and its soft shutdown does not
work on threads at all.
"""

from __future__ import annotations

import atexit
import logging
import os
import signal
import sys
import threading
import time
from typing import Any

import structlog
from celery import bootsteps, signals
from celery.worker import state
from django.conf import settings

from orchestrator.pipeline import runtime
from orchestrator.queues import LEAVE_S

#: Of `LEAVE_S`, what the handing back may take; the rest is for the way out.
HAND_BACK_S = LEAVE_S - 2.0
_TURN_S = 0.05
_logger = structlog.get_logger(__name__)


class _Asked:
    """How often this process was asked to leave: plain attributes, as a signal handler may take no lock."""

    times = 0


def draining() -> bool:
    """Return whether this process takes no more work."""
    return _Asked.times > 0


def leave(*_: object) -> None:
    """Ask this worker to drain, or to hurry where it drains already; a signal handler."""
    _Asked.times += 1
    # Celery's own flag: its loop looks at it after every turn, also while it tries to reach a broker that is away.
    flags: Any = state  # whose stubs know only None
    flags.should_stop = os.EX_OK


class Drain(bootsteps.StartStopStep):
    """The step that stops after the consumer and before the pool: nothing more comes in, everything still runs.

    Celery passes a worker and a hub that its stubs leave untyped.
    """

    requires = ("celery.worker.components:Hub", "celery.worker.components:Pool")

    def __init__(self, worker: Any, **options: Any) -> None:
        super().__init__(worker, **options)
        self._wake, self._waker = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)

    def start(self, worker: Any) -> None:
        """Take the signals over from Celery, whose handlers end in a wait without bound."""
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGQUIT, signal.SIGHUP):
            signal.signal(number, leave)
        # The loop sleeps for up to a second, in which the worker would go on taking work.
        signal.set_wakeup_fd(self._waker, warn_on_full_buffer=False)

    def register_with_event_loop(self, worker: Any, hub: Any) -> None:
        """Have a signal end the loop's sleep; called again after each loss of the broker."""
        hub.add_reader(self._wake, self._woken)

    def stop(self, parent: Any) -> None:
        """Wait for what runs, hand back what outlasts the limit, and abandon what does not even hear that."""
        _Asked.times = _Asked.times or 1  # by remote control, or after an error
        signals.worker_shutting_down.send(sender=parent.hostname, sig="SIGTERM", how="Drain", exitcode=os.EX_OK)
        limit_s: float = settings.SWITCHYARD.drain_s
        turns, stops = _Turns(parent), runtime.current().stops
        idle = turns.until_idle(limit_s, hurried=lambda: _Asked.times > 1)
        if not idle:
            _logger.warning("handing back what still runs", running=stops.names(), after_s=limit_s)
            # In a thread: an interrupt talks to somebody else's server, and the limit holds whatever that one does.
            threading.Thread(target=stops.leave, name="leave", daemon=True).start()
            idle = turns.until_idle(HAND_BACK_S, hurried=lambda: False)
        # Here rather than at Celery's own end, which it may not reach: what is still held is anybody's from now on.
        signals.worker_shutdown.send(sender=parent)
        if not idle:
            _abandon(parent)
        connection = parent.consumer.connection
        if connection is not None and not connection.connected:
            parent.consumer.connection = None  # kombu fails at the closing of a connection that it has lost
        atexit.register(_leave_now, parent)

    def terminate(self, parent: Any) -> None:
        """Do the same where Celery would be less patient."""
        self.stop(parent)

    def _woken(self, *_: object) -> None:
        os.read(self._wake, 512)


class _Turns:
    """Turns the worker's loop while its stages end: so they are acknowledged, and what still comes in goes back."""

    def __init__(self, worker: Any) -> None:
        self._worker = worker
        self._loop: Any = None
        hub, consumer = worker.hub, worker.consumer
        if hub is None or consumer.connection is None or consumer.task_consumer is None:
            return  # the broker is away; the stages need only the rows
        # A message that came while all slots were taken lies in the socket, and is read only where there is room. No
        # consumer is left to get it, so kombu puts it back into its queue.
        consumer.task_consumer.channel.qos.can_consume = lambda: True
        hub.timer.call_repeatedly(_TURN_S, lambda: None)
        self._loop = hub.create_loop()

    def until_idle(self, limit_s: float, *, hurried: Any) -> bool:
        """Return whether nothing runs and nothing is on its way any more, within `limit_s` or until `hurried`."""
        until_s = time.monotonic() + limit_s
        while self._busy():
            if time.monotonic() >= until_s or hurried():
                return not _running()
            self._turn()
        return True

    def _busy(self) -> bool:
        return _running() or (self._loop is not None and self._asks_the_broker())

    def _asks_the_broker(self) -> bool:
        # An answer to the last BRPOP takes a message out of Redis, whether or not we are still there to read it.
        channel = self._worker.consumer.task_consumer.channel
        return bool(getattr(channel, "_in_poll", None))

    def _turn(self) -> None:
        if self._loop is None:
            time.sleep(_TURN_S)
            return
        try:
            next(self._loop)
        except Exception as exc:  # whatever breaks here, the stages must still get their time
            _logger.warning("broker lost while draining", error=type(exc).__name__)
            self._loop = None


def _running() -> bool:
    # Celery forgets its reserved requests when it loses the broker; our own stops know what really runs.
    return bool(state.reserved_requests or state.active_requests or runtime.current().stops.names())


def _abandon(worker: Any) -> None:
    """Leave although something did not stop: Python would wait for its thread until the process is killed."""
    _logger.error("left behind", running=runtime.current().stops.names())
    try:
        worker.consumer.shutdown()  # puts the messages back that nobody acknowledged
    finally:
        _leave_now(worker, code=os.EX_SOFTWARE)


def _leave_now(worker: Any, *, code: int | None = None) -> None:
    """End without Python's own clean-up: of the models it takes 2 s of processor time while somebody waits."""
    logging.shutdown()
    sys.stdout.flush()
    os._exit(worker.exitcode or os.EX_OK if code is None else code)
