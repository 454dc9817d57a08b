"""Production: refuses what only a development start may use, and hardens the cookies."""

from settings.base import *  # noqa: F403 - Django's own way of layering settings
from settings.base import STATIC_ROOT, SWITCHYARD
from settings.loading import SettingsError

if SWITCHYARD.mode != "prod":
    raise SettingsError("settings.prod needs SWITCHYARD_MODE=prod, so that the production checks run")

# The gathered files are compressed; those that the finders know are not.
WHITENOISE_USE_FINDERS = not STATIC_ROOT.is_dir()
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
SESSION_COOKIE_SECURE = True
CSRF_COOKIE_SECURE = True
SECURE_HSTS_SECONDS = 31_536_000
