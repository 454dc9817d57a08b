"""Django's registration of `orchestrator.chat`."""

from django.apps import AppConfig


class ChatConfig(AppConfig):
    """Name the app and its label."""

    name = "orchestrator.chat"
    label = "chat"
