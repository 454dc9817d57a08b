"""API keys: made here and shown once, then only revoked."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from django import forms
from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils import timezone
from unfold.decorators import action, display
from unfold.widgets import UnfoldAdminCheckboxSelectMultipleWidget

from orchestrator.admin.access import TenantAdmin
from orchestrator.tenants.accounts import issue_api_key
from orchestrator.tenants.models import ApiKey

if TYPE_CHECKING:
    # Generic for the type checker alone: at run time the class takes no parameter.
    _KeyForm = forms.ModelForm[ApiKey]
else:
    _KeyForm = forms.ModelForm

SCOPES = (
    ("chat", "chat: ask, read conversations and artifacts"),
    ("documents", "documents: give, list and remove"),
    ("events:publish", "events:publish: publish events to topics"),
)


class NewKey(_KeyForm):
    """What a person decides about a key."""

    scopes = forms.MultipleChoiceField(choices=SCOPES, widget=UnfoldAdminCheckboxSelectMultipleWidget)

    class Meta:
        """Name the fields."""

        model = ApiKey
        fields = ("tenant", "user", "name", "scopes", "expires_at")

    def clean(self) -> dict[str, Any]:
        """Refuse a key whose user belongs to another tenant."""
        given = super().clean() or {}
        user, tenant = given.get("user"), given.get("tenant")
        if user is not None and tenant is not None and user.tenant_id != tenant.pk:
            self.add_error("user", "This person belongs to another tenant.")
        return given


@admin.register(ApiKey)
class ApiKeyPage(TenantAdmin):
    """Keys of other systems; only a digest is kept, so a lost key is replaced, not recovered."""

    list_display = ("name", "prefix", "tenant", "user", "scopes", "state", "created_at", "expires_at")
    list_filter = (("tenant", admin.RelatedOnlyFieldListFilter),)
    list_select_related = ("tenant", "user")
    search_fields = ("name", "prefix")
    ordering = ("-created_at",)
    actions: ClassVar = ["revoke"]
    _shown: ClassVar = ("tenant", "user", "name", "prefix", "scopes", "created_at", "expires_at", "revoked_at")

    def get_form(self, request: HttpRequest, obj: ApiKey | None = None, **kwargs: Any) -> type[_KeyForm]:
        """Return the form for a new key; an existing one is only looked at."""
        if obj is None:
            kwargs["form"] = NewKey
        form: type[_KeyForm] = super().get_form(request, obj, **kwargs)
        return form

    def get_fields(self, request: HttpRequest, obj: ApiKey | None = None) -> tuple[str, ...]:
        """Return what is asked of a new key, or shown of an existing one."""
        return NewKey.Meta.fields if obj is None else self._shown

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Return whether the person may revoke; the form of an existing key changes nothing."""
        return obj is None and super().has_change_permission(request)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Return no: a revoked key stays to be seen."""
        return False

    def save_model(self, request: HttpRequest, obj: ApiKey, form: _KeyForm, change: bool) -> None:
        """Make the key; its text lives only until this answer is written."""
        if change:
            return
        text = issue_api_key(tenant=obj.tenant, user=obj.user, name=obj.name, scopes=tuple(form.cleaned_data["scopes"]))
        made = ApiKey.objects.get(prefix="_".join(text.split("_", 2)[:2]))
        if obj.expires_at is not None:
            made.expires_at = obj.expires_at
            made.save(update_fields=["expires_at"])
        obj.__dict__.update(made.__dict__)
        setattr(request, _TEXT, text)

    def response_add(self, request: HttpRequest, obj: ApiKey, post_url_continue: str | None = None) -> HttpResponse:
        """Show the key, this one time, on a page that no cache keeps."""
        response = TemplateResponse(
            request,
            "switchyard_admin/new_key.html",
            {**self.admin_site.each_context(request), "key": obj, "text": getattr(request, _TEXT), "opts": self.opts},
        )
        response["Cache-Control"] = "no-store"
        return response

    @action(description="Revoke the chosen keys", permissions=["change"])
    def revoke(self, request: HttpRequest, keys: QuerySet[ApiKey]) -> None:
        """Make keys worthless from now on."""
        number = keys.filter(revoked_at=None).update(revoked_at=timezone.now())
        self.message_user(request, f"{number} revoked.", messages.SUCCESS)

    @display(description="state", label={"good": "success", "expired": "warning", "revoked": "danger"})
    def state(self, key: ApiKey) -> str:
        """Return whether the key still opens anything."""
        if key.revoked_at is not None:
            return "revoked"
        return "expired" if key.expires_at is not None and key.expires_at <= timezone.now() else "good"


#: Where the text of a key that was just made waits for its page.
_TEXT = "_switchyard_new_key"
