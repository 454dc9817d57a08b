"""The stages of the gpu worker: which way a question goes, and its vector when that came without."""

from __future__ import annotations

from collections.abc import Sequence

from orchestrator import catalogue
from orchestrator.chat import plan
from orchestrator.chat.wake import wake_dispatcher
from orchestrator.engines.classifier import Classification
from orchestrator.engines.gpu import GpuEngines
from orchestrator.errors import NoAnswerError
from orchestrator.events import Route, TurnRouted
from orchestrator.log.turn_log import LostTurnError
from orchestrator.pipeline import vectors
from orchestrator.pipeline.context import Context
from orchestrator.pipeline.figure_names import FigureNames
from orchestrator.pipeline.labelled_routes import LabelledRoutes
from orchestrator.pipeline.labels import Label
from orchestrator.pipeline.retrying import patiently, with_retries
from orchestrator.pipeline.run_stage import SETTLE_STAGE_S
from orchestrator.publish import HopMessage
from orchestrator.queues import QUEUES
from orchestrator.resilience.retry import until_answered
from orchestrator.store import claiming
from orchestrator.store.engine import rw

#: Longest wait for the batcher; a question takes milliseconds, so this is a stuck model.
WAIT_S = 30.0


def decide(found: Classification, *, threshold: float) -> tuple[Route, float, bool]:
    """Return (route, confidence, sure): below the threshold the turn goes to `chat`, which asks back."""
    route, confidence = found.ranked()[0]
    return (route, confidence, True) if confidence >= threshold else ("chat", confidence, False)


def overruled(label: Label) -> tuple[Route, float, bool]:
    """Return what `decide` returns, where a person has said what the question is: it is surely that."""
    return ("chat", 0.0, False) if label == "nowhere" else (label, 1.0, True)


def classify(
    context: Context, engines: GpuEngines, labels: LabelledRoutes, figures: FigureNames
) -> Sequence[HopMessage]:
    """Route the turn, commit the plan, and return the rest of the route if it was admitted.

    The router is asked even where a label decides: it gives the question's vector and what else could be meant. What it
    knows no place for goes to `sql` if it names a figure of the company: that stage answers or says that it can't.

    Raises:
        NoAnswerError: the route is `job`, which is not available yet.
    """
    if context.row["forced_route"] == "job":
        raise NoAnswerError("jobs are not available yet", detail_key="jobs.not_yet")
    found = with_retries(
        context,
        lambda: engines.classify(
            context.row["text"], stop=context.stop, timeout_s=min(WAIT_S, context.deadline.remaining_s())
        ),
    )
    tenant = context.row["tenant"]
    label = labels.of(tenant, context.row["text"])
    route, confidence, sure = decide(found, threshold=engines.threshold) if label is None else overruled(label)
    named = label is None and not sure and found.belongs_nowhere and figures.named_in(tenant, context.row["text"])
    if named:
        route, confidence, sure = "sql", found.scores["sql"], True
    routed = TurnRouted(
        turn=context.turn,
        route=route,
        confidence=round(confidence, 4),
        alternatives=tuple(
            {"route": other, "confidence": round(score, 4)} for other, score in found.ranked() if other != route
        ),
    )
    if route == "job":
        context.log.say(routed)
        raise NoAnswerError("jobs are not available yet", detail_key="jobs.not_yet")
    if named:
        summary = catalogue.text("summary.classify_figures", context.language)
    else:
        summary = _summary(context, route, confidence, sure=sure, labelled=label is not None)
    usable = found.embedding if engines.shares_encoder else None
    hops = plan.rest_of(route, has_embedding=usable is not None)
    carries: dict[str, object] = {}
    if usable is not None and route == "rag":
        carries["rag"] = {"embedding": vectors.pack(usable), "model": engines.embedder.name}
    if not sure:
        # Nothing to choose from says that it is out of scope.
        nowhere = label == "nowhere" or found.belongs_nowhere
        carries["llm"] = {"ask_back": [] if nowhere else [name for name, _ in found.ranked()[:3]]}
    # The log before the row: from the commit on, the dispatcher may say what the rest waits for or publish it, and what
    # this stage said after that would be refused as too late.
    context.log.say(routed)
    context.log.say(context.finished(summary))
    context.log.settle(min(SETTLE_STAGE_S, context.deadline.remaining_s() / 2))
    rest = [
        {
            "hop": hop,
            "place": place,
            "queue": plan.QUEUE_OF[hop],
            "admitted": QUEUES[plan.QUEUE_OF[hop]].admitted,
            "share": QUEUES[plan.QUEUE_OF[hop]].share,
            "carry": carries.get(hop),
        }
        for place, hop in enumerate(hops, start=1)
    ]
    planned = until_answered(
        lambda: claiming.plan(
            rw(), stage=context.row["stage"], route=route, confidence=confidence, summary=summary, rest=rest
        ),
        limit_s=context.deadline.remaining_s(),
    )
    if planned is None:
        raise LostTurnError("the plan found the turn ended or taken over")
    if not planned["admitted"]:
        # The dispatcher releases it in its turn; it may be the only one that waits.
        wake_dispatcher(context.runtime.redis, context.runtime.keys)
        return ()
    return [
        HopMessage(turn=context.turn, fence=context.fence, hop=hop, queue=plan.QUEUE_OF[hop], dispatch_no=1)
        for hop in hops
    ]


def _summary(context: Context, route: Route, confidence: float, *, sure: bool, labelled: bool) -> str:
    said, percent = catalogue.text(f"route.{route}", context.language), round(confidence * 100)
    match sure, labelled:
        case True, True:
            return catalogue.text("summary.classify_labelled", context.language, route=said)
        case True, False:
            return catalogue.text("summary.classify", context.language, route=said, percent=percent)
        case False, True:
            return catalogue.text("summary.classify_nowhere", context.language)
        case _:
            return catalogue.text("summary.classify_unsure", context.language, percent=percent)


def embed(context: Context, engines: GpuEngines) -> Sequence[HopMessage]:
    """Leave the question's vector for `rag`; its start counts as `rag`'s, so no event closes it."""
    rows = with_retries(
        context,
        lambda: engines.embed(
            [context.row["text"]],
            lane="gpu",
            stop=context.stop,
            timeout_s=min(WAIT_S, context.deadline.remaining_s()),
        ),
    )
    carry = {"embedding": vectors.pack(rows[0]), "model": engines.embedder.name}
    patiently(context, lambda: claiming.carry_to(rw(), turn=context.turn, fence=context.fence, hop="rag", carry=carry))
    done = until_answered(
        lambda: claiming.finish_stage(rw(), stage=context.row["stage"], summary=""),
        limit_s=context.deadline.remaining_s(),
    )
    if not done:
        raise LostTurnError("the turn ended while the question was embedded")
    return ()
