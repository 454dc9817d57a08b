"""What a worker that was told to stop does with what still reaches it, and how long it has."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from celery.exceptions import Reject
from celery.worker import state

from deploy.table import processes
from orchestrator.queues import LEAVE_S, PROCESSES, grace_s
from tasks import drain
from tasks.stages.llm import llm


@pytest.fixture
def told_to_leave() -> Iterator[None]:
    drain.leave()
    yield
    drain._Asked.times = 0
    state.should_stop = None


def test_a_stages_message_is_left_in_its_queue(told_to_leave: None) -> None:
    task: Any = llm  # untyped in celery, as is what its Reject carries

    with pytest.raises(Reject) as caught:
        task.run(turn="trn_1", fence=1, dispatch_no=1)

    assert vars(caught.value)["requeue"]


def test_celerys_loop_is_told_to_end(told_to_leave: None) -> None:
    assert drain.draining()
    with pytest.raises(SystemExit):
        state.maybe_shutdown()


def test_whoever_hands_back_does_so_before_it_is_killed() -> None:
    assert drain.HAND_BACK_S < LEAVE_S


@pytest.mark.parametrize("drain_s", [0.0, 10.0, 600.0])
def test_a_worker_is_killed_only_after_its_stages_had_their_time(drain_s: float) -> None:
    table = processes({"SWITCHYARD_DRAIN_S": str(drain_s)})

    workers = {entry.name for entry in PROCESSES if entry.role == "worker"}
    assert {process.stop_grace_s for process in table if process.name in workers} == {drain_s + LEAVE_S}


def test_the_rest_of_the_table_keeps_its_own_grace() -> None:
    gateway = next(entry for entry in PROCESSES if entry.role == "gateway")

    assert grace_s(gateway, drain_s=600) == gateway.stop_grace_s


def test_every_process_can_be_asked_whether_it_is_at_work() -> None:
    assert all(process.live is not None for process in processes({"SWITCHYARD_LLM_MODEL_DIR": "/models/tiny"}))
