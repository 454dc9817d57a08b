"""What every page of the admin has in common: one's own tenant, and nothing that was not granted."""

from __future__ import annotations

from typing import Any, ClassVar, cast

from django.db.models import Field, ForeignKey, Model, QuerySet
from django.forms import ModelChoiceField
from django.http import HttpRequest
from unfold.admin import ModelAdmin, TabularInline

from orchestrator.tenants.models import Tenant, User


def person(request: HttpRequest) -> User:
    """Return who is signed in to the admin; its pages are not reached otherwise."""
    return cast(User, request.user)


# `obj: Any` below: Django's own pages narrow it to their model, which a mixin over all models can't.
class TenantAdmin(ModelAdmin):
    """A page over rows of tenants.

    Superusers see all of them. Other staff see their own tenant's, and only with
    the model permission that Django asks for; without one, nothing.
    """

    #: Lookup from a row to its tenant's id; empty: the rows belong to no tenant and superusers alone see them.
    tenant_lookup: ClassVar[str] = "tenant_id"

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        """Return the rows that the person may know of."""
        rows = cast("QuerySet[Any]", super().get_queryset(request))
        if person(request).is_superuser:
            return rows
        return rows.filter(**{self.tenant_lookup: person(request).tenant_id}) if self.tenant_lookup else rows.none()

    def has_module_permission(self, request: HttpRequest) -> bool:
        """Return whether the person sees this page in the list."""
        return bool(super().has_module_permission(request)) and self._reaches(request, None)

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Return whether the person may look."""
        return bool(super().has_view_permission(request, obj)) and self._reaches(request, obj)

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Return whether the person may add."""
        return bool(super().has_add_permission(request)) and self._reaches(request, None)

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Return whether the person may change."""
        return bool(super().has_change_permission(request, obj)) and self._reaches(request, obj)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Return whether the person may delete."""
        return bool(super().has_delete_permission(request, obj)) and self._reaches(request, obj)

    def formfield_for_foreignkey(
        self, db_field: ForeignKey[Any, Any], request: HttpRequest, **kwargs: Any
    ) -> ModelChoiceField[Any] | None:
        """Offer only one's own tenant and its people."""
        if not person(request).is_superuser:
            own = person(request).tenant_id
            if db_field.related_model is Tenant:
                kwargs["queryset"] = Tenant.objects.filter(pk=own)
            elif db_field.related_model is User:
                kwargs["queryset"] = User.objects.filter(tenant_id=own)
            else:
                kwargs["queryset"] = db_field.related_model._default_manager.none()
        return cast("ModelChoiceField[Any] | None", super().formfield_for_foreignkey(db_field, request, **kwargs))

    def _reaches(self, request: HttpRequest, obj: Model | None) -> bool:
        if person(request).is_superuser:
            return True
        if not self.tenant_lookup:
            return False
        return obj is None or obj.pk is None or self.get_queryset(request).filter(pk=obj.pk).exists()


class ReadOnlyAdmin(TenantAdmin):
    """A page over rows that only the product itself writes."""

    #: Fields that are never shown, such as secrets.
    hidden: ClassVar[frozenset[str]] = frozenset()

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Return no."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Return no."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Return no."""
        return False

    def get_exclude(self, request: HttpRequest, obj: Model | None = None) -> list[str]:
        """Return what is never shown: secrets and bytes."""
        binary = {f.name for f in self.model._meta.get_fields() if isinstance(f, Field) and _is_bytes(f)}
        return sorted(self.hidden | binary)


class ReadOnlyInline(TabularInline):
    """Rows of a row, to look at; who may see the page may see these."""

    extra = 0
    can_delete = False
    hide_title = True

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Return yes: the page around it has decided already."""
        return True

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Return no."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Return no."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Return no."""
        return False


def _is_bytes(field: Field[Any, Any]) -> bool:
    return field.get_internal_type() == "BinaryField"
