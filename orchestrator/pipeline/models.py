"""Documents and their passages; questions that people have labelled."""

from __future__ import annotations

from typing import ClassVar

from django.contrib.postgres.indexes import GinIndex
from django.contrib.postgres.search import SearchVectorField
from django.db import models
from django.db.models.functions import Now
from pgvector.django import VectorField

from orchestrator import ids
from orchestrator.chat.models import Feedback
from orchestrator.pipeline.labels import CHOICES, TEXT_LIMIT
from orchestrator.tenants.models import Tenant, User

DOCUMENT_STATES = ("queued", "parsing", "indexed", "failed", "deleted")


class Document(models.Model):
    """A file a tenant gave; ingestion runs as a job."""

    id = models.CharField(primary_key=True, max_length=40, default=ids.document_id, editable=False)
    tenant = models.ForeignKey(Tenant, on_delete=models.CASCADE)
    created_by = models.ForeignKey(User, null=True, blank=True, on_delete=models.SET_NULL)
    title = models.CharField(max_length=300)
    filename = models.CharField(max_length=300)
    mime = models.CharField(max_length=120)
    size_bytes = models.IntegerField()
    digest = models.BinaryField(max_length=32)
    language = models.CharField(max_length=2, blank=True)
    state = models.CharField(max_length=10, default="queued", choices=[(s, s) for s in DOCUMENT_STATES])
    error = models.TextField(blank=True)
    chunks = models.IntegerField(default=0)
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        """Name the table; the same bytes twice in a tenant are one document."""

        db_table = "switchyard_document"
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["tenant", "digest"], condition=~models.Q(state="deleted"), name="document_once"
            ),
        ]

    def __str__(self) -> str:
        """Return the title."""
        return self.title


class DocumentBody(models.Model):
    """The bytes as they came; apart, so that lists of documents never read them."""

    document = models.OneToOneField(Document, primary_key=True, on_delete=models.CASCADE, related_name="body")
    content = models.BinaryField()
    #: Plain text and pieces after parsing, until they are embedded.
    parsed = models.JSONField(null=True)

    class Meta:
        """Name the table."""

        db_table = "switchyard_document_body"

    def __str__(self) -> str:
        """Return whose bytes these are."""
        return f"bytes of {self.document_id}"


class Chunk(models.Model):
    """A passage with its vector and its words; offsets are code points of the document's plain text."""

    id = models.CharField(primary_key=True, max_length=40, default=ids.chunk_id, editable=False)
    tenant = models.ForeignKey(Tenant, on_delete=models.CASCADE)
    document = models.ForeignKey(Document, on_delete=models.CASCADE)
    n = models.IntegerField()
    heading = models.TextField(blank=True)
    text = models.TextField()
    start_at = models.IntegerField()
    end_at = models.IntegerField()
    language = models.CharField(max_length=2)
    #: Name of the embedder; vectors of two models never meet in one search.
    model = models.CharField(max_length=120)
    embedding = VectorField(dimensions=384)
    tsv = SearchVectorField()

    class Meta:
        """Name the table and its indexes; the dense search is an exact scan inside the tenant."""

        db_table = "switchyard_chunk"
        constraints: ClassVar = [models.UniqueConstraint(fields=["document", "n"], name="chunk_once")]
        indexes: ClassVar = [
            GinIndex(fields=["tsv"], name="chunk_words"),
            models.Index(fields=["tenant", "document"], name="chunk_tenant"),
        ]

    def __str__(self) -> str:
        """Return the passage's place."""
        return f"{self.document_id}#{self.n}"


class LabelledQuestion(models.Model):
    """A question and the route that a person says it should take: what the router is judged by."""

    id = models.BigAutoField(primary_key=True)
    tenant = models.ForeignKey(Tenant, on_delete=models.CASCADE)
    text = models.CharField("question", max_length=TEXT_LIMIT)
    route = models.CharField(max_length=8, choices=CHOICES)
    #: The rating that gave rise to it. Ratings are also deleted by statements of our own, so the database itself, by a
    #: constraint that the migration writes, empties this.
    source = models.ForeignKey(
        Feedback, null=True, blank=True, on_delete=models.SET_NULL, db_constraint=False, related_name="labels"
    )
    labelled_by = models.ForeignKey(User, null=True, blank=True, on_delete=models.SET_NULL)
    created_at = models.DateTimeField(db_default=Now())
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        """Name the table; a question of a tenant has one route."""

        db_table = "switchyard_labelled_question"
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["tenant", "text"],
                name="labelled_question_once",
                violation_error_message="This question is labelled already: change that one.",
            )
        ]

    def __str__(self) -> str:
        """Return the question's beginning."""
        return self.text[:60]
