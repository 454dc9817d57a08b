"""Who uses the system and how they prove it."""

from __future__ import annotations

from typing import Any, ClassVar

from django.contrib.auth.models import AbstractUser
from django.db import models
from django.utils import timezone

from orchestrator import ids


class Tenant(models.Model):
    """A company; everything else belongs to exactly one."""

    id = models.CharField(primary_key=True, max_length=40, default=ids.tenant_id, editable=False)
    slug = models.SlugField(unique=True, max_length=40)
    name = models.CharField(max_length=120)
    is_active = models.BooleanField(default=True)
    turns_a_day = models.PositiveIntegerField(
        "questions in 24 hours",
        null=True,
        blank=True,
        help_text="At most; every version of an answer counts. Empty: no limit.",
    )
    most_documents = models.PositiveIntegerField(
        "documents", null=True, blank=True, help_text="At most, of those kept. Empty: no limit."
    )
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        """Name the table."""

        db_table = "switchyard_tenant"
        ordering: ClassVar = ["slug"]

    def __str__(self) -> str:
        """Return the company's name."""
        return self.name


class User(AbstractUser):
    """A person of one tenant."""

    id = models.CharField(primary_key=True, max_length=40, default=ids.user_id, editable=False)
    tenant = models.ForeignKey(Tenant, on_delete=models.PROTECT, related_name="users")
    #: Empty: decided by the browser's Accept-Language.
    language = models.CharField(max_length=2, blank=True, choices=[("en", "English"), ("es", "Español")])
    roles = models.JSONField(default=list, blank=True)

    REQUIRED_FIELDS: ClassVar = ["tenant_id"]

    class Meta:
        """Name the table."""

        db_table = "switchyard_user"

    def __str__(self) -> str:
        """Return the user's name."""
        return self.username

    # Any: Django's own arguments, handed on as they are.
    def save(self, *args: Any, **kwargs: Any) -> None:
        """Keep the person; another password ends the refresh tokens that the old one began.

        Whoever changes a password means to shut out who knew it. What is open lives at most as long as an access token.
        """
        before = User.objects.filter(pk=self.pk).values_list("password", flat=True).first()
        super().save(*args, **kwargs)
        if before is not None and before != self.password:
            RefreshToken.objects.filter(user=self, revoked_at=None).update(revoked_at=timezone.now())


class ApiKey(models.Model):
    """A key for other systems: only its SHA-256 is kept, the text is shown once."""

    id = models.CharField(primary_key=True, max_length=40, default=ids.key_id, editable=False)
    tenant = models.ForeignKey(Tenant, on_delete=models.CASCADE, related_name="api_keys")
    #: Whom the key acts as: conversations need an owner.
    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="api_keys")
    name = models.CharField(max_length=80)
    #: First characters of the key, to find it by; not secret.
    prefix = models.CharField(max_length=16, unique=True)
    digest = models.BinaryField(max_length=32)
    scopes = models.JSONField(default=list, blank=True)
    expires_at = models.DateTimeField(null=True, blank=True)
    revoked_at = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        """Name the table."""

        db_table = "switchyard_api_key"

    def __str__(self) -> str:
        """Return the key's name and visible prefix."""
        return f"{self.name} ({self.prefix}…)"


class RefreshToken(models.Model):
    """One refresh token of a family; a second use of a spent one revokes the family."""

    digest = models.BinaryField(primary_key=True, max_length=32)
    family = models.CharField(max_length=40, db_index=True)
    user = models.ForeignKey(User, on_delete=models.CASCADE)
    expires_at = models.DateTimeField(db_index=True)
    spent_at = models.DateTimeField(null=True)
    revoked_at = models.DateTimeField(null=True)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        """Name the table."""

        db_table = "switchyard_refresh_token"

    def __str__(self) -> str:
        """Return the family, never the token."""
        return f"refresh token of {self.family}"


class RevokedToken(models.Model):
    """An access token that was taken back before it expired."""

    jti = models.CharField(primary_key=True, max_length=64)
    expires_at = models.DateTimeField(db_index=True)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        """Name the table."""

        db_table = "switchyard_revoked_token"

    def __str__(self) -> str:
        """Return the token's id."""
        return self.jti


class Warehouse(models.Model):
    """The company's own database, as the `sql` stage reaches it."""

    tenant = models.OneToOneField(Tenant, primary_key=True, on_delete=models.CASCADE, related_name="warehouse")
    #: The address with its password, encrypted with the field key.
    url_encrypted = models.BinaryField()
    #: The semantic layer: measures, dimensions, verified queries.
    layer = models.JSONField(default=dict)
    #: What a person reads about it: host and database, no password.
    label = models.CharField(max_length=200)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        """Name the table."""

        db_table = "switchyard_warehouse"

    def __str__(self) -> str:
        """Return the harmless label."""
        return self.label
