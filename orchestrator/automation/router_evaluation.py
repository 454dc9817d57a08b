"""Judge the router by night: on what the company's own people have labelled, and on questions that came with it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from orchestrator.automation.run_job import JobContext
from orchestrator.engines.gpu import GpuEngines
from orchestrator.engines.router_questions import read_held_out
from orchestrator.pipeline.labels import LABELS, Label
from orchestrator.pipeline.stage_classify import decide
from orchestrator.store.engine import ro
from orchestrator.store.rows import all_rows

#: Labelled questions of one night, the latest changed first.
MOST: Final = 2_000
#: Held-out questions of one night, evenly out of all.
SAMPLE: Final = 120
#: Wrongly routed questions that the result names by their ids; the rest is counted.
NAMED: Final = 50
LABELLED = """
SELECT id, text, route FROM switchyard_labelled_question
WHERE tenant_id = :tenant ORDER BY updated_at DESC, id DESC LIMIT :most
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """A question, what it should be taken for, and what it was taken for."""

    #: Of a labelled question; None of a held-out one.
    id: int | None
    meant: Label
    said: Label


def router_evaluation(
    context: JobContext, *, engines: Callable[[], GpuEngines], questions_dir: Path
) -> Mapping[str, object]:
    """Return how the router in use does on the tenant's labelled questions and on a sample of the held-out ones.

    What it is unsure of counts as asked back: right for what belongs nowhere, wrong for all else. Held-out questions
    that are not there are left out.

    Raises:
        StoppedError: the job was cancelled or its worker leaves.
        DeadlineExceededError: the questions were not done in time.
        EngineError: the router or the held-out files are unusable.
        StoreDownError: PostgreSQL does not answer.
    """
    used = engines()
    labelled = [
        (row["id"], row["text"], row["route"]) for row in all_rows(ro(), LABELLED, tenant=context.own_tenant, most=MOST)
    ]
    result: dict[str, object] = {"router": used.router.name, "threshold": round(used.threshold, 3)}
    if labelled:
        result["labelled"] = summary(_judged(labelled, used, context))
    else:
        result["labelled"] = "none yet: label questions in the admin, under Feedback or Labelled questions"
    result["held_out"] = summary(_judged(_sampled(questions_dir), used, context))
    return result


def summary(judged: Sequence[Judged]) -> dict[str, object]:
    """Return counts and shares (0..1) by route, what the wrong ones were taken for, and their ids."""
    wrong = [each for each in judged if each.said != each.meant]
    asked = Counter(each.meant for each in judged)
    missed = Counter(each.meant for each in wrong)
    taken = Counter(f"{each.meant} as {each.said}" for each in wrong)
    found: dict[str, object] = {
        "questions": len(judged),
        "right": len(judged) - len(wrong),
        "accuracy": _share(len(judged) - len(wrong), len(judged)),
        "routes": {
            route: {"questions": asked[route], "accuracy": _share(asked[route] - missed[route], asked[route])}
            for route in LABELS
            if asked[route]
        },
        "wrong": dict(taken.most_common()),
    }
    ids = [each.id for each in wrong if each.id is not None]
    return found | ({"wrong_ids": ids[:NAMED]} if ids else {})


def _sampled(questions_dir: Path) -> list[tuple[int | None, str, Label]]:
    """Return about as many held-out questions as a sample has, evenly out of all and every night the same."""
    # A deployment may have left the example out; its own questions say more.
    found = read_held_out(questions_dir) if questions_dir.is_dir() else []
    step = max(1, -(-len(found) // SAMPLE))
    return [(None, question.text, question.route or "nowhere") for question in found[::step]]


def _judged(questions: Sequence[tuple[int | None, str, Label]], used: GpuEngines, context: JobContext) -> list[Judged]:
    scores = used.classify_many(
        [text for _, text, _ in questions], stop=context.stop, timeout_s=context.deadline.remaining_s()
    )
    found = []
    for (id, _, meant), score in zip(questions, scores, strict=True):
        route, _, sure = decide(score, threshold=used.threshold)
        found.append(Judged(id=id, meant=meant, said=route if sure else "nowhere"))
    return found


def _share(part: int, whole: int) -> float | None:
    return round(part / whole, 4) if whole else None
