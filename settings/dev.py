"""Development: what `make run` uses."""

from settings.base import *  # noqa: F403 - Django's own way of layering settings

# A file that changes under a running gateway, by hand or by a pull, would go out with the length it had at the start:
# browsers then wait for the rest, and the page never loads.
WHITENOISE_AUTOREFRESH = True
