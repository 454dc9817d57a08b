"""Beat's scheduler: a due entry becomes rows, never a message; two beats make no more rows than one."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import structlog
from celery import schedules
from celery.beat import ScheduleEntry, Scheduler

from orchestrator import ids
from orchestrator.automation.schedules import SCHEDULES, Schedule
from orchestrator.automation.types import JOB_TYPES
from orchestrator.chat.wake import wake_dispatcher
from orchestrator.errors import StoreDownError
from orchestrator.log.clients import sync_client
from orchestrator.log.keys import Keys
from orchestrator.store import jobs
from orchestrator.store.engine import rw

_logger = structlog.get_logger(__name__)


class JobScheduler(Scheduler):
    """Celery's own clockwork with another effect: a Job row for each tenant and fire time."""

    #: Longest sleep between two looks at the clock.
    max_interval = 5

    def setup_schedule(self) -> None:
        """Read the table of schedules; what fired last is asked of the rows, so that a stop loses no fire."""
        from django.conf import settings

        environment = settings.SWITCHYARD
        self._redis = sync_client(environment.redis_url.get_secret_value())
        self._keys = Keys(environment.key_prefix)
        self._by_name = {schedule.name: schedule for schedule in SCHEDULES}
        self.data = {schedule.name: self._entry(schedule) for schedule in SCHEDULES}

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

    def apply_async(self, entry: ScheduleEntry, *_: Any, **__: Any) -> None:  # Any: celery's own signature
        """Insert the rows of one fire; a database that is away leaves the entry due, and it is tried again.

        Raises:
            StoreDownError: PostgreSQL does not answer.
        """
        schedule = self._by_name[str(entry.name)]
        fire_time = datetime.now(UTC).replace(second=0, microsecond=0)
        made = jobs.fire(
            rw(),
            schedule=schedule.name,
            fire_time=fire_time,
            type=schedule.type,
            queue=JOB_TYPES[schedule.type].queue,
            payload=schedule.payload,
            cid=ids.new_id("cid"),
        )
        wake_dispatcher(self._redis, self._keys)
        _logger.info("schedule fired", schedule=schedule.name, fire_time=fire_time.isoformat(), jobs=made)
