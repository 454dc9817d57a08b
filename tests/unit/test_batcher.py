from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from orchestrator.engines.batcher import BULK_EVERY, Lane, MicroBatcher
from orchestrator.errors import DeadlineExceededError, EngineError, NoCapacityError, StoppedError
from orchestrator.resilience.stop import Stop

PATIENCE_S = 20.0


class HeldModel:
    """A model that reports each batch it gets and answers when told to."""

    def __init__(self) -> None:
        self.started: queue.Queue[list[str]] = queue.Queue()
        self.answers: queue.Queue[None] = queue.Queue()
        self.seen: list[list[str]] = []

    def run(self, batch: list[str]) -> list[str]:
        self.seen.append(batch)
        self.started.put(batch)
        self.answers.get(timeout=PATIENCE_S)
        return [text.upper() for text in batch]

    def let_go(self, batches: int) -> None:
        for _ in range(batches):
            self.answers.put(None)


@pytest.fixture
def model() -> HeldModel:
    return HeldModel()


@pytest.fixture
def batcher(model: HeldModel) -> Iterator[MicroBatcher[str, str]]:
    held = MicroBatcher(model.run, size_of=len, max_batch=4, max_size=64, max_wait_ms=0)
    yield held
    model.let_go(200)
    held.close()


def occupy(batcher: MicroBatcher[str, str], model: HeldModel) -> None:
    """Give the model something to hold, so that whatever comes next waits."""
    batcher.enqueue(["first"])
    model.started.get(timeout=PATIENCE_S)


def shout(batch: list[str]) -> list[str]:
    return [text.upper() for text in batch]


def poisoned(batch: list[str]) -> list[str]:
    assert "poison" not in batch, "it was in the batch"
    return shout(batch)


def test_each_caller_gets_the_result_of_its_own_item() -> None:
    batcher = MicroBatcher(shout)
    texts = [f"text {number}" for number in range(100)]

    with ThreadPoolExecutor(8) as callers:
        results = list(callers.map(batcher.submit, texts))

    batcher.close()
    assert results == [text.upper() for text in texts]
    assert batcher.items == 100


def test_what_waits_while_the_model_is_busy_shares_the_next_batch(
    batcher: MicroBatcher[str, str], model: HeldModel
) -> None:
    occupy(batcher, model)
    futures = [batcher.enqueue([text])[0] for text in ("a", "b", "c")]

    model.let_go(2)

    assert [future.result(PATIENCE_S) for future in futures] == ["A", "B", "C"]
    assert model.seen == [["first"], ["a", "b", "c"]]
    assert (batcher.batches, batcher.items, batcher.max_seen) == (2, 4, 3)


def test_a_batch_never_holds_more_than_its_limit(batcher: MicroBatcher[str, str], model: HeldModel) -> None:
    occupy(batcher, model)
    futures = batcher.enqueue(list("abcdef"))

    model.let_go(3)

    assert [future.result(PATIENCE_S) for future in futures] == list("ABCDEF")
    assert model.seen[1:] == [["a", "b", "c", "d"], ["e", "f"]]


def test_short_and_long_texts_never_share_a_batch(batcher: MicroBatcher[str, str], model: HeldModel) -> None:
    occupy(batcher, model)
    futures = batcher.enqueue(["short", "x" * 40, "brief"])

    model.let_go(3)

    assert [len(future.result(PATIENCE_S)) for future in futures] == [5, 40, 5]
    assert model.seen[1:] == [["short", "brief"], ["x" * 40]]


def test_a_batch_stays_under_its_padded_size(batcher: MicroBatcher[str, str], model: HeldModel) -> None:
    occupy(batcher, model)
    futures = batcher.enqueue(["x" * 20, "y" * 30, "z" * 30])

    model.let_go(3)

    assert [future.result(PATIENCE_S)[0] for future in futures] == ["X", "Y", "Z"]
    assert [len(batch) for batch in model.seen[1:]] == [2, 1]


def test_one_item_over_the_padded_size_still_runs(batcher: MicroBatcher[str, str], model: HeldModel) -> None:
    model.let_go(1)

    result = batcher.submit("x" * 500)

    assert len(result) == 500


def test_kinds_never_share_a_batch(model: HeldModel) -> None:
    batcher = MicroBatcher(model.run, kind_of=lambda text: text[0], max_wait_ms=0)
    occupy(batcher, model)
    futures = batcher.enqueue(["a1", "b1", "a2"])
    model.let_go(3)

    results = [future.result(PATIENCE_S) for future in futures]

    batcher.close()
    assert results == ["A1", "B1", "A2"]
    assert model.seen[1:] == [["a1", "a2"], ["b1"]]


def test_a_question_overtakes_bulk_work_that_came_before_it(batcher: MicroBatcher[str, str], model: HeldModel) -> None:
    occupy(batcher, model)
    bulk = batcher.enqueue(["chunk 1", "chunk 2"], lane="gpu.bulk")
    question = batcher.enqueue(["who?"], lane="gpu")

    model.let_go(3)

    assert question[0].result(PATIENCE_S) == "WHO?"
    assert [future.result(PATIENCE_S) for future in bulk] == ["CHUNK 1", "CHUNK 2"]
    assert model.seen[1:] == [["who?"], ["chunk 1", "chunk 2"]]


def test_a_steady_stream_of_questions_does_not_starve_bulk_work(
    batcher: MicroBatcher[str, str], model: HeldModel
) -> None:
    occupy(batcher, model)
    bulk = batcher.enqueue(["chunk"], lane="gpu.bulk")
    questions = batcher.enqueue([f"q{number:03}" for number in range(4 * 2 * BULK_EVERY)])

    model.let_go(200)

    assert bulk[0].result(PATIENCE_S) == "CHUNK"
    assert questions[-1].result(PATIENCE_S) == "Q127"
    assert model.seen.index(["chunk"]) == BULK_EVERY


@pytest.mark.parametrize("lane", ["gpu", "gpu.bulk"])
def test_a_lone_item_does_not_wait_for_company(lane: Lane) -> None:
    batcher = MicroBatcher(shout, max_wait_ms=PATIENCE_S * 1000)

    result = batcher.submit("alone", lane=lane, timeout_s=PATIENCE_S / 4)

    batcher.close()
    assert result == "ALONE"


def test_after_a_shared_batch_the_next_item_waits_for_company(model: HeldModel) -> None:
    batcher = MicroBatcher(model.run, max_batch=2, max_wait_ms=PATIENCE_S * 1000)
    batcher.enqueue(["a", "b"])
    model.started.get(timeout=PATIENCE_S)
    early = batcher.enqueue(["c"])
    model.let_go(2)
    late = batcher.enqueue(["d"])

    results = [future.result(PATIENCE_S) for future in early + late]

    batcher.close()
    assert results == ["C", "D"]
    assert model.seen == [["a", "b"], ["c", "d"]]


def test_waiting_for_company_ends_after_its_limit() -> None:
    batcher = MicroBatcher(shout, max_batch=2, max_wait_ms=1)
    batcher.submit_many(["a", "b"])

    result = batcher.submit("c", timeout_s=PATIENCE_S)

    batcher.close()
    assert result == "C"


def test_a_stop_drops_an_item_that_has_not_started(batcher: MicroBatcher[str, str], model: HeldModel) -> None:
    occupy(batcher, model)
    stop = Stop()
    with ThreadPoolExecutor(1) as callers:
        stopped = callers.submit(batcher.submit, "stopped", stop=stop)
        while_waiting(batcher)
        stop.set()
        error = stopped.exception(PATIENCE_S)
    after = batcher.enqueue(["after"])
    model.let_go(2)

    after[0].result(PATIENCE_S)

    assert isinstance(error, StoppedError)
    assert error.reached == "gpu"
    assert model.seen == [["first"], ["after"]]


def while_waiting(batcher: MicroBatcher[str, str]) -> None:
    """Return once something waits in lane `gpu`."""
    with batcher._changed:
        assert batcher._changed.wait_for(lambda: batcher._lanes["gpu"].count > 0, PATIENCE_S)


def test_a_stop_while_the_model_works_waits_for_nothing_and_the_model_goes_on(
    batcher: MicroBatcher[str, str], model: HeldModel
) -> None:
    stop = Stop()
    with ThreadPoolExecutor(1) as callers:
        running = callers.submit(batcher.submit, "running", stop=stop)
        model.started.get(timeout=PATIENCE_S)
        stop.set()

        error = running.exception(PATIENCE_S)

    model.let_go(2)
    assert isinstance(error, StoppedError)
    assert batcher.submit("after", timeout_s=PATIENCE_S) == "AFTER"
    assert model.seen == [["running"], ["after"]]


def test_a_stop_that_came_before_never_reaches_the_model(batcher: MicroBatcher[str, str], model: HeldModel) -> None:
    stop = Stop()
    stop.set()

    with pytest.raises(StoppedError):
        batcher.submit("late", stop=stop)

    assert model.seen == []


def test_a_timeout_drops_the_item(batcher: MicroBatcher[str, str], model: HeldModel) -> None:
    occupy(batcher, model)

    with pytest.raises(DeadlineExceededError):
        batcher.submit("slow", timeout_s=0)

    model.let_go(2)
    assert batcher.enqueue(["after"])[0].result(PATIENCE_S) == "AFTER"
    assert model.seen == [["first"], ["after"]]


def test_a_poison_text_fails_alone() -> None:
    gate = threading.Event()
    batcher = MicroBatcher(held_until(gate, poisoned), max_wait_ms=0)
    batcher.enqueue(["first"])
    futures = batcher.enqueue(["good", "poison", "fine"])
    gate.set()

    error = futures[1].exception(PATIENCE_S)

    batcher.close()
    assert isinstance(error, EngineError)
    assert "it was in the batch" in str(error)
    assert [futures[0].result(), futures[2].result()] == ["GOOD", "FINE"]


def held_until(gate: threading.Event, run: Callable[[list[str]], list[str]]) -> Callable[[list[str]], list[str]]:
    def wait_and_run(batch: list[str]) -> list[str]:
        assert gate.wait(PATIENCE_S)
        return run(batch)

    return wait_and_run


def test_a_model_that_loses_results_is_an_error_for_its_callers() -> None:
    batcher: MicroBatcher[str, str] = MicroBatcher(lambda _: [])

    with pytest.raises(EngineError, match="0 results for 1 items"):
        batcher.submit("text")

    batcher.close()


def test_closing_runs_what_waits(model: HeldModel) -> None:
    batcher = MicroBatcher(model.run, max_wait_ms=0)
    occupy(batcher, model)
    waiting = batcher.enqueue(["waiting"])
    model.let_go(2)

    drained = batcher.close()

    assert drained
    assert waiting[0].result() == "WAITING"


def test_closing_fails_what_can_not_run_in_time(model: HeldModel) -> None:
    batcher = MicroBatcher(model.run, max_wait_ms=0)
    occupy(batcher, model)
    waiting = batcher.enqueue(["waiting"])

    drained = batcher.close(timeout_s=0)

    model.let_go(1)
    assert not drained
    assert isinstance(waiting[0].exception(PATIENCE_S), NoCapacityError)


def test_a_closed_batcher_takes_nothing() -> None:
    batcher = MicroBatcher(shout)
    batcher.close()

    with pytest.raises(NoCapacityError):
        batcher.submit("late")


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_model_thread_that_dies_leaves_nobody_waiting() -> None:
    def die(batch: list[str]) -> list[str]:
        raise SystemExit

    batcher = MicroBatcher(die)

    error = batcher.enqueue(["text"])[0].exception(PATIENCE_S)

    batcher.close()
    assert isinstance(error, EngineError)
