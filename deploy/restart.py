"""Ask a running start to replace its processes one after the other, and show how it gets on; `make restart`."""

import fcntl
import os
import signal
import sys
import time
from pathlib import Path

from deploy.folder import DataFolder, SetupError
from deploy.rolling import DONE, FAILED

#: How long the supervisor may take to begin.
_BEGIN_S = 10.0
_POLL_S = 0.1


def holder(lock: Path) -> int:
    """Return the process that holds the data folder's lock.

    Raises:
        SetupError: none does.
    """
    try:
        with lock.open("r+", encoding="utf-8") as handle:
            try:
                fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                return int(handle.read())
    except (FileNotFoundError, ValueError):
        pass
    raise SetupError(f"Switchyard does not run with the data folder {lock.parent}: start it by `make run`")


def follow(log: Path, pid: int, before: int) -> bool:
    """Write the lines of the log that is not `before` (an inode) to its end; return whether all went well.

    Raises:
        SetupError: nothing happens, or process `pid` ends.
    """
    until, shown = time.monotonic() + _BEGIN_S, 0
    while True:
        lines = log.read_text(encoding="utf-8").splitlines() if _inode(log) not in (0, before) else []
        for line in lines[shown:]:
            sys.stdout.write(line + "\n")
            sys.stdout.flush()
            if line.startswith((DONE, FAILED)):
                return line.startswith(DONE)
        shown = max(shown, len(lines))
        if not lines and time.monotonic() > until:
            raise SetupError(f"process {pid} does not answer; its terminal may say why")
        try:
            os.kill(pid, 0)
        except ProcessLookupError as exc:
            raise SetupError(f"process {pid} has ended") from exc
        time.sleep(_POLL_S)


def _inode(log: Path) -> int:
    try:
        return log.stat().st_ino
    except FileNotFoundError:
        return 0


def main() -> int:
    """Return 0 when every process has been replaced."""
    try:
        folder = DataFolder.of(os.environ)
        pid = holder(folder.root / "lock")
        before = _inode(folder.restart_log)
        os.kill(pid, signal.SIGUSR1)
        return 0 if follow(folder.restart_log, pid, before) else 1
    except SetupError as exc:
        sys.stdout.write(f"switchyard: {exc}\n")
        return 1


if __name__ == "__main__":
    raise SystemExit(main())
