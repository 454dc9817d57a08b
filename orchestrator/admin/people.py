"""Tenants, their users, and groups of permissions."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any, ClassVar, cast

from django.contrib import admin, messages
from django.contrib.auth.admin import GroupAdmin as DjangoGroupAdmin
from django.contrib.auth.admin import UserAdmin as DjangoUserAdmin
from django.contrib.auth.models import Group
from django.db.models import Count, OuterRef, QuerySet, Subquery
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils import timezone
from unfold.admin import ModelAdmin
from unfold.decorators import action, display
from unfold.forms import AdminPasswordChangeForm, UserChangeForm, UserCreationForm

from orchestrator.admin import people_csv
from orchestrator.admin.access import TenantAdmin, person
from orchestrator.admin.transfer import FileRefusedError, Upload, download, lines, upload_page
from orchestrator.chat.models import Turn
from orchestrator.pipeline.models import Document
from orchestrator.tenants.models import Tenant, User

if TYPE_CHECKING:
    # Generic for the type checker alone: at run time the class takes no parameter.
    _UserAdmin = DjangoUserAdmin[User]
else:
    _UserAdmin = DjangoUserAdmin

admin.site.unregister(Group)

#: What makes somebody mightier than they are; only a superuser may hand it out.
_POWERS = ("tenant", "is_staff", "is_superuser", "groups", "user_permissions")
_LIMITS = ("turns_a_day", "most_documents")


@admin.register(Tenant)
class TenantPage(TenantAdmin):
    """Companies, and how much each may ask and keep."""

    tenant_lookup = "id"
    list_display = ("name", "slug", "active", "asked", "kept", "created_at")
    search_fields = ("name", "slug")
    readonly_fields = ("asked", "kept", "created_at")
    fieldsets = (
        (None, {"fields": ("name", "slug", "is_active", "created_at")}),
        ("Limits", {"fields": (("turns_a_day", "asked"), ("most_documents", "kept"))}),
    )

    def get_readonly_fields(self, request: HttpRequest, obj: Tenant | None = None) -> tuple[str, ...]:
        """Return what cannot be changed here: limits guard all others, so a company's own staff can't raise them."""
        fields = tuple(super().get_readonly_fields(request, obj))
        return fields if person(request).is_superuser else (*fields, *_LIMITS)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Tenant]:
        """Return the companies with what each uses of its limits."""
        since = timezone.now() - timedelta(days=1)
        turns = Turn.objects.filter(tenant=OuterRef("pk"), created_at__gt=since).order_by()
        documents = Document.objects.filter(tenant=OuterRef("pk")).exclude(state="deleted").order_by()
        rows = cast("QuerySet[Tenant]", super().get_queryset(request))
        return rows.annotate(asked=_count(turns), kept=_count(documents))

    @display(description="asked in 24 h")
    def asked(self, tenant: Tenant) -> str:
        """Return how many questions of how many."""
        return _of(getattr(tenant, "asked", 0), tenant.turns_a_day)

    @display(description="documents kept")
    def kept(self, tenant: Tenant) -> str:
        """Return how many documents of how many."""
        return _of(getattr(tenant, "kept", 0), tenant.most_documents)

    @display(description="active", boolean=True, ordering="is_active")
    def active(self, tenant: Tenant) -> bool:
        """Return whether the company's people may sign in."""
        return tenant.is_active

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Return no: closing a tenant keeps its rows, and deleting one is no click's work."""
        return False


@admin.register(User)
class UserPage(_UserAdmin, TenantAdmin):
    """People. The password is changed on a page of its own, linked from the person's."""

    form = UserChangeForm
    add_form = UserCreationForm
    change_password_form = AdminPasswordChangeForm

    list_display = ("username", "email", "tenant", "language", "is_active", "is_staff", "is_superuser", "last_login")
    list_filter = ("is_active", "is_staff", ("tenant", admin.RelatedOnlyFieldListFilter))
    search_fields = ("username", "email", "first_name", "last_name")
    ordering = ("username",)
    list_select_related = ("tenant",)
    readonly_fields = ("last_login", "date_joined")
    actions_list: ClassVar = ["take_csv", "give_csv"]
    fieldsets = (
        (None, {"fields": ("username", "password")}),
        ("Person", {"fields": ("first_name", "last_name", "email", "language")}),
        ("Company", {"fields": ("tenant", "roles", "is_active")}),
        ("Administration", {"fields": ("is_staff", "is_superuser", "groups", "user_permissions")}),
        ("Dates", {"fields": ("last_login", "date_joined")}),
    )
    add_fieldsets = (
        (None, {"classes": ("wide",), "fields": ("username", "tenant", "usable_password", "password1", "password2")}),
    )

    def has_import_permission(self, request: HttpRequest) -> bool:
        """Return whether the person may add people and say more of them than a name."""
        return self.has_add_permission(request) and self.has_change_permission(request)

    @action(description="Export CSV", permissions=["view"], url_path="csv", icon="download")
    def give_csv(self, request: HttpRequest) -> HttpResponse:
        """Return all people whom the person may see, without passwords."""
        people = self.get_queryset(request).select_related("tenant").order_by("tenant__slug", "username")
        return download("users", people_csv.HEADER, people_csv.told(people))

    @action(description="Import CSV", permissions=["import"], url_path="import", icon="upload")
    def take_csv(self, request: HttpRequest) -> HttpResponse:
        """Ask for a file, and add all of its people or none."""
        form = Upload(request)
        refused: tuple[str, ...] = ()
        if request.method == "POST" and form.is_valid():
            file, tenant = form.cleaned_data["file"], form.cleaned_data["tenant"]
            try:
                given = lines(file.read(), people_csv.REQUIRED, optional=people_csv.OPTIONAL)
                made = people_csv.add(given, tenant=tenant, by=person(request), file=file.name)
            except FileRefusedError as exc:
                refused = exc.reasons
            else:
                said = f"{made} added. Nobody of them can sign in before a password is set."
                self.message_user(request, said, messages.SUCCESS)
                return redirect("admin:tenants_user_changelist")
        return upload_page(self, request, form, title="Import users", needs=people_csv.NEEDS, refused=refused)

    def get_readonly_fields(self, request: HttpRequest, obj: User | None = None) -> tuple[str, ...]:
        """Return what cannot be changed here, and by staff also what would make them mightier."""
        fields = tuple(super().get_readonly_fields(request, obj))
        if person(request).is_superuser or obj is None:
            return fields
        return (*fields, *_POWERS)

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Return whether the person may change: nobody but a superuser changes a superuser."""
        if isinstance(obj, User) and obj.is_superuser and not person(request).is_superuser:
            return False
        return super().has_change_permission(request, obj)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Return whether the person may delete; deactivating is the usual way, as conversations go with their owner."""
        if isinstance(obj, User) and (obj.is_superuser or obj.pk == person(request).pk):
            return False
        return super().has_delete_permission(request, obj)


@admin.register(Group)
class GroupPage(DjangoGroupAdmin, ModelAdmin):
    """Permissions by group; they hold over all tenants' rows alike, so only superusers touch them."""

    def has_module_permission(self, request: HttpRequest) -> bool:
        """Return whether the person is a superuser."""
        return person(request).is_superuser

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Return whether the person is a superuser."""
        return person(request).is_superuser

    has_add_permission = has_module_permission
    has_change_permission = has_view_permission
    has_delete_permission = has_view_permission


def _count(rows: QuerySet[Any]) -> Subquery:
    return Subquery(rows.values("tenant").annotate(n=Count("pk")).values("n"))


def _of(used: int | None, most: int | None) -> str:
    return f"{used or 0:,} of {most:,}" if most is not None else f"{used or 0:,}, no limit"
