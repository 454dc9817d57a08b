"""Django's registration of `orchestrator.pipeline`."""

from django.apps import AppConfig


class PipelineConfig(AppConfig):
    """Name the app and its label."""

    name = "orchestrator.pipeline"
    label = "pipeline"
