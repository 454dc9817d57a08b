"""Run a process of the product over a table with fewer slots: `python -m bench.small_table 2 -m celery …`.

Every worker gets as many slots as the first argument says, and every queue admits twice as much, as the table does. On
a small machine stages that only sleep would otherwise be so many at once that the processor is what is measured.
"""

from __future__ import annotations

import runpy
import sys
from dataclasses import replace
from typing import Any

from orchestrator import queues


def shrink(slots: int) -> None:
    """Make the table of queues one for `slots` slots a worker."""
    # Whoever imports it gets this very dictionary.
    table: Any = queues.QUEUES
    for name, queue in queues.QUEUES.items():
        table[name] = replace(queue, admitted=2 * slots)


def slimmed(arguments: list[str], slots: int) -> list[str]:
    """Return a process' command for `slots` slots."""
    found = list(arguments)
    if "--concurrency" in found:
        found[found.index("--concurrency") + 1] = str(slots)
    return ["-m", "bench.small_table", str(slots), *found]


if __name__ == "__main__":
    shrink(int(sys.argv[1]))
    sys.argv = sys.argv[2:]
    if sys.argv[0] == "-m":
        del sys.argv[0]
        runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
    else:
        runpy.run_path(sys.argv[0], run_name="__main__")
