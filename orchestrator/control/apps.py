"""Django's registration of `orchestrator.control`."""

from django.apps import AppConfig


class ControlConfig(AppConfig):
    """Name the app and its label."""

    name = "orchestrator.control"
    label = "control"
