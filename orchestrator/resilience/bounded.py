"""Wait for work that can't be interrupted everywhere, but never longer than a stop or a limit allows."""

from __future__ import annotations

import contextvars
import threading
from collections.abc import Callable
from concurrent.futures import Future, wait
from typing import Final, TypeVar

from orchestrator.resilience.stop import Stop

T = TypeVar("T")

#: How long work may take to end after it was told to; then it is left behind.
PATIENCE_S: Final = 1.0


def bounded(
    work: Callable[[Stop], T],
    *,
    stop: Stop,
    limit_s: float,
    name: str,
    worth_waiting: Callable[[], bool] = lambda: True,
) -> T:
    """Return what `work` gives; leave it behind when it outlives a stop or its limit.

    It runs on a thread of its own and gets a stop of its own, which is set when `stop` is, and after `limit_s`.
    From then on it has `PATIENCE_S` to end by itself. What is left behind must clean up after itself: its result,
    or its error, is nobody's any more.

    Args:
        work: what may block, in a driver or in the network.
        stop: the caller's.
        limit_s: how long it may take.
        name: names the thread.
        worth_waiting: asked once it was told to end: whether there is anything at the bottom that has to.

    Raises:
        TimeoutError: it was left behind.
    """
    outcome: Future[T] = Future()
    inner, changed = Stop(), threading.Event()
    outcome.add_done_callback(lambda _: changed.set())

    def hasten() -> None:
        inner.set()
        changed.set()

    context = contextvars.copy_context()
    with stop.interrupts(hasten):
        # Daemon: a process that leaves must not wait for a silent server.
        threading.Thread(target=context.run, args=(_work, work, inner, outcome), name=name, daemon=True).start()
        changed.wait(limit_s)
        if not outcome.done():
            inner.set()
            wait([outcome], timeout=PATIENCE_S if worth_waiting() else 0)
    if not outcome.done():
        raise TimeoutError(f"{name} was left behind")
    return outcome.result()


def _work(work: Callable[[Stop], T], stop: Stop, outcome: Future[T]) -> None:
    try:
        result = work(stop)
    except BaseException as exc:  # whatever it is, it is the caller's
        outcome.set_exception(exc)
    else:
        outcome.set_result(result)
