"""Whether Celery would run as the design counts on: it ignores unknown settings, and the environment overrules ours."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from orchestrator.admin.diagnosis.findings import Check, Finding, Starter

_CONSUMER: frozenset[Starter] = frozenset({"worker"})
_BROKER_USERS: frozenset[Starter] = frozenset({"dispatcher", "worker"})

VISIBILITY = Check(
    id="visibility-timeout",
    subject="celery",
    level="problem",
    why="a message that is held longer than this is given to a second worker while the first still runs it",
    remedy="raise `visibility_timeout` in orchestrator/celery.py above the sum, or lower the deadline",
    refuses=_CONSUMER,
)
UNKNOWN = Check(
    id="celery-settings",
    subject="celery",
    level="problem",
    why="Celery ignores a setting that it does not know without a word, and what it was to protect is not protected",
    remedy="correct the name in orchestrator/celery.py (the names: celery/app/defaults.py, kombu's redis Channel)",
    refuses=_BROKER_USERS,
)
RESULTS = Check(
    id="celery-results",
    subject="celery",
    level="problem",
    why="a result backend is a second truth beside the rows and costs a third of the broker's work",
    remedy="unset CELERY_RESULT_BACKEND, and `result_backend` wherever it was set",
)
CANCEL_ON_LOSS = Check(
    id="celery-cancel-on-loss",
    subject="celery",
    level="problem",
    why="when Redis goes away, Celery then acknowledges running tasks without finishing them: their messages are gone",
    remedy="leave `worker_cancel_long_running_tasks_on_connection_loss` off",
    refuses=_CONSUMER,
)
REJECT_ON_LOST = Check(
    id="celery-reject-on-lost",
    subject="celery",
    level="problem",
    why="a task that kills its process comes back at once and without bound",
    remedy="leave `task_reject_on_worker_lost` off: the dispatcher counts deaths and puts such a turn aside",
)
EARLY_ACK = Check(
    id="celery-early-ack",
    subject="celery",
    level="problem",
    why="stages are acknowledged before they run, and a killed worker takes all that it had fetched with it",
    remedy="leave `task_acks_late` on",
    refuses=_CONSUMER,
)
BROKER_ADDRESS = Check(
    id="broker-address",
    subject="celery",
    level="problem",
    why="processes that disagree about the broker publish where nobody reads",
    remedy="unset CELERY_BROKER_URL, CELERY_BROKER_READ_URL and CELERY_BROKER_WRITE_URL; set SWITCHYARD_BROKER_URL",
    refuses=_BROKER_USERS,
)
PREFIX = Check(
    id="broker-prefix",
    subject="celery",
    level="problem",
    why="without its own prefix a deployment shares queues and messages with whatever else uses the Redis",
    remedy="leave `global_keyprefix` as orchestrator/celery.py sets it; choose SWITCHYARD_KEY_PREFIX instead",
    refuses=_BROKER_USERS,
)
TIME_LIMITS = Check(
    id="time-limits",
    subject="celery",
    level="warning",
    why="a pool of threads ignores Celery's time limits, so whoever set one believes in a bound that is not there",
    remedy="take the limit away: the turn's deadline bounds a stage, and a job's type has its own limit",
)
CHECKS = (
    BROKER_ADDRESS,
    PREFIX,
    VISIBILITY,
    CANCEL_ON_LOSS,
    EARLY_ACK,
    UNKNOWN,
    RESULTS,
    REJECT_ON_LOST,
    TIME_LIMITS,
)  # fmt: skip

#: Pools in which Celery really interrupts a task.
_POOLS_WITH_LIMITS = frozenset({"prefork", "processes"})


@dataclass(frozen=True, slots=True, kw_only=True)
class CelerySettings:
    """The settings in force, whatever they were written in."""

    visibility_timeout_s: float
    #: Names that Celery, or its transport, has never heard of.
    unknown: Sequence[str]
    #: Addresses without their passwords.
    result_backend: str
    broker: str
    wanted_broker: str
    prefix: str
    wanted_prefix: str
    cancel_on_loss: bool
    reject_on_lost: bool
    acks_late: bool


def settings_in_force(facts: CelerySettings, *, deadline_s: float, grace_s: float) -> Iterator[Finding]:
    """Yield what the settings of the app are good for.

    Args:
        facts: what Celery would really use.
        deadline_s: the longest a turn, and so a stage, may take.
        grace_s: the longest a worker that was told to stop goes on with it.
    """
    if facts.broker == facts.wanted_broker:
        yield BROKER_ADDRESS.fine(f"the broker is {facts.broker}")
    else:
        yield BROKER_ADDRESS.found(f"Celery uses {facts.broker}, the settings say {facts.wanted_broker}")
    if facts.prefix == facts.wanted_prefix:
        yield PREFIX.fine(f"its keys begin with {facts.prefix}")
    else:
        yield PREFIX.found(f"its keys would begin with {facts.prefix or 'nothing'}, not with {facts.wanted_prefix}")
    sum_s = deadline_s + grace_s
    sums = f"{facts.visibility_timeout_s:g} s; a message may be held {deadline_s:g} s, and {grace_s:g} s in a drain"
    enough = facts.visibility_timeout_s > sum_s
    yield VISIBILITY.fine(f"visibility timeout {sums}") if enough else VISIBILITY.found(f"visibility timeout {sums}")
    if facts.unknown:
        yield UNKNOWN.found(f"unknown: {', '.join(facts.unknown)}")
    else:
        yield UNKNOWN.fine("Celery and its transport know every setting")
    if facts.result_backend:
        yield RESULTS.found(f"results go to {facts.result_backend}")
    if facts.cancel_on_loss:
        yield CANCEL_ON_LOSS.found("worker_cancel_long_running_tasks_on_connection_loss is on")
    if facts.reject_on_lost:
        yield REJECT_ON_LOST.found("task_reject_on_worker_lost is on")
    if not facts.acks_late:
        yield EARLY_ACK.found("task_acks_late is off")


def time_limits(pool: str, limits: Mapping[str, float | None]) -> Iterator[Finding]:
    """Yield which limits, by the name of what sets them, a pool would ignore."""
    ignored = [f"{name}={limit_s:g} s" for name, limit_s in limits.items() if limit_s]
    if ignored and pool not in _POOLS_WITH_LIMITS:
        yield TIME_LIMITS.found(f"the pool `{pool}` ignores {', '.join(ignored)}")
    else:
        yield TIME_LIMITS.fine(f"no limit that the pool `{pool}` would ignore")
