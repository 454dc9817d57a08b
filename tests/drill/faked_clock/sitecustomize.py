"""Mends what libfaketime 0.9.10 breaks: on PYTHONPATH of processes that run under it.

Python sleeps until a moment of the monotonic clock, and libfaketime takes that for one of the clock it fakes: EINVAL.
"""

import select
import time


def _sleep(seconds: float, /) -> None:
    # A duration, which libfaketime passes on as it is.
    select.select([], [], [], seconds)


time.sleep = _sleep  # type: ignore[assignment]  # the original also takes what has `__index__`
