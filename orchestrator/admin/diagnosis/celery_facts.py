"""Read from the Celery app what is really in force; nothing here connects."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings

from orchestrator.admin.diagnosis.celery_settings import CelerySettings, settings_in_force, time_limits
from orchestrator.admin.diagnosis.findings import Finding
from orchestrator.celery import app
from orchestrator.chat.turns import DEADLINE_MAX_MS
from orchestrator.queues import PROCESSES

#: A key that Celery itself adds.
_ITS_OWN = frozenset({"deprecated_settings"})


def celery_settings() -> CelerySettings:
    """Return the settings in force: ours, the environment's (CELERY_BROKER_URL and the like), the command line's."""
    # Celery's stubs know few of these names.
    conf: Any = app.conf
    transport: Any = app.connection_for_read().transport
    channel = transport.Channel
    options = dict(conf.broker_transport_options)
    known: set[str] = set().union(*map(set, conf.defaults)) | set(conf.maps[-1])
    unknown = sorted(set(conf.table(with_defaults=False)) - known - _ITS_OWN)
    # Only the Redis transport lists its options.
    taken = getattr(channel, "from_transport_options", None)
    if taken is not None and hasattr(channel, "visibility_timeout"):
        unknown += [f"broker_transport_options.{name}" for name in sorted(set(options) - set(taken))]
    environment = settings.SWITCHYARD
    wanted = environment.broker_url.get_secret_value() or environment.redis_url.get_secret_value()
    addresses = {conf.broker_read_url, conf.broker_write_url}
    return CelerySettings(
        visibility_timeout_s=float(options.get("visibility_timeout", getattr(channel, "visibility_timeout", 0))),
        unknown=unknown,
        result_backend=without_password(conf.result_backend or ""),
        broker=" and ".join(sorted(without_password(str(address)) for address in addresses)),
        wanted_broker=without_password(wanted or str(conf.get("broker_url"))),
        prefix=str(options.get("global_keyprefix", "")),
        wanted_prefix=f"{environment.key_prefix}:broker:",
        cancel_on_loss=bool(conf.worker_cancel_long_running_tasks_on_connection_loss),
        reject_on_lost=bool(conf.task_reject_on_worker_lost),
        acks_late=bool(conf.task_acks_late),
    )


def celery(worker: Any = None, *, load_tasks: bool = False) -> Iterator[Finding]:  # Any: Celery's own worker object
    """Yield what Celery's settings are good for.

    Args:
        worker: the worker that this process is; else the pools of the process table are looked at.
        load_tasks: import every task first, whose own limits are looked at as well: two seconds.
    """
    if load_tasks:
        app.loader.import_default_modules()
    grace_s = max(process.stop_grace_s for process in PROCESSES if process.role == "worker")
    yield from settings_in_force(celery_settings(), deadline_s=DEADLINE_MAX_MS / 1000, grace_s=grace_s)
    if worker is None:
        for pool in sorted({process.pool for process in PROCESSES if process.role == "worker"}):
            yield from time_limits(pool, _limits({}))
    else:
        # Celery has merged the command line's limits into the settings' here.
        own = {"task_time_limit": worker.time_limit, "task_soft_time_limit": worker.soft_time_limit}
        yield from time_limits(pool_name(worker.pool_cls), _limits(own))


def pool_name(pool: Any) -> str:  # Any: a name, or the class that Celery made of it
    """Return a pool as it is named on the command line."""
    return pool if isinstance(pool, str) else str(pool.__module__).rpartition(".")[2].replace("thread", "threads")


def without_password(url: str) -> str:
    """Return an address that may be shown."""
    parts = urlsplit(url)
    return parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()


def _limits(own: Mapping[str, float | None]) -> dict[str, float | None]:
    conf: Any = app.conf  # as above
    found: dict[str, float | None] = dict(own)
    for name in ("task_time_limit", "task_soft_time_limit"):
        found.setdefault(name, conf[name])
    for name, task in app.tasks.items():
        if not name.startswith("celery."):
            found |= {f"{name}.time_limit": task.time_limit, f"{name}.soft_time_limit": task.soft_time_limit}
    return found
