from __future__ import annotations

from orchestrator.engines.classifier_scripted import ScriptedClassifier
from orchestrator.engines.router_evaluation import evaluate
from orchestrator.engines.router_questions import Question

ROUTER = ScriptedClassifier({"sales": "sql", "policy": "rag", "hello": "chat"}, sure=0.9)
QUESTIONS = [
    Question(text="sales today", route="sql", language="en"),
    Question(text="sales policy", route="rag", language="en"),
    Question(text="hello", route="chat", language="es"),
    Question(text="something", route="sql", language="es"),
    Question(text="weather", route=None, language="en"),
    Question(text="policy of chess", route=None, language="en"),
]


def test_accuracy_is_counted_by_language() -> None:
    report = evaluate(QUESTIONS, ROUTER, threshold=0.5)

    assert {name: one.questions for name, one in report.figures.items()} == {"en": 2, "es": 2, "all": 4}
    assert report.figures["en"].accuracy == 0.5
    assert report.figures["en"].misrouted == 0.5


def test_asking_back_is_neither_right_nor_misrouted() -> None:
    spanish = evaluate(QUESTIONS, ROUTER, threshold=0.5).figures["es"]

    assert (spanish.asked_back, spanish.accuracy_when_sure, spanish.misrouted) == (0.5, 1.0, 0.0)


def test_what_belongs_nowhere_is_counted_apart() -> None:
    report = evaluate(QUESTIONS, ROUTER, threshold=0.5)

    assert (report.nowhere_questions, report.nowhere_asked_back) == (2, 0.5)


def test_the_confusion_says_what_went_where() -> None:
    report = evaluate(QUESTIONS, ROUTER, threshold=0.5)

    assert report.confusion["rag"] == {"sql": 1, "rag": 0, "chat": 0, "job": 0}
    assert [verdict.text for verdict in report.wrong if verdict.score > 0.5] == ["sales policy"]


def test_scores_that_promise_what_they_hold_have_no_calibration_error() -> None:
    sure = ScriptedClassifier({"sales": "sql"}, sure=1.0)

    report = evaluate([Question(text="sales", route="sql", language="en")], sure, threshold=0.5)

    assert report.calibration_error == 0


def test_no_questions_give_a_report_of_zeros() -> None:
    report = evaluate([], ROUTER, threshold=0.5)

    assert report.figures["all"].accuracy == 0
    assert report.nowhere_asked_back == 0
