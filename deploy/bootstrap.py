"""Make the virtual environment of this checkout, then hand over to what was asked for.

Run by the Makefile with whatever Python 3 the machine has, so it needs the standard library alone and even its
syntax has to be understood by a Python that is too old: that one is to get a plain sentence, not a traceback.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, Callable, Iterator, NamedTuple  # noqa: UP035 - a Python too old must get as far as being told so

CHECKOUT = Path(__file__).resolve().parent.parent
VENV = CHECKOUT / ".venv"
STAMP = VENV / ".switchyard-stamp.json"
PIP_LOG = VENV / "pip.log"
LOCK = CHECKOUT / ".venv.lock"

#: Installed before everything else: resolved together with the rest, pip may choose another build of it with
#: gigabytes of CUDA libraries, which no part of a development start uses.
FIRST = "torch==2.13.0"

RUN_EXTRAS = ("embedded", "ml")
DEV_EXTRAS = ("dev", "embedded", "ml")


class Command(NamedTuple):
    """One word that the Makefile may say, and what it stands for."""

    extras: tuple[str, ...]
    lines: tuple[tuple[str, ...], ...]  # each a command of the environment; all run, the worst exit code counts


COMMANDS = {
    "run": Command(RUN_EXTRAS, (("python", "-m", "deploy.run"),)),
    "restart": Command(RUN_EXTRAS, (("python", "-m", "deploy.restart"),)),
    "restore": Command(RUN_EXTRAS, (("python", "-m", "deploy.restore"),)),
    "test": Command(DEV_EXTRAS, (("python", "-m", "pytest", "-q", "-m", "not drill"),)),
    "test-fast": Command(
        DEV_EXTRAS,
        (("python", "-m", "pytest", "-q", "-m", "not slow and not browser", "tests/unit", "tests/contract"),),
    ),
    "lint": Command(
        DEV_EXTRAS,
        (
            ("ruff", "check", "."),
            ("ruff", "format", "--check", "."),
            ("mypy",),
            ("lint-imports", "--no-logo"),
        ),
    ),
    "format": Command(DEV_EXTRAS, (("ruff", "check", "--fix", "."), ("ruff", "format", "."))),
    "drill": Command(DEV_EXTRAS, (("python", "-m", "tests.drill"),)),
    # Two runs: the first one's workers would answer what the second one's gateways only take in.
    "test-faults": Command(
        DEV_EXTRAS,
        (
            ("python", "-m", "pytest", "-q", "tests/drill"),
            ("python", "-m", "pytest", "-q", "-m", "drill", "tests/integration"),
        ),
    ),
    "install": Command(DEV_EXTRAS, ()),
}


class SetupError(Exception):
    """The set-up cannot go on; the message is the sentence that the person reads."""


def main(arguments: list[str]) -> int:
    """Return the exit code of the command named first in `arguments`; the rest is passed on to it."""
    if not arguments or arguments[0] not in COMMANDS:
        say("usage: bootstrap.py {} [arguments]".format("|".join(COMMANDS)))
        return 2
    command = COMMANDS[arguments[0]]
    try:
        switch_to_a_supported_python(sys.version_info[:2], arguments)
        with exclusively(LOCK):
            ensure_environment(command.extras)
    except SetupError as error:
        say(f"\nswitchyard: {error}")
        return 1
    except KeyboardInterrupt:
        say("\nswitchyard: stopped while setting up; the next start goes on from here")
        return 130
    return hand_over(command.lines, arguments[1:])


def switch_to_a_supported_python(version: tuple[int, ...], arguments: list[str]) -> None:
    """Go on under a Python that the dependencies have wheels for, replacing this process where it is another one."""
    if (3, 11) <= version <= (3, 12):
        return
    for name in ("python3.11", "python3.12"):
        found = shutil.which(name)
        if found and subprocess.call([found, "-c", ""], stderr=subprocess.DEVNULL) == 0:
            os.execv(found, [found, str(Path(__file__).resolve()), *arguments])  # noqa: S606 - no shell wanted
    raise SetupError(
        "Python 3.11 or 3.12 is needed, and python3 here is {}.{}. Install one (Debian, Ubuntu: "
        "apt install python3.11 python3.11-venv) and try again.".format(*version)
    )


@contextlib.contextmanager
def exclusively(path: Path) -> Iterator[None]:
    """Hold the lock file at `path`, so that two starts do not write the same environment."""
    with path.open("a") as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say("Another start is preparing .venv; waiting for it …")
            fcntl.flock(handle, fcntl.LOCK_EX)
        yield


def ensure_environment(extras: tuple[str, ...]) -> None:
    """Leave an environment that holds the project with `extras`; touch nothing when it already does."""
    wanted = fingerprint(CHECKOUT)
    stamp = read_stamp(STAMP)
    have = set(stamp.get("extras", ())) if stamp.get("fingerprint") == wanted else set()
    if set(extras) <= have and usable(VENV):
        return
    everything = sorted(have | set(extras))
    began = time.monotonic()
    say(f"Preparing .venv (the first time this takes some minutes; details: {relative(PIP_LOG)})")
    if not usable(VENV):
        step("virtual environment", make_venv)
    STAMP.unlink(missing_ok=True)
    PIP_LOG.write_text("", encoding="utf-8")
    constraints = str(CHECKOUT / "constraints.txt")
    project = "{}[{}]".format(CHECKOUT, ",".join(everything))
    step("PyTorch", lambda: pip("install", FIRST))
    step("dependencies: " + ", ".join(everything), lambda: pip("install", "-c", constraints, "-e", project))
    STAMP.write_text(json.dumps({"fingerprint": wanted, "extras": everything}), encoding="utf-8")
    say(f"Prepared in {time.monotonic() - began:.0f} s.\n")


def fingerprint(checkout: Path) -> str:
    """Return what a finished environment depends on: the pins, the Python, and where the checkout lies."""
    digest = hashlib.sha256()
    for name in ("pyproject.toml", "constraints.txt"):
        digest.update((checkout / name).read_bytes() + b"\0")
    # Scripts and the editable install carry absolute paths: a moved checkout needs a new environment.
    digest.update(f"{FIRST}\0{sys.version_info[:2]}\0{checkout}".encode())
    return digest.hexdigest()


def read_stamp(path: Path) -> dict[str, Any]:
    """Return what the last finished installation noted, or nothing."""
    try:
        stamp = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return stamp if isinstance(stamp, dict) else {}


def usable(venv: Path) -> bool:
    """Tell whether `venv` was made for this very place and Python, and starts."""
    python = venv / "bin" / "python"
    pip_script = venv / "bin" / "pip"
    try:
        first_line = pip_script.read_text(encoding="utf-8").splitlines()[0]
        probe = [str(python), "-c", "import sys, pip; print(*sys.version_info[:2])"]
        answer = subprocess.run(probe, capture_output=True, text=True, check=True)
    except (OSError, IndexError, subprocess.CalledProcessError):
        return False
    # A long or blank-carrying path makes pip write a two-line `/bin/sh` header instead of naming its Python.
    here = str(venv) in first_line or first_line == "#!/bin/sh"
    return here and answer.stdout.split() == [str(part) for part in sys.version_info[:2]]


def make_venv() -> None:
    """Create the environment anew, or say what the system lacks for it."""
    shutil.rmtree(VENV, ignore_errors=True)
    made = subprocess.run([sys.executable, "-m", "venv", str(VENV)], capture_output=True, text=True, check=False)
    if made.returncode != 0:
        shutil.rmtree(VENV, ignore_errors=True)
        raise SetupError(
            "python3 -m venv failed (on Debian and Ubuntu: apt install python3-venv):\n"
            + last_lines(made.stdout + made.stderr)
        )


def pip(*arguments: str) -> None:
    """Run pip into its log file; on failure show the end of it."""
    command = [str(VENV / "bin" / "python"), "-m", "pip", *arguments, "--progress-bar", "off", "--no-input"]
    environment = {**os.environ, "PIP_DISABLE_PIP_VERSION_CHECK": "1", "PIP_ROOT_USER_ACTION": "ignore"}
    with PIP_LOG.open("a", encoding="utf-8") as log:
        process = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT, env=environment, cwd=str(CHECKOUT))
        try:
            code = watch(process)
        except BaseException:
            process.terminate()
            process.wait()
            raise
    if code != 0:
        text = PIP_LOG.read_text(encoding="utf-8", errors="replace")
        raise SetupError(f"pip failed; the whole log is {relative(PIP_LOG)}. Its last lines:\n{last_lines(text)}")


def watch(process: subprocess.Popen[bytes]) -> int:
    """Return pip's exit code; until then show at a terminal what it is busy with, in the rest of the line."""
    shown = ""
    while True:
        try:
            code = process.wait(0.5)
        except subprocess.TimeoutExpired:
            if sys.stdout.isatty():
                doing = doing_now(PIP_LOG.read_text(encoding="utf-8", errors="replace"))
                sys.stdout.write(f"\033[s\033[K{doing}\033[u")
                sys.stdout.flush()
                shown = doing
            continue
        if shown:
            sys.stdout.write("\033[K")
        return code


def doing_now(log: str) -> str:
    """Return the last line of pip's log that names what it is busy with, short enough for one line."""
    busy = ("Collecting", "Downloading", "Building", "Installing", "Preparing")
    lines = [line.strip() for line in log.splitlines() if line.strip().startswith(busy)]
    return lines[-1].split(" (from")[0][:50] if lines else ""


def step(title: str, action: Callable[[], None]) -> None:
    """Do `action`, showing what is going on and how long it took."""
    sys.stdout.write(f"  • {title} … ")
    sys.stdout.flush()
    began = time.monotonic()
    action()
    say(f"{time.monotonic() - began:.0f} s")


def hand_over(lines: tuple[tuple[str, ...], ...], arguments: list[str]) -> int:
    """Run the lines; a single one replaces this process, so that signals reach it."""
    programs = VENV / "bin"
    os.chdir(str(CHECKOUT))
    if len(lines) == 1:
        program, *rest = lines[0]
        os.execv(str(programs / program), [str(programs / program), *rest, *arguments])  # noqa: S606 - no shell wanted
    worst = 0
    for program, *rest in lines:
        say("→ " + " ".join([program, *rest]))
        worst = max(worst, abs(subprocess.call([str(programs / program), *rest, *arguments])))
    return worst


def last_lines(text: str, count: int = 15) -> str:
    """Return the end of `text`, indented."""
    return "\n".join("    " + line for line in text.strip().splitlines()[-count:])


def relative(path: Path) -> str:
    """Return `path` as seen from the checkout."""
    return str(path.relative_to(CHECKOUT))


def say(text: str) -> None:
    """Write one line for the person at the terminal."""
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
