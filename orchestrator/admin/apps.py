"""Django's registration of `orchestrator.admin`."""

from django.apps import AppConfig


class AdminConfig(AppConfig):
    """Name the app; its label must not be `admin`, which is Django's own."""

    name = "orchestrator.admin"
    label = "switchyard_admin"
