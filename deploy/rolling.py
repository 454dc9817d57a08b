"""A rolling restart: the processes of the table are replaced one after the other, and each is waited for."""

import time
from collections.abc import Iterable
from pathlib import Path

from deploy.process import Phase, Process
from deploy.supervisor import Supervisor

#: Begins the last line of a log; whoever follows it stops there.
DONE, FAILED = "Restarted", "Not restarted"


class RestartLog:
    """What a restart says, for whoever asked for it from another terminal."""

    def __init__(self, path: Path) -> None:
        """Begin a new file, so that a follower can tell this restart from the last one."""
        self._path = path
        # Beside the old one until it is there: a removed file's number would be given to the next.
        new = path.with_suffix(".new")
        new.touch(mode=0o600)
        new.replace(path)

    def say(self, text: str) -> None:
        """Add a line."""
        with self._path.open("a", encoding="utf-8") as handle:
            handle.write(text + "\n")


def order(processes: Iterable[Process]) -> list[Process]:
    """Return who is restarted, in this order: workers, then who hands work out, then the gateways.

    New code that does not start is so found out before a user's connection has been touched. Servers stay, a local
    language model among them: it takes minutes to load and holds nothing of ours.
    """
    ours = [process for process in processes if process.phase <= Phase.WORKERS]
    return sorted(ours, key=lambda process: -process.phase)


async def restart_all(processes: Iterable[Process], supervisor: Supervisor, log: RestartLog) -> bool:
    """Restart them one after the other and return whether all are at work; stop at the first that isn't."""
    began = time.monotonic()
    wanted = order(processes)
    for at, process in enumerate(wanted):
        begun = time.monotonic()
        if not await supervisor.restart(process.name):
            left = ", ".join(later.name for later in wanted[at + 1 :]) or "none"
            log.say(f"  {process.name} does not come up; its log: {supervisor.log_of(process.name)}")
            log.say(f"{FAILED}: {left}. They run on as before.")
            return False
        log.say(f"  {process.name:<14} {time.monotonic() - begun:.1f} s")
    log.say(f"{DONE} {len(wanted)} processes in {time.monotonic() - began:.0f} s.")
    return True
