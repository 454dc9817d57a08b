"""What sharing a forward pass is worth on this machine: questions a second, one caller against sixteen.

`python -m bench.router_batching` with the settings of a deployment that has a trained head.
"""

from __future__ import annotations

import resource
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import django
from django.conf import settings

QUESTIONS = 320
CALLERS = 16
ROUNDS = 3


def main() -> None:
    """Load the engines, run both ways in turn, and write the median rates."""
    django.setup()
    from orchestrator.engines.gpu import configured, load
    from orchestrator.engines.router_questions import read_held_out

    started_s = time.perf_counter()
    engines = load(configured())
    loaded_s = time.perf_counter() - started_s
    texts = [one.text for one in read_held_out(settings.BASE_DIR / "deploy" / "example" / "questions")]
    texts = (texts * 2)[:QUESTIONS]

    def rate(callers: int) -> float:
        begun_s = time.perf_counter()
        with ThreadPoolExecutor(callers) as threads:
            list(threads.map(engines.classify, texts))
        return len(texts) / (time.perf_counter() - begun_s)

    pairs = [(rate(1), rate(CALLERS)) for _ in range(ROUNDS)]
    alone, shared = (sorted(side)[ROUNDS // 2] for side in zip(*pairs, strict=True))
    memory_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    sys.stdout.write(
        f"{engines.router.name}: loaded in {loaded_s:.1f} s, at most {memory_mb:.0f} MB resident\n"
        f"{alone:.0f} questions/s by one caller, {shared:.0f} by {CALLERS}: {shared / alone:.2f}x,"
        f" {engines.batcher.items / engines.batcher.batches:.1f} a batch over all\n"
    )
    engines.close()


if __name__ == "__main__":
    main()
