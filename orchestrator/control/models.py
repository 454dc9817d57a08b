"""Rows of the machinery itself."""

from __future__ import annotations

from typing import ClassVar

from django.db import models
from django.db.models import Q
from django.db.models.functions import Now


class OutboxRow(models.Model):
    """Something that must leave with the transaction that decided it; the relay repeats it until it is done."""

    id = models.BigAutoField(primary_key=True)
    #: What it is: `ending` is the only kind so far.
    kind = models.CharField(max_length=20)
    #: Idempotency key of the effect.
    key = models.CharField(max_length=120, unique=True)
    body = models.JSONField()
    attempts = models.SmallIntegerField(db_default=0)
    created_at = models.DateTimeField(db_default=Now())
    next_at = models.DateTimeField(db_default=Now())
    done_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        """Name the table and what the relay scans."""

        db_table = "switchyard_outbox"
        indexes: ClassVar = [models.Index(fields=["next_at"], condition=Q(done_at__isnull=True), name="outbox_open")]

    def __str__(self) -> str:
        """Return kind and key."""
        return f"{self.kind} {self.key}"


class ProcessRow(models.Model):
    """A living process: written every 2 s, dead after 6 s of silence."""

    #: Random at each start; owners of stages and jobs are named by it.
    incarnation = models.CharField(primary_key=True, max_length=40)
    name = models.CharField(max_length=80)
    role = models.CharField(max_length=20)
    host = models.CharField(max_length=120)
    pid = models.IntegerField()
    queues = models.JSONField(default=list)
    #: How many stages and jobs it runs at once; 0 where it runs none.
    slots = models.SmallIntegerField(db_default=0)
    draining = models.BooleanField(db_default=False)
    started_at = models.DateTimeField(db_default=Now())
    seen_at = models.DateTimeField(db_default=Now())

    class Meta:
        """Name the table."""

        db_table = "switchyard_process"
        indexes: ClassVar = [models.Index(fields=["seen_at"], name="process_seen")]

    def __str__(self) -> str:
        """Return the process' name."""
        return self.name
