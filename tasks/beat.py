"""Beat's scheduler: a due entry becomes rows, never a message; two beats make no more rows than one."""

from __future__ import annotations

import random
import time
from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import Any

import structlog
from celery import schedules
from celery.beat import ScheduleEntry, Scheduler

from orchestrator import ids, logs
from orchestrator.admin.diagnosis.start import require_good_start
from orchestrator.automation.schedules import SCHEDULES, Schedule
from orchestrator.automation.types import JOB_TYPES
from orchestrator.chat.wake import wake_dispatcher
from orchestrator.control.heartbeat import Heartbeat
from orchestrator.errors import StoreDownError
from orchestrator.log.clients import sync_client
from orchestrator.log.keys import Keys
from orchestrator.resilience.retry import next_delay_s
from orchestrator.store import jobs
from orchestrator.store.engine import rw

_logger = structlog.get_logger(__name__)

_MINUTE = timedelta(minutes=1)
#: A schedule whose missed fires are all made up goes back no further.
_MADE_UP = timedelta(days=7)
#: One whose missed fires are left out fires late by no more than this.
_LATE = timedelta(hours=1)


def due_times(schedule: Schedule, *, last: datetime | None, now: datetime) -> list[datetime]:
    """Return the minutes to fire for, the oldest first: the latest that the schedule names, and what was missed.

    `last` is the fire before, None when there was none: then nothing was missed.
    """
    latest = schedule.latest(now)
    if schedule.missed == "none":
        return [latest] if now - latest <= _LATE else []
    if schedule.missed == "latest" or last is None:
        return [latest]
    found = [latest]
    while (earlier := schedule.latest(found[-1] - _MINUTE)) > max(last, now - _MADE_UP):
        found.append(earlier)
    return found[::-1]


class JobScheduler(Scheduler):
    """Celery's own clockwork with another effect: Job rows for each fire time, a tenant's or the deployment's."""

    #: Longest sleep between two looks at the clock.
    max_interval = 5

    def setup_schedule(self) -> None:
        """Read the table of schedules; what fired last is asked of the rows, so that a stop loses no fire."""
        from django.conf import settings

        logs.configure("beat")
        require_good_start("beat")
        environment = settings.SWITCHYARD
        self._redis = sync_client(environment.redis_url.get_secret_value())
        self._keys = Keys(environment.key_prefix)
        self._by_name = {schedule.name: schedule for schedule in SCHEDULES}
        self.data = {schedule.name: self._entry(schedule) for schedule in SCHEDULES}
        # So that the doctor sees when there is none, or one too many.
        self._heartbeat = Heartbeat(incarnation=ids.new_id("inc"), name="beat", role="beat", queues=())
        self._heartbeat.start()
        _logger.info("beat runs", schedules=list(self.data))

    def close(self) -> None:
        """Say that it leaves."""
        self._heartbeat.stop()

    def _entry(self, schedule: Schedule) -> ScheduleEntry:
        try:
            last = jobs.last_fire(rw(), schedule.name)
        except StoreDownError as exc:
            _logger.warning("last fire unknown, counting from now", schedule=schedule.name, error=str(exc))
            last = None
        return self.Entry(
            name=schedule.name,
            task="jobs.fire",
            schedule=schedules.crontab(minute=schedule.minute, hour=schedule.hour, app=self.app),
            last_run_at=last,
            app=self.app,
        )

    # Celery's stubs say that there is always one.
    @cached_property
    def producer(self) -> None:  # type: ignore[override]
        """Return none: nothing is published, so a broker that is away must not hold the clock up."""
        return None

    def apply_entry(self, entry: ScheduleEntry, producer: Any = None) -> None:
        """Fire an entry and, while the database is away, try again: Celery has put the entry forward already."""
        rng, delay_s = random.Random(), 1.0
        while True:
            try:
                self.apply_async(entry)
            except StoreDownError as exc:
                delay_s = next_delay_s(delay_s, base_s=1, cap_s=15, rng=rng)
                _logger.warning("fire put off", schedule=entry.name, error=str(exc), retry_s=round(delay_s, 1))
                time.sleep(delay_s)
            except Exception:  # a background loop must survive
                _logger.exception("fire failed", schedule=entry.name)
                return
            else:
                return

    def apply_async(self, entry: ScheduleEntry, *_: Any, **__: Any) -> None:  # Any: celery's own signature
        """Insert the rows of one fire.

        Raises:
            StoreDownError: PostgreSQL does not answer.
        """
        schedule = self._by_name[str(entry.name)]
        last = jobs.last_fire(rw(), schedule.name) if schedule.missed == "all" else None
        for fire_time in due_times(schedule, last=last, now=datetime.now(UTC)):
            made = jobs.fire(
                rw(),
                schedule=schedule.name,
                fire_time=fire_time,
                type=schedule.type,
                queue=JOB_TYPES[schedule.type].queue,
                payload=schedule.payload,
                cid=ids.new_id("cid"),
                whole=schedule.scope == "deployment",
            )
            _logger.info("schedule fired", schedule=schedule.name, fire_time=fire_time.isoformat(), jobs=made)
        wake_dispatcher(self._redis, self._keys)
