"""Judge a router on questions it never saw: figures by language, where it errs, and what its scores are worth."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from orchestrator.engines.classifier import Classification, Classifier
from orchestrator.engines.router_questions import Question, read_held_out
from orchestrator.events import ROUTES, Route

_BINS = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """One question, what was meant, and what the router said."""

    text: str
    language: str
    #: None when the question belongs nowhere.
    meant: Route | None
    said: Route
    score: float

    @property
    def right(self) -> bool:
        """Return whether the best route is the one that was meant, whatever its score."""
        return self.said == self.meant


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """What a set of questions that belong somewhere gives; shares in 0..1."""

    questions: int
    #: The best route is the right one, the threshold left aside.
    accuracy: float
    #: The best score is under the threshold: the product asks back.
    asked_back: float
    #: Of what is not asked back, the share that goes the right way.
    accuracy_when_sure: float
    #: Goes the wrong way without asking: what a user is annoyed by.
    misrouted: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """A router's figures on held-out questions."""

    router: str
    threshold: float
    #: By language, and `all`.
    figures: Mapping[str, Figures]
    #: meant -> said -> questions.
    confusion: Mapping[Route, Mapping[Route, int]]
    #: Mean distance between score and hit rate over ten bins (expected calibration error).
    calibration_error: float
    #: Questions that belong nowhere, and the share of them that is asked back.
    nowhere_questions: int
    nowhere_asked_back: float
    wrong: tuple[Verdict, ...]

    def as_dict(self) -> dict[str, Any]:  # Any: plain JSON, for a command's output
        """Return the report as plain JSON values."""
        return asdict(self)


def evaluate_from(questions_dir: Path, router: Classifier, *, threshold: float) -> Report:
    """Judge `router` on the held-out files in `questions_dir`.

    Raises:
        EngineError: the files are missing or malformed.
    """
    return evaluate(read_held_out(questions_dir), router, threshold=threshold)


def evaluate(questions: Sequence[Question], router: Classifier, *, threshold: float) -> Report:
    """Judge `router` on `questions`, those with a route and those without apart."""
    answers = router.classify([question.text for question in questions])
    verdicts = [_verdict(question, answer) for question, answer in zip(questions, answers, strict=True)]
    belongs = [verdict for verdict in verdicts if verdict.meant is not None]
    nowhere = [verdict for verdict in verdicts if verdict.meant is None]
    by_language = {
        language: _figures([verdict for verdict in belongs if verdict.language == language], threshold)
        for language in sorted({verdict.language for verdict in belongs})
    }
    return Report(
        router=router.name,
        threshold=threshold,
        figures={**by_language, "all": _figures(belongs, threshold)},
        confusion={
            meant: {said: sum(1 for v in belongs if (v.meant, v.said) == (meant, said)) for said in ROUTES}
            for meant in ROUTES
        },
        calibration_error=_calibration_error(belongs),
        nowhere_questions=len(nowhere),
        nowhere_asked_back=_share(sum(verdict.score < threshold for verdict in nowhere), len(nowhere)),
        wrong=tuple(verdict for verdict in belongs if not verdict.right),
    )


def _verdict(question: Question, answer: Classification) -> Verdict:
    said, score = answer.ranked()[0]
    return Verdict(text=question.text, language=question.language, meant=question.route, said=said, score=score)


def _figures(verdicts: Sequence[Verdict], threshold: float) -> Figures:
    sure = [verdict for verdict in verdicts if verdict.score >= threshold]
    return Figures(
        questions=len(verdicts),
        accuracy=_share(sum(verdict.right for verdict in verdicts), len(verdicts)),
        asked_back=_share(len(verdicts) - len(sure), len(verdicts)),
        accuracy_when_sure=_share(sum(verdict.right for verdict in sure), len(sure)),
        misrouted=_share(sum(not verdict.right for verdict in sure), len(verdicts)),
    )


def _calibration_error(verdicts: Sequence[Verdict]) -> float:
    bins: list[list[Verdict]] = [[] for _ in range(_BINS)]
    for verdict in verdicts:
        bins[min(_BINS - 1, int(verdict.score * _BINS))].append(verdict)
    gaps = [abs(sum(v.score for v in one) - sum(v.right for v in one)) for one in bins]
    return _share(sum(gaps), len(verdicts))


def _share(part: float, whole: int) -> float:
    return round(part / whole, 4) if whole else 0.0
