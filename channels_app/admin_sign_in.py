"""Signing in to the admin, with passwords tried as slowly as at the API."""

from __future__ import annotations

import math

from asgiref.sync import sync_to_async
from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.views.decorators.debug import sensitive_post_parameters

from channels_app.api import sign_in
from channels_app.auth import preferred_language
from orchestrator import catalogue
from orchestrator.errors import RateLimitedError


@sensitive_post_parameters()
async def login(request: HttpRequest) -> HttpResponse:
    """Show the admin's form and take what is written into it, from the same buckets as `POST /api/auth/token`.

    With the API alone bounded, whoever guesses would guess here.
    """
    if request.method == "POST":
        try:
            await sign_in.within_rate(request.POST.get("username", ""), str(request.META.get("REMOTE_ADDR", "")))
        except RateLimitedError as error:
            language = preferred_language(request.headers.get("accept-language", ""))
            sentence = catalogue.of_error(error, language)
            refused = HttpResponse(sentence, status=429, content_type="text/plain; charset=utf-8")
            refused["Retry-After"] = str(math.ceil((error.retry_after_ms or 0) / 1000))
            return refused
    return await sync_to_async(admin.site.login)(request)
