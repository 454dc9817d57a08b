"""The router is judged by what a company's own people said, and says so when they have said nothing."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from orchestrator.automation.router_evaluation import NAMED, SAMPLE, router_evaluation
from orchestrator.automation.run_job import JobContext
from orchestrator.engines.gpu import GpuConfig, GpuEngines, load
from orchestrator.errors import StoppedError
from orchestrator.pipeline.models import LabelledQuestion
from orchestrator.resilience.deadline import Deadline
from orchestrator.resilience.stop import Stop
from tests.integration.core.kit import Person
from tests.stack import CHECKOUT

pytestmark = pytest.mark.usefixtures("empty")
QUESTIONS = CHECKOUT / "deploy" / "example" / "questions"


@pytest.fixture(scope="module")
def engines() -> Iterator[GpuEngines]:
    loaded = load(GpuConfig(data_dir=Path(), scripted=True))
    yield loaded
    loaded.close()


def labelled(who: Person, text: str, route: str) -> int:
    return LabelledQuestion.objects.create(tenant_id=who.tenant, text=text, route=route).pk


def judged(who: Person, engines: GpuEngines, *, questions: Path = QUESTIONS, stop: Stop | None = None) -> Any:
    context = JobContext(
        job="job_x", tenant=who.tenant, payload={}, cid="cid_x", stop=stop or Stop(), deadline=Deadline.after_ms(30_000)
    )
    return router_evaluation(context, engines=lambda: engines, questions_dir=questions)


def test_the_companys_own_questions_are_counted_by_route_and_the_wrong_ones_named(
    anna: Person, rival: Person, engines: GpuEngines
) -> None:
    labelled(anna, "total of the day", "sql")
    wrong = labelled(anna, "total quality handbook", "chat")
    labelled(anna, "zzz", "nowhere")
    unsure = labelled(anna, "yyy", "rag")
    labelled(rival, "hello", "sql")

    found = judged(anna, engines)["labelled"]

    assert (found["questions"], found["right"], found["accuracy"]) == (4, 2, 0.5)
    assert found["routes"]["sql"] == {"questions": 1, "accuracy": 1.0}
    assert found["wrong"] == {"rag as nowhere": 1, "chat as rag": 1}
    assert sorted(found["wrong_ids"]) == sorted([wrong, unsure])
    assert "handbook" not in str(found)


def test_a_company_that_labelled_nothing_is_told_and_judged_on_the_rest(anna: Person, engines: GpuEngines) -> None:
    found = judged(anna, engines)

    assert "none yet" in found["labelled"]
    assert 100 <= found["held_out"]["questions"] <= SAMPLE
    assert "wrong_ids" not in found["held_out"]


def test_two_nights_with_the_same_router_say_the_same(anna: Person, engines: GpuEngines) -> None:
    assert judged(anna, engines) == judged(anna, engines)


def test_without_held_out_files_the_companys_own_are_enough(anna: Person, engines: GpuEngines, tmp_path: Path) -> None:
    labelled(anna, "hello", "chat")

    found = judged(anna, engines, questions=tmp_path / "nothing")

    assert found["labelled"]["accuracy"] == 1.0
    assert found["held_out"]["questions"] == 0


def test_the_result_stays_small(anna: Person, engines: GpuEngines) -> None:
    for number in range(NAMED + 5):
        labelled(anna, f"hello {number}", "sql")

    found = judged(anna, engines)["labelled"]

    assert found["wrong"] == {"sql as chat": NAMED + 5}
    assert len(found["wrong_ids"]) == NAMED


def test_a_cancelled_job_judges_nothing(anna: Person, engines: GpuEngines) -> None:
    stop = Stop()
    stop.set()

    with pytest.raises(StoppedError):
        judged(anna, engines, stop=stop)
