"""What this machine gives: its clock, its open files, its disk, the libraries that are installed."""

from __future__ import annotations

import contextlib
import re
import resource
import shutil
from collections.abc import Iterator, Mapping, Sequence
from importlib import metadata
from pathlib import Path

from orchestrator.admin.diagnosis.findings import Check, Finding

CLOCK_S, CLOCK_FAR_S = 2.0, 30.0
#: Each socket is one; a gateway needs some for itself.
LEAST_FILES, ENOUGH_FILES = 4096, 65_536
LEAST_FREE_BYTES = 500_000_000
Version = tuple[int, ...]
#: From the first version to before the second; as in pyproject.toml, which a test holds it to.
PINS: Mapping[str, tuple[Version, Version]] = {
    "celery": ((5, 6, 3), (5, 6, 4)),
    "kombu": ((5, 7), (5, 8)),
    "redis": ((6, 4), (8,)),
}
#: Releases that were seen to lose work, with what they do.
LOSING: Mapping[tuple[str, str], str] = {
    ("celery", "5.7.0"): "its worker ends for good when Redis goes away while a task runs",
}

_CLOCK_WHY = "tokens are judged, frames stamped and schedules fired by this host's clock; deadlines go by PostgreSQL's"
_CLOCK_REMEDY = "let chrony or systemd-timesyncd keep the clock of every host"
CLOCK = Check(id="clock", subject="machine", level="warning", why=_CLOCK_WHY, remedy=_CLOCK_REMEDY)
CLOCK_FAR = Check(id="clock-far", subject="machine", level="problem", why=_CLOCK_WHY, remedy=_CLOCK_REMEDY)
FILES = Check(
    id="open-files",
    subject="machine",
    level="warning",
    why="each socket takes a file descriptor: beyond the limit nobody else can connect",
    remedy="raise the hard limit: `ulimit -Hn 65536`, LimitNOFILE= in a systemd unit, `ulimits` in compose",
)
SPACE = Check(
    id="disk",
    subject="machine",
    level="warning",
    why="a full disk stops logs and, where it is theirs too, PostgreSQL and Redis",
    remedy="make room, or move the folder by SWITCHYARD_DATA_DIR",
)
LIBRARY_LOSES = Check(
    id="library-loses-work",
    subject="libraries",
    level="problem",
    why="this release was seen to lose work",
    remedy="install what pyproject.toml pins: `make install`",
    refuses=frozenset({"worker"}),
)
LIBRARY_UNTRIED = Check(
    id="library-untried",
    subject="libraries",
    level="warning",
    why="what was measured and drilled was measured with the pinned releases",
    remedy="install what pyproject.toml pins: `make install`",
)
CHECKS = (CLOCK, CLOCK_FAR, FILES, SPACE, LIBRARY_LOSES, LIBRARY_UNTRIED)


def clock(ahead_s: Mapping[str, tuple[float, float]]) -> Iterator[Finding]:
    """Yield how far servers' clocks are from this host's.

    Args:
        ahead_s: server -> (its clock less ours, how wrong that may be), in seconds.
    """
    for name, (offset_s, unsure_s) in ahead_s.items():
        certain_s = abs(offset_s) - unsure_s
        told = f"{name}'s clock is {abs(offset_s):.1f} s {'ahead of' if offset_s > 0 else 'behind'} this host's"
        if certain_s > CLOCK_FAR_S:
            yield CLOCK_FAR.found(told)
        elif certain_s > CLOCK_S:
            yield CLOCK.found(told)
        else:
            yield CLOCK.fine(f"{name}'s clock agrees with this host's")


def open_files(soft: int) -> Iterator[Finding]:
    """Yield whether a gateway may open enough files; -1 is no limit."""
    told = f"a gateway may open {'any number of' if soft < 0 else soft} files"
    yield FILES.fine(told) if soft < 0 or soft >= LEAST_FILES else FILES.found(told)


def files_limit() -> int:
    """Return how many files a gateway may open, which raises its own limit to that."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = ENOUGH_FILES if hard == resource.RLIM_INFINITY else min(hard, ENOUGH_FILES)
    return soft if soft == resource.RLIM_INFINITY else max(soft, most)


def raise_files_limit() -> None:
    """Let this process open as many files as the system allows it, and no fewer than before."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (files_limit(), hard))


def disk(free: Mapping[str, int]) -> Iterator[Finding]:
    """Yield which folders have little room left: folder -> free bytes."""
    for folder, left in free.items():
        told = f"{left / 1e6:,.0f} MB free in {folder}"
        yield SPACE.fine(told) if left >= LEAST_FREE_BYTES else SPACE.found(told)


def free_bytes(folders: Sequence[Path]) -> dict[str, int]:
    """Return the room in each folder, or in what it will be made in; what lies on one disk is named once."""
    found: dict[int, tuple[str, int]] = {}
    for folder in folders:
        there = folder.resolve()
        while not there.exists():
            there = there.parent
        found.setdefault(there.stat().st_dev, (str(there), shutil.disk_usage(there).free))
    return dict(found.values())


def libraries(installed: Mapping[str, str]) -> Iterator[Finding]:
    """Yield which installed releases, distribution -> version, lose work or were never tried."""
    good = []
    for name, version in installed.items():
        least, below = PINS[name]
        if (name, version) in LOSING:
            yield LIBRARY_LOSES.found(f"{name} {version}: {LOSING[name, version]}")
        elif not least <= _numbers(version) < below:
            yield LIBRARY_UNTRIED.found(f"{name} {version}")
        else:
            good.append(f"{name} {version}")
    if good:
        yield LIBRARY_UNTRIED.fine(", ".join(good))


def installed() -> dict[str, str]:
    """Return the versions of what is pinned and installed."""
    found = {}
    for name in PINS:
        with contextlib.suppress(metadata.PackageNotFoundError):
            found[name] = metadata.version(name)
    return found


def _numbers(version: str) -> Version:
    return tuple(int(part) for part in re.findall(r"\d+", version)[:3])
