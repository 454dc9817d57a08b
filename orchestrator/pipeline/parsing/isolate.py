"""Parse a stranger's document in a process of its own, which can be killed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path

from pydantic import ValidationError

import orchestrator
from orchestrator.errors import StoppedError
from orchestrator.pipeline.parsing.document import Limits, ParsedDocument, refuse
from orchestrator.pipeline.parsing.wire import Reply, Request
from orchestrator.resilience.stop import Stop

_COMMAND = (sys.executable, "-P", "-s", "-m", "orchestrator.pipeline.parsing.child")


def parse_isolated(
    content: bytes, filename: str, mime: str, limits: Limits | None = None, *, stop: Stop | None = None
) -> ParsedDocument:
    """Return the parsed document; blocks until the parsing process has ended, in any case.

    The process gets the bytes by stdin, none of this one's environment (it holds secrets),
    and dies with its whole group at the time limit or when `stop` is set.

    Raises:
        InvalidInputError: it can't be taken in; `detail_key` (`documents.…`) says why.
        StoppedError: the stop came.
    """
    limits = limits or Limits()
    if len(content) > limits.max_bytes:
        raise refuse("too_big", f"{len(content)} bytes")
    head = Request(filename=filename[:255], mime=mime[:255], **asdict(limits)).model_dump_json().encode()
    with (
        subprocess.Popen(
            _COMMAND,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
            cwd="/",
            env={"PYTHONPATH": str(Path(orchestrator.__file__).parents[1]), "PYTHONUTF8": "1"},
        ) as process,
        ExitStack() as stack,
    ):
        stack.callback(_kill, process)
        if stop is not None:
            stack.enter_context(stop.interrupts(lambda: _kill(process)))
        try:
            out, _ = process.communicate(head + b"\n" + content, timeout=limits.timeout_s)
        except subprocess.TimeoutExpired as exc:
            raise refuse("too_complex", f"not parsed within {limits.timeout_s:g} s") from exc
    if stop is not None and stop.is_set():
        raise StoppedError("job")
    return _read(out, process.returncode, limits)


def _kill(process: subprocess.Popen[bytes]) -> None:
    """Kill the process's group, unless it has been waited for and its number may be somebody else's."""
    if process.returncode is None:
        try:
            os.killpg(process.pid, signal.SIGKILL)
        except ProcessLookupError:
            return


def _read(out: bytes, returncode: int, limits: Limits) -> ParsedDocument:
    if returncode in (-signal.SIGXCPU, -signal.SIGKILL):
        # A lone SIGKILL is the hard limit on processor time, or the kernel short of memory.
        raise refuse("too_complex", f"the parsing process used more than {limits.cpu_s} s or all its memory")
    try:
        reply = Reply.model_validate_json(out)
    except ValidationError as exc:
        raise refuse("crashed", f"the parsing process ended with {returncode} and no answer") from exc
    if reply.problem is not None:
        raise refuse(reply.problem, reply.message)
    return reply.document()
