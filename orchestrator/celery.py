"""The Celery application: settings with their reasons, queues from the one table."""

from __future__ import annotations

import os
import warnings

from celery import Celery
from celery.exceptions import SecurityWarning
from celery.signals import setup_logging
from kombu import Exchange, Queue

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "settings." + os.environ.get("SWITCHYARD_MODE", "dev"))
# Celery would have Django check the whole site, pages and admin, at each worker's start: 0.6 s of processor time.
# `migrate` does so once, and a worker looks at what it stands on itself (orchestrator/admin/diagnosis).
os.environ.setdefault("CELERY_SKIP_CHECKS", "1")

from django.conf import settings

from orchestrator.queues import QUEUES

# Seven alarming lines from each worker of a start as root. What they are about is pickle, and only JSON is taken here.
warnings.filterwarnings("ignore", message="You're running the worker with superuser", category=SecurityWarning)

#: Longer than any stage can hold a message: the longest deadline (600 s) and a drain.
VISIBILITY_TIMEOUT_S = 660

CONFIG: dict[str, object] = {
    "task_serializer": "json",
    "accept_content": ["json"],
    # State lives in PostgreSQL; results would cost 5 of 15 Redis commands a hop.
    "task_ignore_result": True,
    "task_store_errors_even_if_ignored": False,
    "result_backend": None,
    "task_acks_late": True,
    "task_acks_on_failure_or_timeout": True,
    # A crashing task would loop without bound; the row's reconciler decides instead.
    "task_reject_on_worker_lost": False,
    # A queue that is not in the table must fail, not appear.
    "task_create_missing_queues": False,
    "task_queues": [Queue(name, Exchange(name, type="direct"), routing_key=name) for name in QUEUES],
    "task_default_queue": "batch",
    "worker_prefetch_multiplier": 1,
    "worker_disable_prefetch": True,
    # On Redis the cancel path acknowledges a message it has not finished: a lost task (reproduced).
    "worker_cancel_long_running_tasks_on_connection_loss": False,
    # Operators live in Flower.
    "worker_send_task_events": True,
    "task_send_sent_event": False,
    "worker_hijack_root_logger": False,
    "broker_connection_retry_on_startup": True,
    "broker_connection_max_retries": None,
    "task_publish_retry_policy": {"max_retries": 2, "interval_start": 0, "interval_step": 0.2, "interval_max": 0.5},
    "broker_transport_options": {
        "visibility_timeout": VISIBILITY_TIMEOUT_S,
        "unacked_restore_interval": 5,
        "unacked_restore_throttle": 1,
        "unacked_mutex_expire": 30,
        # Keys in the order of the worker's queues: `gpu` before `gpu.bulk`.
        "queue_order_strategy": "priority",
        # Longer than kombu's BRPOP of 1 s.
        "socket_timeout": 10,
        "socket_connect_timeout": 3,
        "socket_keepalive": True,
        "health_check_interval": 25,
        # One priority: four lists a queue would make every BRPOP four times as long.
        "priority_steps": [0],
    },
    "beat_scheduler": "tasks.beat:JobScheduler",
    "enable_utc": True,
    "timezone": "UTC",
    "imports": ["tasks.worker", "tasks.stages", "tasks.jobs"],
}


def _make() -> Celery:
    environment = settings.SWITCHYARD
    made = Celery("switchyard")
    made.conf.update(CONFIG)
    made.conf["broker_url"] = (
        environment.broker_url.get_secret_value()
        or environment.redis_url.get_secret_value()
        or "redis://127.0.0.1:6379/0"
    )
    made.conf.broker_transport_options["global_keyprefix"] = f"{environment.key_prefix}:broker:"
    return made


app = _make()


@setup_logging.connect
def _keep_our_logging(**_: object) -> None:
    """Having a receiver keeps Celery from configuring the root logger; ours is set in `tasks.worker`."""
