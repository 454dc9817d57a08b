"""The parsing process: `python -m orchestrator.pipeline.parsing.child`, bytes on stdin, one JSON reply on stdout.

It limits itself before it looks at the document: processor time, address space, no file written, no core.
"""

from __future__ import annotations

import resource
import sys
from typing import cast

from orchestrator.errors import InvalidInputError
from orchestrator.pipeline.parsing.document import Problem
from orchestrator.pipeline.parsing.registry import parse
from orchestrator.pipeline.parsing.wire import Reply, Request

#: Standard streams, the libraries' own files and one spare.
_MAX_FILES = 64


def confine(request: Request) -> None:
    """Lower this process's own limits for good."""
    for what, amount in (
        (resource.RLIMIT_CPU, request.cpu_s),
        (resource.RLIMIT_AS, request.memory_bytes),
        (resource.RLIMIT_FSIZE, 0),
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_NOFILE, _MAX_FILES),
    ):
        resource.setrlimit(what, (amount, amount))


def answer(request: Request, content: bytes) -> Reply:
    """Return the document, or the problem as the worker will raise it."""
    try:
        return Reply.of(parse(content, request.filename, request.mime, request.limits()))
    except InvalidInputError as exc:
        problem = cast(Problem, (exc.detail_key or "documents.corrupt").removeprefix("documents."))
        return Reply(problem=problem, message=str(exc))
    except MemoryError:
        return Reply(problem="too_complex", message="ran out of its memory")
    except RecursionError:
        return Reply(problem="too_complex", message="nested too deeply")
    except ImportError as exc:
        # An incomplete installation, not a damaged file.
        return Reply(problem="crashed", message=f"a parser's library is missing: {exc.name}")
    except Exception as exc:
        # This process exists to survive whatever a parser trips over; its type is enough for the log.
        return Reply(problem="corrupt", message=f"the parser failed: {type(exc).__name__}")


def main() -> None:
    """Read one request, answer it, end."""
    request = Request.model_validate_json(sys.stdin.buffer.readline())
    confine(request)
    reply = answer(request, sys.stdin.buffer.read(request.max_bytes + 1))
    sys.stdout.buffer.write(reply.model_dump_json().encode())
    sys.stdout.buffer.flush()


if __name__ == "__main__":
    main()
