"""Conversation, Turn, its stages and what they leave behind."""

from __future__ import annotations

from typing import ClassVar

from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from orchestrator import ids
from orchestrator.chat.ratings import REASONS
from orchestrator.chat.states import HOLDING_STAGES, OPEN_TURNS, StageState, TurnState
from orchestrator.tenants.models import Tenant, User


def _choices(states: type[TurnState] | type[StageState]) -> list[tuple[str, str]]:
    return [(state.value, state.value.replace("_", " ")) for state in states]


class Conversation(models.Model):
    """A thread of turns of one user."""

    id = models.CharField(primary_key=True, max_length=40, default=ids.conversation_id, editable=False)
    tenant = models.ForeignKey(Tenant, on_delete=models.CASCADE)
    user = models.ForeignKey(User, on_delete=models.CASCADE)
    title = models.CharField(max_length=200, blank=True)
    created_at = models.DateTimeField(db_default=Now())
    updated_at = models.DateTimeField(db_default=Now())
    deleted_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        """Name the table and the list's index."""

        db_table = "switchyard_conversation"
        indexes: ClassVar = [models.Index(fields=["tenant", "user", "-updated_at"], name="conversation_list")]

    def __str__(self) -> str:
        """Return the title, or the id while there is none."""
        return self.title or self.id


class Turn(models.Model):
    """One question and its ending. The row is the truth; messages and the log only carry it."""

    id = models.CharField(primary_key=True, max_length=40, default=ids.turn_id, editable=False)
    tenant = models.ForeignKey(Tenant, on_delete=models.CASCADE)
    conversation = models.ForeignKey(Conversation, on_delete=models.CASCADE, related_name="turns")
    user = models.ForeignKey(User, on_delete=models.CASCADE)
    parent = models.ForeignKey("self", null=True, blank=True, on_delete=models.SET_NULL)
    #: The client's idempotency key; the clean-up empties it after 24 h.
    client_id = models.CharField(max_length=200, null=True, blank=True)  # noqa: DJ001 - unique only where given
    #: SHA-256 of what the key was first sent with.
    body_digest = models.BinaryField(max_length=32, null=True)
    text = models.TextField()
    language = models.CharField(max_length=2, default="en")
    #: What the client asked for, which skips the classifier.
    forced_route = models.CharField(max_length=8, null=True, blank=True)  # noqa: DJ001 - null says "not forced"
    route = models.CharField(max_length=8, null=True, blank=True)  # noqa: DJ001 - null says "not yet known"
    confidence = models.FloatField(null=True, blank=True)
    state = models.CharField(max_length=20, choices=_choices(TurnState), db_default=TurnState.QUEUED.value)
    #: Raised only when a dead owner's stage is taken over; users read it as `attempt`.
    fence = models.IntegerField(db_default=1)
    cid = models.CharField(max_length=64)
    on_disconnect = models.CharField(max_length=8, db_default="continue")
    deadline_at = models.DateTimeField()
    cancel_requested_at = models.DateTimeField(null=True, blank=True)
    #: The wait that `turn.queued` told of, so that it is told once.
    told_waiting = models.CharField(max_length=40, null=True, blank=True)  # noqa: DJ001 - null says "nothing told"
    message = models.CharField(max_length=40)
    answer = models.TextField(null=True, blank=True)  # noqa: DJ001 - null says "no answer", "" would be an answer
    citations = models.JSONField(default=list, blank=True)
    usage = models.JSONField(null=True, blank=True)
    timeline = models.JSONField(null=True, blank=True)
    error_code = models.CharField(max_length=32, null=True, blank=True)  # noqa: DJ001 - null says "no error"
    error_message = models.TextField(null=True, blank=True)  # noqa: DJ001 - null says "no error"
    error_retryable = models.BooleanField(null=True)
    reached = models.JSONField(default=list, blank=True)
    created_at = models.DateTimeField(db_default=Now())
    started_at = models.DateTimeField(null=True, blank=True)
    ended_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        """Name the table, its uniqueness and what the dispatcher scans."""

        db_table = "switchyard_turn"
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["tenant", "user", "client_id"],
                condition=Q(client_id__isnull=False),
                name="turn_client_id_once",
            ),
        ]
        indexes: ClassVar = [
            models.Index(fields=["conversation", "created_at"], name="turn_thread"),
            # A company's questions of a day, for its quota.
            models.Index(fields=["tenant", "created_at"], name="turn_day"),
            # What the dispatcher takes in turn from each tenant.
            models.Index(
                fields=["tenant", "created_at"], condition=Q(state=TurnState.QUEUED.value), name="turn_queued"
            ),
            models.Index(
                fields=["conversation", "created_at"],
                condition=Q(state__in=[s.value for s in OPEN_TURNS]),
                name="turn_line",
            ),
        ]

    def __str__(self) -> str:
        """Return the question's beginning."""
        return self.text[:60]


class StageRun(models.Model):
    """One hop of one turn under one fence: the unit of dispatch, claim and timeline."""

    id = models.BigAutoField(primary_key=True)
    turn = models.ForeignKey(Turn, on_delete=models.CASCADE, related_name="stages")
    fence = models.IntegerField(db_default=1)
    #: `classify`, `embed`, `sql`, `rag`, `llm`; `embed` counts as part of `rag` for users.
    hop = models.CharField(max_length=12)
    #: Order within the turn, from 0.
    place = models.SmallIntegerField()
    queue = models.CharField(max_length=20)
    state = models.CharField(max_length=12, choices=_choices(StageState), db_default=StageState.WAITING.value)
    #: Raised by each publish of the dispatcher; a claim with another number is refused. Chained hops start at 1.
    dispatch_no = models.IntegerField(db_default=0)
    #: Incarnation of the process that claimed it.
    owner = models.CharField(max_length=40, null=True, blank=True)  # noqa: DJ001 - null says "nobody"
    worker = models.CharField(max_length=80, null=True, blank=True)  # noqa: DJ001 - null says "nobody"
    ready_at = models.DateTimeField(db_default=Now())
    dispatched_at = models.DateTimeField(null=True, blank=True)
    started_at = models.DateTimeField(null=True, blank=True)
    ended_at = models.DateTimeField(null=True, blank=True)
    summary = models.TextField(blank=True, db_default="")
    #: Small values for this hop, such as the question's embedding: in the row, so that a lost message loses nothing.
    carry = models.JSONField(null=True, blank=True)

    class Meta:
        """Name the table, its uniqueness and what admission counts."""

        db_table = "switchyard_stage"
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["turn", "fence", "hop"], name="stage_once"),
        ]
        indexes: ClassVar = [
            models.Index(
                fields=["queue"], condition=Q(state__in=[s.value for s in HOLDING_STAGES]), name="stage_holding"
            ),
            # Statistics know of no turn that is open among all that ended, so to the planner any index over the open
            # ones alone is as good as another: each of these serves one question, and none another one's badly.
            models.Index(fields=["turn", "fence"], condition=Q(state=StageState.WAITING.value), name="stage_waiting"),
            models.Index(
                fields=["queue"], condition=Q(state=StageState.WAITING.value, place__gt=0), name="stage_held_up"
            ),
        ]

    def __str__(self) -> str:
        """Return turn, fence and hop, as in task ids."""
        return f"{self.turn_id}:{self.fence}:{self.hop}"


class DeadLetter(models.Model):
    """A turn that failed for no fault of its user's: set aside with cause and history, to be replayed."""

    id = models.BigAutoField(primary_key=True)
    tenant = models.ForeignKey(Tenant, on_delete=models.CASCADE)
    turn = models.OneToOneField(Turn, on_delete=models.CASCADE, related_name="dead_letter")
    #: The hop that failed.
    hop = models.CharField(max_length=12)
    #: The ending's code.
    code = models.CharField(max_length=32)
    #: What an operator reads: why it was given up, without the user's text.
    cause = models.TextField()
    #: Every stage of every attempt, the oldest first: hop, attempt, outcome, worker, times, summary.
    history = models.JSONField(default=list)
    created_at = models.DateTimeField(db_default=Now())
    #: The new turn that a replay made; the old one stays as it ended.
    replayed_as = models.ForeignKey(Turn, null=True, blank=True, on_delete=models.SET_NULL, related_name="replay_of")
    replayed_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        """Name the table and the list's index."""

        db_table = "switchyard_dead_letter"
        indexes: ClassVar = [models.Index(fields=["tenant", "-created_at"], name="dead_letter_list")]

    def __str__(self) -> str:
        """Return the code and the hop."""
        return f"{self.code} in {self.hop}"


class Feedback(models.Model):
    """What the asker thought of an answer; one a turn, the last word counts."""

    turn = models.OneToOneField(Turn, primary_key=True, on_delete=models.CASCADE, related_name="feedback")
    tenant = models.ForeignKey(Tenant, on_delete=models.CASCADE)
    rating = models.CharField(max_length=4, choices=[("up", "up"), ("down", "down")])
    reason = models.CharField(max_length=16, choices=[(reason, reason) for reason in REASONS], blank=True)
    comment = models.TextField(blank=True)
    created_at = models.DateTimeField(db_default=Now())
    updated_at = models.DateTimeField(db_default=Now())
    #: When somebody dealt with it in the admin.
    handled_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        """Name the table and the list's index."""

        db_table = "switchyard_feedback"
        verbose_name_plural = "feedback"
        indexes: ClassVar = [models.Index(fields=["tenant", "-updated_at"], name="feedback_list")]

    def __str__(self) -> str:
        """Return the rating and the turn."""
        return f"{self.rating}: {self.turn_id}"


class Artifact(models.Model):
    """Rows, passages, SQL or a chart that a turn or a job left; big results travel by reference to it."""

    id = models.CharField(primary_key=True, max_length=40, default=ids.artifact_id, editable=False)
    tenant = models.ForeignKey(Tenant, on_delete=models.CASCADE)
    turn = models.ForeignKey(Turn, null=True, blank=True, on_delete=models.CASCADE, related_name="artifacts")
    #: Id of the job that made it; automation lies above chat, so there is no foreign key.
    job = models.CharField(max_length=40, null=True, blank=True, db_index=True)  # noqa: DJ001 - null: a turn's
    #: Which step made it; (turn or job, step) is unique whatever the attempt, so a repeated step makes no second one.
    step = models.CharField(max_length=40)
    kind = models.CharField(max_length=12)
    title = models.CharField(max_length=300, blank=True)
    body = models.JSONField()
    preview = models.JSONField(default=dict)
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        """Name the table and its uniqueness."""

        db_table = "switchyard_artifact"
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["turn", "step"], condition=Q(turn__isnull=False), name="artifact_turn"),
            models.UniqueConstraint(fields=["job", "step"], condition=Q(job__isnull=False), name="artifact_job"),
        ]

    def __str__(self) -> str:
        """Return kind and title."""
        return f"{self.kind}: {self.title or self.id}"
