"""Become another program that is told to stop when its parent dies.

A program of its own, because code between fork and exec (`preexec_fn`) may deadlock in a process with threads.
Arguments: the parent's process id, the signal for its death, a user name or nothing, then the command.
"""

import ctypes
import os
import pwd
import sys

PR_SET_PDEATHSIG = 1


def main(parent: int, death_signal: int, user: str, command: list[str]) -> None:
    """Tie this process to `parent`, drop to `user`, and become `command`."""
    if user:
        entry = pwd.getpwnam(user)
        os.initgroups(user, entry.pw_gid)
        os.setgid(entry.pw_gid)
        os.setuid(entry.pw_uid)
    # After the change of user: the kernel forgets the wish when the credentials change.
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, death_signal, 0, 0, 0)
    if os.getppid() != parent:
        raise SystemExit(0)  # it died before the wish was heard
    os.execvp(command[0], command)  # noqa: S606 - no shell wanted


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]), sys.argv[3], sys.argv[4:])
