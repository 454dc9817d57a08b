"""From a route to hops, from a hop to its queue."""

from __future__ import annotations

import pytest

from orchestrator.chat import plan
from orchestrator.chat.plan import Hop
from orchestrator.events import ROUTES, Route
from orchestrator.queues import PROCESSES, QUEUES, command


@pytest.mark.parametrize(
    ("forced", "hops"),
    [
        (None, ("classify",)),
        ("sql", ("sql", "llm")),
        ("rag", ("embed", "rag", "llm")),
        ("chat", ("llm",)),
        ("job", ("classify",)),
    ],
)
def test_a_turn_begins_with_these_hops(forced: Route | None, hops: tuple[Hop, ...]) -> None:
    assert plan.hops(forced) == hops


@pytest.mark.parametrize(
    ("route", "has_embedding", "hops"),
    [
        ("sql", True, ("sql", "llm")),
        ("sql", False, ("sql", "llm")),
        ("rag", True, ("rag", "llm")),
        ("rag", False, ("embed", "rag", "llm")),
        ("chat", True, ("llm",)),
        ("chat", False, ("llm",)),
        ("job", True, ()),
    ],
)
def test_after_the_classifier_come_these_hops(route: Route, has_embedding: bool, hops: tuple[Hop, ...]) -> None:
    assert plan.rest_of(route, has_embedding=has_embedding) == hops


@pytest.mark.parametrize("route", [route for route in ROUTES if route != "job"])
def test_every_answering_route_ends_with_the_writer(route: Route) -> None:
    assert plan.hops(route)[-1] == "llm"
    assert plan.rest_of(route, has_embedding=True)[-1] == "llm"


@pytest.mark.parametrize("hop", list(plan.QUEUE_OF))
def test_every_hop_has_a_declared_queue_a_stage_and_a_worker(hop: Hop) -> None:
    queue = plan.QUEUE_OF[hop]

    assert queue in QUEUES
    assert plan.STAGE_OF[hop] in ("classify", "sql", "rag", "llm")
    assert [process.name for process in PROCESSES if queue in process.queues]


@pytest.mark.parametrize("queue", list(QUEUES))
def test_every_queue_is_taken_by_exactly_one_kind_of_worker(queue: str) -> None:
    assert len([process for process in PROCESSES if queue in process.queues]) == 1


def test_the_gpu_worker_serves_questions_before_bulk() -> None:
    worker = next(process for process in PROCESSES if process.name == "worker-gpu")

    assert worker.queues == ("gpu", "gpu.bulk")
    assert QUEUES["gpu.bulk"].admitted == 4


@pytest.mark.parametrize("queue", ["gpu", "sql", "rag", "llm"])
def test_the_broker_stays_shallow(queue: str) -> None:
    worker = next(process for process in PROCESSES if queue in process.queues)

    assert worker.concurrency <= QUEUES[queue].admitted <= 2 * worker.concurrency


@pytest.mark.parametrize("process", PROCESSES, ids=lambda process: process.name)
def test_every_process_has_a_command(process: object) -> None:
    assert command(process)  # type: ignore[arg-type]  # parametrize loses the type
