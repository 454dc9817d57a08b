"""One correlation id a request, from its header to the last log line; every error under /api/ a problem document."""

from __future__ import annotations

import re
import time
from collections.abc import Awaitable, Callable

import structlog
from asgiref.sync import iscoroutinefunction, markcoroutinefunction
from django.http import HttpRequest, HttpResponse, HttpResponseBase

from channels_app.api import problems
from orchestrator import ids

HEADER = "X-Request-ID"
_ACCEPTABLE = re.compile(r"[A-Za-z0-9._-]{1,64}")
#: Asked every second by whoever watches; a line each would bury the others.
_UNLOGGED = ("/healthz", "/readyz", "/static/")

log = structlog.get_logger(__name__)


class CorrelationMiddleware:
    """Binds `cid` for everything the request causes; asynchronous only, as this server is."""

    sync_capable = False
    async_capable = True

    def __init__(self, get_response: Callable[[HttpRequest], Awaitable[HttpResponseBase]]) -> None:
        self._get_response = get_response
        if iscoroutinefunction(get_response):
            markcoroutinefunction(self)

    async def __call__(self, request: HttpRequest) -> HttpResponseBase:
        """Answer the request with its id in the header."""
        given = request.headers.get(HEADER, "")
        cid = given if _ACCEPTABLE.fullmatch(given) else ids.new_id("req")
        request.META["switchyard.cid"] = cid
        began = time.monotonic()
        with structlog.contextvars.bound_contextvars(cid=cid):
            response = await self._get_response(request)
            if request.path.startswith("/api/"):
                response = self._as_problem(request, response)
            response[HEADER] = cid
            if not request.path.startswith(_UNLOGGED):
                log.info(
                    "request",
                    method=request.method,
                    path=request.path,
                    status=response.status_code,
                    ms=round((time.monotonic() - began) * 1000, 1),
                )
        return response

    @staticmethod
    def _as_problem(request: HttpRequest, response: HttpResponseBase) -> HttpResponseBase:
        """Return Django's own pages for unknown addresses, methods and hosts as problem documents."""
        if response.status_code < 400 or not isinstance(response, HttpResponse):
            return response
        if response.get("Content-Type", "").startswith(problems.CONTENT_TYPE):
            return response
        made = problems.of_status(request, response.status_code)
        if "Allow" in response:
            made["Allow"] = response["Allow"]
        return made


def cid_of(request: HttpRequest) -> str:
    """Return the request's correlation id."""
    found: str = request.META.get("switchyard.cid", "")
    return found or ids.new_id("req")
