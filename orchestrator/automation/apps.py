"""Django's registration of `orchestrator.automation`."""

from django.apps import AppConfig


class AutomationConfig(AppConfig):
    """Name the app and its label."""

    name = "orchestrator.automation"
    label = "automation"
