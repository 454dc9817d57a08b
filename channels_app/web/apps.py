"""Make the page's templates and static files known to Django."""

from django.apps import AppConfig


class WebConfig(AppConfig):
    """Register the page under a label that cannot clash with a customer's `web` app."""

    name = "channels_app.web"
    label = "switchyard_web"
    verbose_name = "Switchyard page"
