"""One thread that owns a model and takes whatever waits, so that many callers share one forward pass.

A caller submits one item and blocks until its own result is there: acknowledging, retrying and stopping stay per
message, and no message of a batch depends on another.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Hashable, Sequence
from concurrent.futures import FIRST_COMPLETED, CancelledError, Future, wait
from dataclasses import dataclass
from typing import Any, Generic, Literal, TypeVar

from orchestrator.errors import DeadlineExceededError, EngineError, NoCapacityError, OrchestratorError, StoppedError
from orchestrator.resilience.stop import Stop

T = TypeVar("T")
R = TypeVar("R")
Lane = Literal["gpu", "gpu.bulk"]

#: After so many batches of lane `gpu` in a row a waiting bulk batch gets its turn: a steady stream of questions
#: slows indexing down to a sixteenth and never stops it.
BULK_EVERY = 16
#: Texts up to this length share a bucket; above it buckets double.
_SMALLEST_BUCKET = 16


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Entry(Generic[T, R]):
    item: T
    future: Future[R]
    size: int
    order: int


class _Waiting(Generic[T, R]):
    """What waits in one lane, by bucket; the bucket whose head is oldest goes first."""

    def __init__(self) -> None:
        self._buckets: dict[Hashable, deque[_Entry[T, R]]] = {}
        self.count = 0

    def add(self, bucket: Hashable, entry: _Entry[T, R]) -> None:
        self._buckets.setdefault(bucket, deque()).append(entry)
        self.count += 1

    def take(self, *, max_batch: int, max_size: int) -> list[_Entry[T, R]]:
        """Return entries of one bucket, marked as running; those cancelled meanwhile are dropped on the way."""
        key = min(self._buckets, key=lambda name: self._buckets[name][0].order)
        bucket = self._buckets[key]
        batch: list[_Entry[T, R]] = []
        widest = 0
        while bucket and len(batch) < max_batch:
            widest = max(widest, bucket[0].size)
            # What a batch costs is its padded size, not the sum; one item always goes.
            if batch and widest * (len(batch) + 1) > max_size:
                break
            entry = bucket.popleft()
            self.count -= 1
            if entry.future.set_running_or_notify_cancel():
                batch.append(entry)
        if not bucket:
            del self._buckets[key]
        return batch

    def drain(self) -> list[_Entry[T, R]]:
        entries = [entry for bucket in self._buckets.values() for entry in bucket]
        self._buckets.clear()
        self.count = 0
        return entries


class MicroBatcher(Generic[T, R]):
    """Runs `run` over batches of what callers submit, on one thread of its own.

    A batch holds items of one kind and of like size (within a factor of two), at
    most `max_batch` of them and at most `max_size` when padded. Lane `gpu` goes
    before `gpu.bulk`. A lone item starts at once; only when the last batch was
    shared, so that more is likely to come, does the thread wait up to `max_wait_ms`.

    Args:
        run: Gives one result for each item, in order; called by one thread only.
        size_of: The cost of an item when padded, for texts its tokens.
        kind_of: Items of different kinds never share a batch.
        name: Names the thread and the errors.
        max_batch: Items a batch.
        max_size: Padded size of a batch: what bounds how long one batch holds the model.
        max_wait_ms: How long a batch may wait for company.
    """

    def __init__(
        self,
        run: Callable[[list[T]], Sequence[R]],
        *,
        size_of: Callable[[T], int] = lambda _: 1,
        kind_of: Callable[[T], Hashable] = lambda _: None,
        name: str = "gpu",
        max_batch: int = 16,
        max_size: int = 4096,
        max_wait_ms: float = 4.0,
    ) -> None:
        self._run = run
        self._size_of = size_of
        self._kind_of = kind_of
        self._name = name
        self._max_batch = max_batch
        self._max_size = max_size
        self._max_wait_s = max_wait_ms / 1000
        self._changed = threading.Condition()
        self._lanes: dict[Lane, _Waiting[T, R]] = {"gpu": _Waiting(), "gpu.bulk": _Waiting()}
        self._closed = False
        self._order = 0
        self._since_bulk = 0
        self._shared = False
        #: Batches run, items in them, and the largest batch so far; written by the batcher's thread alone.
        self.batches = 0
        self.items = 0
        self.max_seen = 0
        self._thread = threading.Thread(target=self._loop, name=f"batcher-{name}", daemon=True)
        self._thread.start()

    def submit(self, item: T, *, lane: Lane = "gpu", stop: Stop | None = None, timeout_s: float | None = None) -> R:
        """Block until `item` has its result, and return it; see `submit_many`."""
        return self.submit_many([item], lane=lane, stop=stop, timeout_s=timeout_s)[0]

    def submit_many(
        self, items: Sequence[T], *, lane: Lane = "gpu", stop: Stop | None = None, timeout_s: float | None = None
    ) -> list[R]:
        """Block until each of `items` has its result, and return them in order; they may run in several batches.

        Raises:
            StoppedError: `stop` was set; what had not started was dropped and never runs, the result of what had is
                nobody's.
            DeadlineExceededError: `timeout_s` passed first.
            NoCapacityError: the batcher is closing.
            EngineError: `run` failed on one of the items, alone.
        """
        if stop is not None and stop.is_set():
            raise StoppedError("gpu")
        futures = self.enqueue(items, lane=lane)
        if stop is None:
            return self._collect(futures, timeout_s)
        # The stop's own future: a batch under way can't be ended, and nobody waits for it who wants nothing of it.
        stopped: Future[None] = Future()

        def leave() -> None:
            _cancel(futures)
            stopped.set_result(None)

        with stop.interrupts(leave):
            results = self._collect(futures, timeout_s, stopped)
        if stop.is_set():
            raise StoppedError("gpu")
        return results

    def enqueue(self, items: Sequence[T], *, lane: Lane = "gpu") -> list[Future[R]]:
        """Put `items` into the line and return their futures without waiting; cancelling one drops it if it waits.

        Raises:
            NoCapacityError: the batcher is closing.
        """
        sized = [(item, max(1, self._size_of(item)), self._kind_of(item)) for item in items]
        futures: list[Future[R]] = []
        with self._changed:
            if self._closed:
                raise NoCapacityError(f"batcher {self._name} is closing")
            for item, size, kind in sized:
                future: Future[R] = Future()
                entry = _Entry(item=item, future=future, size=size, order=self._order)
                self._order += 1
                self._lanes[lane].add((kind, _bucket(size)), entry)
                futures.append(future)
            self._changed.notify_all()
        return futures

    def close(self, *, timeout_s: float = 10.0) -> bool:
        """Refuse new items, run what waits for at most `timeout_s`, fail the rest; return whether all of it ran."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        self._thread.join(timeout_s)
        drained = not self._thread.is_alive()
        self._fail_waiting()
        return drained

    def _collect(
        self, futures: Sequence[Future[R]], timeout_s: float | None, stopped: Future[None] | None = None
    ) -> list[R]:
        deadline_s = None if timeout_s is None else time.monotonic() + timeout_s
        try:
            for future in futures:
                left_s = None if deadline_s is None else max(0.0, deadline_s - time.monotonic())
                watched: list[Future[Any]] = [future] if stopped is None else [future, stopped]
                wait(watched, timeout=left_s, return_when=FIRST_COMPLETED)
                if stopped is not None and stopped.done():
                    raise StoppedError("gpu")
            return [future.result(0) for future in futures]
        except CancelledError:
            raise StoppedError("gpu") from None
        except TimeoutError:
            raise DeadlineExceededError(f"batcher {self._name} gave no result within {timeout_s:g} s") from None
        finally:
            _cancel(futures)

    def _loop(self) -> None:
        try:
            while batch := self._next():
                self._work(batch)
        finally:
            # Also when something not even `Exception` escaped: a caller must never wait for a dead thread.
            self._closed = True
            self._fail_waiting()

    def _next(self) -> list[_Entry[T, R]] | None:
        """Return the next batch, or None once closed and empty."""
        with self._changed:
            while True:
                lane = self._pick()
                if lane is None:
                    if self._closed:
                        return None
                    self._changed.wait()
                    continue
                if lane == "gpu" and self._shared:
                    self._wait_for_company()
                batch = self._lanes[lane].take(max_batch=self._max_batch, max_size=self._max_size)
                if batch:
                    self._since_bulk = 0 if lane == "gpu.bulk" else self._since_bulk + 1
                    self._shared = len(batch) > 1
                    return batch

    def _pick(self) -> Lane | None:
        interactive, bulk = self._lanes["gpu"].count, self._lanes["gpu.bulk"].count
        if bulk and (not interactive or self._since_bulk >= BULK_EVERY):
            return "gpu.bulk"
        return "gpu" if interactive else None

    def _wait_for_company(self) -> None:
        deadline_s = time.monotonic() + self._max_wait_s
        while self._lanes["gpu"].count < self._max_batch and not self._closed:
            left_s = deadline_s - time.monotonic()
            if left_s <= 0:
                return
            self._changed.wait(left_s)

    def _work(self, batch: list[_Entry[T, R]]) -> None:
        self.batches += 1
        self.items += len(batch)
        self.max_seen = max(self.max_seen, len(batch))
        try:
            results = self._checked(batch)
        except Exception as exc:
            if len(batch) == 1:
                batch[0].future.set_exception(self._as_engine_error(exc))
                return
            # One poison text must fail alone, so the others get a pass of their own.
            for entry in batch:
                self._work([entry])
            return
        except BaseException as exc:
            for entry in batch:
                entry.future.set_exception(self._as_engine_error(exc))
            raise
        for entry, result in zip(batch, results, strict=True):
            entry.future.set_result(result)

    def _checked(self, batch: list[_Entry[T, R]]) -> Sequence[R]:
        results = self._run([entry.item for entry in batch])
        if len(results) != len(batch):
            raise EngineError(f"{len(results)} results for {len(batch)} items", engine=self._name)
        return results

    def _as_engine_error(self, exc: BaseException) -> OrchestratorError:
        if isinstance(exc, OrchestratorError):
            return exc
        error = EngineError(f"{type(exc).__name__}: {exc}", engine=self._name, transient=True)
        error.__cause__ = exc
        return error

    def _fail_waiting(self) -> None:
        with self._changed:
            entries = [entry for lane in self._lanes.values() for entry in lane.drain()]
        for entry in entries:
            if entry.future.set_running_or_notify_cancel():
                entry.future.set_exception(NoCapacityError(f"batcher {self._name} closed before it ran"))


def _bucket(size: int) -> int:
    return max(_SMALLEST_BUCKET, 1 << (size - 1).bit_length())


def _cancel(futures: Sequence[Future[R]]) -> None:
    for future in futures:
        future.cancel()
