"""Tenants, their users, and groups of permissions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from django.contrib import admin, messages
from django.contrib.auth.admin import GroupAdmin as DjangoGroupAdmin
from django.contrib.auth.admin import UserAdmin as DjangoUserAdmin
from django.contrib.auth.models import Group
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from unfold.admin import ModelAdmin
from unfold.decorators import action, display
from unfold.forms import AdminPasswordChangeForm, UserChangeForm, UserCreationForm

from orchestrator.admin import people_csv
from orchestrator.admin.access import TenantAdmin, person
from orchestrator.admin.transfer import FileRefusedError, Upload, download, lines, upload_page
from orchestrator.tenants.models import Tenant, User

if TYPE_CHECKING:
    # Generic for the type checker alone: at run time the class takes no parameter.
    _UserAdmin = DjangoUserAdmin[User]
else:
    _UserAdmin = DjangoUserAdmin

admin.site.unregister(Group)

#: What makes somebody mightier than they are; only a superuser may hand it out.
_POWERS = ("tenant", "is_staff", "is_superuser", "groups", "user_permissions")


@admin.register(Tenant)
class TenantPage(TenantAdmin):
    """Companies."""

    tenant_lookup = "id"
    list_display = ("name", "slug", "active", "created_at")
    search_fields = ("name", "slug")
    readonly_fields = ("created_at",)

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
