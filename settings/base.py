"""Django settings shared by every mode, shaped from the typed environment."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import unquote, urlsplit

from settings.loading import load

SWITCHYARD = load()
BASE_DIR = Path(__file__).resolve().parent.parent

SECRET_KEY = SWITCHYARD.secret_key.get_secret_value()
DEBUG = SWITCHYARD.debug
ALLOWED_HOSTS = list(SWITCHYARD.allowed_hosts)
ROOT_URLCONF = "channels_app.urls"
ASGI_APPLICATION = "channels_app.asgi.application"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
AUTH_USER_MODEL = "tenants.User"

INSTALLED_APPS = [
    "unfold",
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "django.contrib.postgres",
    "channels",
    # Serves the files of /api/docs from here instead of a foreign host.
    "ninja",
    "orchestrator.tenants",
    "orchestrator.chat",
    "orchestrator.pipeline",
    "orchestrator.automation",
    "orchestrator.control",
    "orchestrator.admin",
    "channels_app.web",
    # Its one command does nothing where development users are not wanted, as in production.
    "deploy.example",
]

MIDDLEWARE = [
    "channels_app.api.correlation.CorrelationMiddleware",
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "channels_app.web.csp.PolicyMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.locale.LocaleMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ],
        },
    },
]


def _database(url: str) -> dict[str, object]:
    parts = urlsplit(url)
    return {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": unquote(parts.path.lstrip("/")) or "postgres",
        "USER": unquote(parts.username or ""),
        "PASSWORD": unquote(parts.password or ""),
        "HOST": parts.hostname or "",
        "PORT": str(parts.port or ""),
        # The slow paths only; the hot ones use the bounded pool in `orchestrator.store`.
        "CONN_MAX_AGE": 60,
        "CONN_HEALTH_CHECKS": True,
        "OPTIONS": {"connect_timeout": 5, "options": "-c statement_timeout=30000"},
    }


# Without an address Django still loads, so that `collectstatic`, `makemigrations` and the docs need no server.
DATABASES = {"default": _database(SWITCHYARD.database_url.get_secret_value() or "postgresql://localhost/switchyard")}

CHANNEL_LAYERS = {
    "default": {
        "BACKEND": "channels_redis.pubsub.RedisPubSubChannelLayer",
        "CONFIG": {
            "hosts": [SWITCHYARD.redis_url.get_secret_value() or "redis://127.0.0.1:6379/0"],
            "prefix": SWITCHYARD.key_prefix,
        },
    }
}

AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator", "OPTIONS": {"min_length": 12}},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
]
LOGIN_URL = "/admin/login/"
# Whoever comes to that page without having been sent there.
LOGIN_REDIRECT_URL = "/admin/"

LANGUAGE_CODE = "en"
LANGUAGES = [("en", "English"), ("es", "Español")]
USE_I18N = True
USE_TZ = True
TIME_ZONE = "UTC"

STATIC_URL = "/static/"
# What `collectstatic` gathers for production, where whitenoise sends the compressed copies beside the files.
STATIC_ROOT = BASE_DIR / "build" / "static"
WHITENOISE_USE_FINDERS = True
WHITENOISE_AUTOREFRESH = DEBUG

# The page brings everything itself: no inline script, no foreign host. `channels_app.web.csp` relaxes the policy where
# the admin's theme and Swagger need it.
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": ["'none'"],
        "script-src": ["'self'"],
        "style-src": ["'self'"],
        "img-src": ["'self'", "data:"],
        "font-src": ["'self'"],
        "connect-src": ["'self'"],
        "form-action": ["'self'"],
        "frame-ancestors": ["'none'"],
        "base-uri": ["'none'"],
    },
}
X_FRAME_OPTIONS = "DENY"
SECURE_CONTENT_TYPE_NOSNIFF = True
SECURE_REFERRER_POLICY = "same-origin"
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = "Lax"
CSRF_COOKIE_SAMESITE = "Lax"
DATA_UPLOAD_MAX_MEMORY_SIZE = SWITCHYARD.max_upload_bytes + 1_000_000
# structlog writes every line; Django's own configuration would add a second format.
LOGGING_CONFIG = None

UNFOLD = {
    "SITE_TITLE": "Switchyard",
    "SITE_HEADER": "Switchyard",
    "SITE_SYMBOL": "alt_route",
    "SITE_FAVICONS": [{"rel": "icon", "type": "image/svg+xml", "href": f"{STATIC_URL}web/icon.svg"}],
    # The page's accent (channels_app/web), from its wash to its ink.
    "COLORS": {
        "primary": {
            "50": "#f0f7f6",
            "100": "#e1edeb",
            "200": "#c2dcd8",
            "300": "#97c4be",
            "400": "#55b3a9",
            "500": "#1f7a74",
            "600": "#17595a",
            "700": "#144c4d",
            "800": "#123f40",
            "900": "#0f3435",
            "950": "#0a2324",
        },
    },
    "SHOW_HISTORY": True,
    "SHOW_VIEW_ON_SITE": False,
    "SIDEBAR": {"show_search": False, "navigation": "orchestrator.admin.navigation.groups"},
    "DASHBOARD_CALLBACK": "orchestrator.admin.dashboard.figures",
}
FORMAT_MODULE_PATH = "orchestrator.admin.formats"
