"""Django's registration of `orchestrator.tenants`."""

from django.apps import AppConfig


class TenantsConfig(AppConfig):
    """Name the app and its label."""

    name = "orchestrator.tenants"
    label = "tenants"
