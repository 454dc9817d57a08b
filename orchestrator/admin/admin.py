"""Where Django looks for an app's admin pages: each module registers its own."""

from django.contrib import admin

from orchestrator.admin import (
    audit,
    automation,
    chat,
    dead_letters,
    documents,
    feedback,
    keys,
    labelled,
    machinery,
    people,
    warehouses,
)

__all__ = [
    "audit",
    "automation",
    "chat",
    "dead_letters",
    "documents",
    "feedback",
    "keys",
    "labelled",
    "machinery",
    "people",
    "warehouses",
]

admin.site.index_template = "switchyard_admin/index.html"
