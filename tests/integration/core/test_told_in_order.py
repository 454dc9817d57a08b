"""However slow a worker's pen is, what it says of its own stage is never refused for coming too late."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from redis import Redis

from orchestrator.control.waiting import Waiting
from orchestrator.engines.gpu import GpuConfig, GpuEngines, load
from orchestrator.events import Event
from orchestrator.log.keys import Keys
from orchestrator.log.records import Appended
from orchestrator.log.writer import LogWriter
from orchestrator.pipeline.figure_names import FigureNames
from orchestrator.pipeline.labelled_routes import LabelledRoutes
from orchestrator.pipeline.run_stage import run_stage
from orchestrator.pipeline.runtime import Runtime
from orchestrator.pipeline.stage_classify import classify
from orchestrator.queues import QUEUES
from orchestrator.store import releasing
from orchestrator.store.engine import rw
from tests.integration.core import kit
from tests.integration.core.kit import Person


class HeldUp(LogWriter):
    """A pen that is held up at each event for so long that the dispatcher tells meanwhile who waits."""

    def __init__(self, redis: Redis, keys: Keys) -> None:
        super().__init__(redis, keys)
        self._dispatcher = Waiting(LogWriter(redis, keys))

    def append(self, conversation: str, event: Event, *, fence: int, cid: str, asserted: bool = False) -> Appended:
        """Append, late."""
        time.sleep(0.2)
        self._dispatcher.tell()
        return super().append(conversation, event, fence=fence, cid=cid, asserted=asserted)


@pytest.fixture
def pen() -> type[LogWriter]:
    """Return a pen that is held up."""
    return HeldUp


@pytest.fixture
def engines(tmp_path: Path) -> Iterator[GpuEngines]:
    """Return engines that load no model and are sure of every question."""
    loaded = load(GpuConfig(data_dir=tmp_path, scripted=True))
    yield replace(loaded, threshold=0.0)
    loaded.close()


def test_the_route_is_told_before_the_wait_that_it_leads_to(
    runtime: Runtime, engines: GpuEngines, anna: Person, redis: Redis, keys: Keys
) -> None:
    for _ in range(QUEUES["llm"].admitted):
        kit.released(anna)
    turn = kit.ask(anna).turn
    releasing.release(rw(), [(turn, 1)])

    rest = run_stage(
        "classify",
        lambda context: classify(context, engines, LabelledRoutes(), FigureNames()),
        runtime=runtime,
        turn=turn,
        fence=1,
        dispatch_no=1,
    )
    kit.waited(turn, 1)
    Waiting(LogWriter(redis, keys)).tell()

    told = kit.types_of(kit.frames(redis, keys, str(kit.turn_row(turn)["conversation_id"])), turn)
    assert rest == ()
    assert told == ["stage.started", "turn.routed", "stage.finished", "turn.queued"]
