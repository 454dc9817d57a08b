"""What a job tells an operator: kept through failures and retries, bounded, and cheap."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import pytest
from sqlalchemy import event

from orchestrator.automation.notes import MOST_LETTERS, MOST_LINES, Line, Notes
from orchestrator.automation.reruns import run_again
from orchestrator.automation.run_job import JobContext, Work, run_job
from orchestrator.errors import DependencyDownError, StoppedError
from orchestrator.pipeline.runtime import Runtime
from orchestrator.store import jobs, releasing
from orchestrator.store.engine import rw
from tests.integration.core import kit

AWAY = DependencyDownError("SMTP: 451 later", dependency="mail")


def saying(*texts: str, then: Exception | None = None) -> Work:
    def work(context: JobContext) -> Mapping[str, object]:
        for text in texts:
            context.note(text)
        if then is not None:
            raise then
        return {}

    return work


def run(runtime: Runtime, job: str, work: Work, *, dispatch_no: int = 1) -> list[Line]:
    run_job({"clean_up": work}, runtime=runtime, job=job, fence=1, dispatch_no=dispatch_no)
    found: list[Line] = kit.look("SELECT log FROM switchyard_job WHERE id = :job", job=job)[0]["log"]
    return found


def again(job: str) -> None:
    """Have a job that waits for its retry dispatched now."""
    kit.look("UPDATE switchyard_job SET run_at = now() WHERE id = :job", job=job)
    releasing.release_jobs(rw(), queue="batch", room=1)


@contextmanager
def statements() -> Iterator[list[str]]:
    seen: list[str] = []

    def saw(_connection: object, _cursor: object, statement: str, *_: object) -> None:
        seen.append(statement)

    event.listen(rw(), "before_cursor_execute", saw)
    yield seen
    event.remove(rw(), "before_cursor_execute", saw)


def test_lines_cost_no_round_trip_of_their_own(runtime: Runtime, job: str) -> None:
    with statements() as seen:
        run_job({"clean_up": saying(*map(str, range(50)))}, runtime=runtime, job=job, fence=1, dispatch_no=1)

    assert len(seen) == 2
    log = kit.look("SELECT log FROM switchyard_job WHERE id = :job", job=job)[0]["log"]
    assert [line["text"] for line in log] == [str(n) for n in range(50)]


def test_lines_survive_a_failing_attempt_and_the_next_goes_on_below_them(runtime: Runtime, job: str) -> None:
    run(runtime, job, saying("mailed to 2", then=AWAY))
    again(job)

    log = run(runtime, job, saying("mailed to 3"), dispatch_no=2)

    assert [(line["attempt"], line["level"]) for line in log] == [(1, "info"), (1, "warning"), (2, "info")]
    assert log[0]["text"] == "mailed to 2"
    assert log[1]["text"].endswith(": SMTP: 451 later")


def test_a_job_that_is_run_again_succeeds_below_what_it_said_before(runtime: Runtime, job: str) -> None:
    run(runtime, job, saying("mailed to 2", then=ValueError("x")))
    run_again(job, fence=1, by="admin:olga")
    releasing.release_jobs(rw(), queue="batch", room=1)

    run_job({"clean_up": saying("mailed to 3")}, runtime=runtime, job=job, fence=2, dispatch_no=2)

    row = kit.look("SELECT state, attempts, log FROM switchyard_job")[0]
    assert (row["state"], row["attempts"]) == ("SUCCEEDED", 1)
    assert [line["text"] for line in row["log"]] == [
        "mailed to 2", "failed: ValueError", "run again by admin:olga after: ValueError", "mailed to 3",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("error", "level", "text"),
    [
        (ValueError("with contents"), "error", "failed: ValueError"),
        (StoppedError("job"), "warning", "stopped"),
    ],
)
def test_the_last_line_says_how_it_ended(runtime: Runtime, job: str, error: Exception, level: str, text: str) -> None:
    log = run(runtime, job, saying("began", then=error))

    assert [line["text"] for line in log] == ["began", text]
    assert log[-1]["level"] == level


def test_a_job_that_is_handed_back_says_so(runtime: Runtime, job: str) -> None:
    def work(context: JobContext) -> Mapping[str, object]:
        runtime.stops.leave()
        raise StoppedError("job")

    assert run(runtime, job, work)[-1]["text"] == "handed back"


def test_a_long_job_writes_its_lines_while_it_runs(runtime: Runtime, job: str) -> None:
    jobs.claim(rw(), job=job, fence=1, dispatch_no=1, owner="inc_a", worker="w")
    notes = Notes(keep=lambda lines: jobs.keep_log(rw(), job=job, fence=1, log=lines), every_s=0)

    notes.add("half done")

    assert kit.look("SELECT log->0->>'text' AS said FROM switchyard_job")[0]["said"] == "half done"


def test_a_job_that_is_no_longer_ours_gets_no_lines(runtime: Runtime, job: str) -> None:
    jobs.claim(rw(), job=job, fence=1, dispatch_no=1, owner="inc_a", worker="w")

    jobs.keep_log(rw(), job=job, fence=2, log=[])

    assert kit.look("SELECT log FROM switchyard_job")[0]["log"] is None


def test_lines_are_bounded_in_number_and_length_and_stand_on_one_line_each() -> None:
    notes = Notes()

    for n in range(MOST_LINES + 10):
        notes.add(f"{n}\nsecond\x00line " + "x" * 999)
    lines = notes.ended("stopped", "warning")

    assert len(lines) == MOST_LINES
    assert lines[0]["text"].startswith("11 second line x")
    assert max(len(line["text"]) for line in lines) == MOST_LETTERS
