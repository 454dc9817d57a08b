"""Where each HTTP path goes."""

from __future__ import annotations

from django.contrib import admin
from django.urls import include, path

from channels_app import admin_sign_in
from channels_app.api import health
from channels_app.api.api import api

urlpatterns = [
    path("admin/login/", admin_sign_in.login),
    path("admin/", admin.site.urls),
    path("api/", api.urls),
    path("healthz", health.alive),
    path("readyz", health.ready),
    path("", include("channels_app.web.urls")),
]
