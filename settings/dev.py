"""Development: what `make run` uses."""

from settings.base import *  # noqa: F403 - Django's own way of layering settings
