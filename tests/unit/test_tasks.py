"""Tasks, queues, settings and schedules as Celery really sees them."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from celery.app.defaults import NAMESPACES, flatten
from celery.schedules import crontab
from kombu.transport.redis import Channel

import tasks.stages
import tasks.worker  # noqa: F401 - registers
from orchestrator import publish
from orchestrator.automation.schedules import SCHEDULES, Missed, Schedule
from orchestrator.automation.types import JOB_TYPES
from orchestrator.celery import CONFIG, VISIBILITY_TIMEOUT_S, app
from orchestrator.chat.plan import QUEUE_OF
from orchestrator.chat.turns import DEADLINE_MAX_MS
from orchestrator.publish import TASK_OF, HopMessage
from orchestrator.queues import QUEUES
from tasks.beat import JobScheduler, due_times
from tasks.jobs import WORKS

CHECKOUT = Path(__file__).parents[2]
TASKS: dict[str, Any] = dict(app.tasks)  # Any: celery's stubs know no `queue`
OURS = sorted(name for name in TASKS if not name.startswith("celery."))
KNOWN = {pair[0] for pair in flatten(NAMESPACES)}


def queue_of(task: str) -> str:
    found: str = app.amqp.router.route({"queue": TASKS[task].queue}, task)["queue"].name
    return found


@pytest.mark.parametrize("setting", CONFIG)
def test_celery_knows_every_setting(setting: str) -> None:
    # `imports` and the like are spelled as they stand; an unknown one would be ignored without a word.
    assert setting in KNOWN


@pytest.mark.parametrize("option", CONFIG["broker_transport_options"])  # type: ignore[arg-type]  # CONFIG holds objects
def test_the_transport_knows_every_option(option: str) -> None:
    assert option in Channel.from_transport_options


def test_a_message_is_not_given_to_another_worker_within_the_longest_deadline() -> None:
    assert VISIBILITY_TIMEOUT_S * 1000 > DEADLINE_MAX_MS


@pytest.mark.parametrize("name", OURS)
def test_every_task_names_its_queue(name: str) -> None:
    assert TASKS[name].queue in QUEUES


@pytest.mark.parametrize("name", OURS)
def test_no_task_keeps_a_result(name: str) -> None:
    assert TASKS[name].ignore_result


@pytest.mark.parametrize(("hop", "task"), TASK_OF.items())
def test_every_published_name_is_registered(hop: str, task: str) -> None:
    assert task in TASKS


@pytest.mark.parametrize(("hop", "queue"), QUEUE_OF.items())
def test_a_hops_task_goes_to_the_hops_queue(hop: str, queue: str) -> None:
    assert queue_of(TASK_OF[hop]) == queue


@pytest.mark.parametrize("name", [name for name in OURS if name.startswith("stages.")])
def test_a_stages_message_is_acknowledged_after_the_work(name: str) -> None:
    assert TASKS[name].acks_late


def test_a_jobs_message_is_acknowledged_before_the_work() -> None:
    assert TASKS["jobs.run"].acks_late is False


def test_the_queues_are_the_tables() -> None:
    assert list(app.amqp.queues) == list(QUEUES)


def test_a_queue_that_is_not_in_the_table_fails() -> None:
    with pytest.raises(Exception, match="nobody"):
        app.amqp.router.route({"queue": "nobody"}, "stages.sql")


@pytest.mark.parametrize("name", JOB_TYPES)
def test_every_job_type_has_a_queue_of_the_table_and_a_limit(name: str) -> None:
    assert JOB_TYPES[name].queue in QUEUES
    assert JOB_TYPES[name].limit_s > 0


def test_every_job_type_has_its_work_and_every_work_its_type() -> None:
    assert WORKS.keys() == JOB_TYPES.keys()


def message(hop: str, queue: str) -> HopMessage:
    return HopMessage(turn="trn_1", fence=2, hop=hop, queue=queue, dispatch_no=3)


def test_a_hop_is_published_with_its_own_id_queue_and_correlation_id() -> None:
    signature = publish.signature(message("sql", "sql"), cid="cid_1")

    assert signature.options["task_id"] == "trn_1:2:sql"
    assert signature.options["queue"] == "sql"
    assert signature.options["headers"] == {"cid": "cid_1"}
    assert signature.kwargs == {"turn": "trn_1", "fence": 2, "dispatch_no": 3}
    assert signature.immutable


def test_several_hops_are_a_chain_in_their_order() -> None:
    chain: Any = publish.hops([message("sql", "sql"), message("llm", "llm")], cid="cid_1")

    assert [task.task for task in chain.tasks] == ["stages.sql", "stages.llm"]


def test_one_hop_is_no_chain() -> None:
    assert publish.hops([message("llm", "llm")], cid="cid_1").task == "stages.llm"


def test_arguments_are_not_shown_to_operators() -> None:
    shown = publish.signature(message("sql", "sql"), cid="cid_1").options

    assert (shown["argsrepr"], shown["kwargsrepr"]) == ("()", "{turn: trn_1, dispatch: 3}")


@pytest.mark.parametrize(
    ("now", "due"),
    [
        ("2026-11-20T02:30:00", "2026-11-20T02:30:00"),
        ("2026-11-20T02:30:59", "2026-11-20T02:30:00"),
        ("2026-11-20T02:31:00", "2026-11-20T02:30:00"),
        ("2026-11-20T09:00:00", "2026-11-20T02:30:00"),
        ("2026-11-20T02:29:59", "2026-11-19T02:30:00"),
        ("2026-11-01T00:00:00", "2026-10-31T02:30:00"),
    ],
)
def test_a_fire_carries_the_minute_it_was_due(now: str, due: str) -> None:
    schedule = Schedule(name="n", type="clean_up", minute="30", hour="2")

    fire_time = schedule.latest(datetime.fromisoformat(now).replace(tzinfo=UTC))

    assert fire_time == datetime.fromisoformat(due).replace(tzinfo=UTC)


def test_an_hourly_schedule_is_due_at_the_last_full_hour() -> None:
    schedule = Schedule(name="n", type="clean_up")

    now = datetime(2026, 11, 20, 9, 41, tzinfo=UTC)

    assert schedule.latest(now) == datetime(2026, 11, 20, 9, tzinfo=UTC)
    assert schedule.next(now) == datetime(2026, 11, 20, 10, tzinfo=UTC)


@pytest.mark.parametrize("words", ["*", "5", "0,30", "*/7", "10,*/20"])
def test_a_schedules_words_mean_what_celerys_do(words: str) -> None:
    schedule = Schedule(name="n", type="clean_up", minute=words, hour="3")

    named = {minute for minute in range(60) if schedule.names(datetime(2026, 11, 20, 3, minute, tzinfo=UTC))}

    celerys: Any = crontab(minute=words)
    assert named == celerys.minute


@pytest.mark.parametrize(
    ("missed", "last", "days"),
    [
        ("all", "2026-11-16", [17, 18, 19, 20]),
        ("all", "2026-11-19", [20]),
        ("all", None, [20]),
        ("latest", "2026-11-16", [20]),
        ("none", "2026-11-16", []),
        # Somebody switches it on after a year: a week of reports, not four hundred.
        ("all", "2025-11-16", [14, 15, 16, 17, 18, 19, 20]),
    ],
)
def test_what_was_missed_is_made_up_as_the_schedule_says(missed: Missed, last: str | None, days: list[int]) -> None:
    schedule = Schedule(name="n", type="clean_up", minute="30", hour="2", missed=missed)
    before = None if last is None else datetime.fromisoformat(f"{last}T02:30:00+00:00")

    found = due_times(schedule, last=before, now=datetime(2026, 11, 20, 9, 41, tzinfo=UTC))

    assert found == [datetime(2026, 11, day, 2, 30, tzinfo=UTC) for day in days]


@pytest.mark.parametrize("schedule", SCHEDULES, ids=lambda schedule: schedule.name)
def test_every_schedule_names_a_job_type(schedule: Schedule) -> None:
    assert schedule.type in JOB_TYPES


def test_schedules_have_names_of_their_own() -> None:
    names: Iterable[str] = [schedule.name for schedule in SCHEDULES]

    assert len(set(names)) == len(SCHEDULES)


def test_beat_uses_our_scheduler_and_it_publishes_nothing() -> None:
    # Untyped in celery.
    scheduler: Any = JobScheduler

    assert app.conf.beat_scheduler == "tasks.beat:JobScheduler"
    assert scheduler.producer.func(None) is None


def test_a_worker_of_a_start_as_root_does_not_alarm() -> None:
    code = (
        "import os; os.getuid = lambda: 0; import orchestrator.celery; "
        "from celery.platforms import check_privileges; check_privileges(['json'])"
    )

    done = subprocess.run([sys.executable, "-c", code], cwd=CHECKOUT, capture_output=True, text=True, check=False)

    assert (done.returncode, done.stderr) == (0, "")
