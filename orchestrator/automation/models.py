"""The job: a unit of automation work."""

from __future__ import annotations

from typing import ClassVar

from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from orchestrator import ids
from orchestrator.automation.schedules import SCHEDULES
from orchestrator.automation.states import JobState
from orchestrator.tenants.models import Tenant, User


class Job(models.Model):
    """A unit of automation work; its row is the truth, the Celery message a wake-up."""

    id = models.CharField(primary_key=True, max_length=40, default=ids.job_id, editable=False)
    #: Null: the deployment's own, which no tenant sees.
    tenant = models.ForeignKey(Tenant, null=True, blank=True, on_delete=models.CASCADE)
    created_by = models.ForeignKey(User, null=True, blank=True, on_delete=models.SET_NULL)
    #: A key of `automation.types.JOB_TYPES`.
    type = models.CharField(max_length=40)
    state = models.CharField(
        max_length=20, choices=[(s.value, s.value) for s in JobState], db_default=JobState.PENDING.value
    )
    queue = models.CharField(max_length=20)
    #: Small arguments: ids, never secrets or contents.
    payload = models.JSONField(default=dict, blank=True)
    result = models.JSONField(null=True, blank=True)
    error = models.TextField(blank=True, db_default="")
    #: `automation.notes.Line`s, the oldest first; null: it has said nothing.
    log = models.JSONField(null=True, blank=True)
    schedule = models.CharField(max_length=80, null=True, blank=True)  # noqa: DJ001 - null: not scheduled
    fire_time = models.DateTimeField(null=True, blank=True)
    cid = models.CharField(max_length=64)
    fence = models.IntegerField(db_default=1)
    dispatch_no = models.IntegerField(db_default=0)
    #: Attempts begun so far and at most.
    attempts = models.SmallIntegerField(db_default=0)
    max_attempts = models.SmallIntegerField(db_default=3)
    #: Not before this time (a retry's wait).
    run_at = models.DateTimeField(db_default=Now())
    owner = models.CharField(max_length=40, null=True, blank=True)  # noqa: DJ001 - null says "nobody"
    worker = models.CharField(max_length=80, null=True, blank=True)  # noqa: DJ001 - null says "nobody"
    cancel_requested_at = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField(db_default=Now())
    dispatched_at = models.DateTimeField(null=True, blank=True)
    started_at = models.DateTimeField(null=True, blank=True)
    ended_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        """Name the table; a schedule fires once for each time, however many beats run."""

        db_table = "switchyard_job"
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["schedule", "fire_time"], name="job_fires_once"),
        ]
        indexes: ClassVar = [
            models.Index(
                fields=["run_at"], condition=Q(state__in=["PENDING", "ASSIGNED", "RETRY_WAIT"]), name="job_open"
            ),
            models.Index(fields=["tenant", "-created_at"], name="job_list"),
            models.Index(fields=["ended_at"], condition=Q(state="FAILED"), name="job_failed"),
        ]

    def __str__(self) -> str:
        """Return type and id."""
        return f"{self.type} {self.id}"


class Subscription(models.Model):
    """Somebody who gets a schedule's report by mail."""

    id = models.BigAutoField(primary_key=True)
    tenant = models.ForeignKey(Tenant, on_delete=models.CASCADE)
    schedule = models.CharField(max_length=40, choices=[(s.name, s.name) for s in SCHEDULES if s.mailed])
    email = models.EmailField()
    language = models.CharField(max_length=2, choices=[("en", "English"), ("es", "Español")], default="en")
    is_active = models.BooleanField(default=True)
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        """Name the table; nobody gets a report twice."""

        db_table = "switchyard_subscription"
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["tenant", "schedule", "email"], name="subscription_once"),
        ]

    def __str__(self) -> str:
        """Return who gets what."""
        return f"{self.schedule} to {self.email}"


class Delivery(models.Model):
    """One report to one recipient; written before the mail goes out, so that a repeated job sends no second one."""

    id = models.BigAutoField(primary_key=True)
    job = models.ForeignKey(Job, on_delete=models.CASCADE, related_name="deliveries")
    email = models.EmailField()
    #: `sending`, `sent` or `refused`. A job that died in between leaves `sending`: its repeat sends again, under the
    #: same Message-ID.
    state = models.CharField(max_length=8)
    answer = models.TextField(blank=True)
    at = models.DateTimeField(db_default=Now())

    class Meta:
        """Name the table and its uniqueness."""

        db_table = "switchyard_delivery"
        constraints: ClassVar = [models.UniqueConstraint(fields=["job", "email"], name="delivery_once")]

    def __str__(self) -> str:
        """Return the recipient and how far it is."""
        return f"{self.email}: {self.state}"
