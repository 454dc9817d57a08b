"""Django's registration of the example company, for its one command; not installed in production."""

from django.apps import AppConfig


class ExampleConfig(AppConfig):
    """Name the app."""

    name = "deploy.example"
    label = "switchyard_example"
