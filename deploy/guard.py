"""End what a supervisor left behind when it was killed itself.

The supervisor holds the other end of this program's standard input, so the end of file means that it is gone. Its
direct children get their signal from the kernel (`child.py`); this is for their children, and for those that hang.
"""

import os
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path

GRACE_S = 8.0


def marked(mark: str) -> Iterator[int]:
    """Yield the ids of all processes but this one whose environment holds `mark` (`NAME=value`)."""
    wanted = mark.encode()
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit() or int(entry.name) == os.getpid():
            continue
        try:
            variables = (entry / "environ").read_bytes().split(b"\0")
        except OSError:
            continue  # gone meanwhile, or another user's
        if wanted in variables:
            yield int(entry.name)


def sweep(mark: str) -> list[int]:
    """Kill every process that carries `mark`; return their ids."""
    ended = []
    # Twice: one that was just forking when its parent was killed is found the second time.
    for _ in range(2):
        for pid in marked(mark):
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                continue
            ended.append(pid)
    return ended


def main(mark: str) -> None:
    """Wait for the supervisor's end, give its processes time to stop, then end what is left."""
    for ignored in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(ignored, signal.SIG_IGN)
    sys.stdin.read()
    deadline = time.monotonic() + GRACE_S
    while time.monotonic() < deadline and any(marked(mark)):
        time.sleep(0.25)
    sweep(mark)


if __name__ == "__main__":
    main(sys.argv[1])
