"""Errors as `application/problem+json` (RFC 9457), in the caller's language; never a trace, never a driver's words."""

from __future__ import annotations

import math
from collections.abc import Mapping
from http import HTTPStatus

import orjson
import structlog
from django.http import HttpRequest, HttpResponse

from channels_app.auth import preferred_language
from orchestrator import catalogue
from orchestrator.errors import (
    BadFrameError,
    ConflictError,
    DependencyDownError,
    ErrorCode,
    ForbiddenError,
    InvalidInputError,
    NotFoundError,
    OrchestratorError,
    QuotaExceededError,
    RateLimitedError,
    TooBigError,
    UnauthenticatedError,
)

CONTENT_TYPE = "application/problem+json"
#: What to wait before another try when the error doesn't know better.
_RETRY_MS = 2_000

STATUS: Mapping[ErrorCode, HTTPStatus] = {
    "bad_json": HTTPStatus.BAD_REQUEST,
    "bad_frame": HTTPStatus.BAD_REQUEST,
    "unknown_type": HTTPStatus.BAD_REQUEST,
    "invalid": HTTPStatus.BAD_REQUEST,
    "too_big": HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    "unauthenticated": HTTPStatus.UNAUTHORIZED,
    "forbidden": HTTPStatus.FORBIDDEN,
    "not_found": HTTPStatus.NOT_FOUND,
    "rate_limited": HTTPStatus.TOO_MANY_REQUESTS,
    "quota_exceeded": HTTPStatus.TOO_MANY_REQUESTS,
    "busy": HTTPStatus.CONFLICT,
    # As the IETF draft on the Idempotency-Key header has it.
    "id_reused": HTTPStatus.UNPROCESSABLE_ENTITY,
    "conflict": HTTPStatus.CONFLICT,
    "deadline_exceeded": HTTPStatus.GATEWAY_TIMEOUT,
    "no_capacity": HTTPStatus.SERVICE_UNAVAILABLE,
    "dependency_down": HTTPStatus.SERVICE_UNAVAILABLE,
    "refused_by_guard": HTTPStatus.UNPROCESSABLE_ENTITY,
    "no_answer": HTTPStatus.UNPROCESSABLE_ENTITY,
    "cancelled": HTTPStatus.CONFLICT,
    "internal": HTTPStatus.INTERNAL_SERVER_ERROR,
}

#: Errors that know when the same request may succeed.
_TIMED = (RateLimitedError, QuotaExceededError, DependencyDownError)

log = structlog.get_logger(__name__)


def of_error(request: HttpRequest, error: OrchestratorError) -> HttpResponse:
    """Return the problem document of an error of ours."""
    code = error.frame_code if isinstance(error, BadFrameError) else error.code
    status = STATUS[code]
    retry_after_ms = error.retry_after_ms if isinstance(error, _TIMED) else None
    if retry_after_ms is None and status is HTTPStatus.SERVICE_UNAVAILABLE:
        retry_after_ms = _RETRY_MS
    log.info("refused", code=code, reason=str(error), status=int(status))
    body: dict[str, object] = {
        "type": f"urn:switchyard:error:{code}",
        "title": status.phrase,
        "status": int(status),
        "code": code,
        "detail": catalogue.of_error(error, language_of(request)),
        "cid": request.META.get("switchyard.cid", ""),
    }
    if retry_after_ms is not None:
        body["retry_after_ms"] = retry_after_ms
    if isinstance(error, InvalidInputError) and error.field:
        body["field"] = error.field
    response = HttpResponse(orjson.dumps(body), status=int(status), content_type=CONTENT_TYPE)
    if retry_after_ms is not None:
        response["Retry-After"] = str(math.ceil(retry_after_ms / 1000))
    if status is HTTPStatus.UNAUTHORIZED:
        response["WWW-Authenticate"] = 'Bearer realm="switchyard"'
    response["Cache-Control"] = "no-store"
    return response


def of_unknown(request: HttpRequest, exc: BaseException) -> HttpResponse:
    """Log what nobody thought of, with its trace, and say only that it happened."""
    log.error("request failed", exc_info=exc, path=request.path)
    return of_error(request, OrchestratorError(type(exc).__name__))


def of_status(request: HttpRequest, status: int) -> HttpResponse:
    """Return the problem document for a bare status that Django or the server library decided on."""
    made: OrchestratorError
    match status:
        case 401:
            made = UnauthenticatedError("no credentials")
        case 403:
            made = ForbiddenError("refused before the view")
        case 404:
            made = NotFoundError("no such address")
        case 409:
            made = ConflictError("conflict")
        case 413:
            made = TooBigError("body too big", limit=0)
        case _ if status >= 500:
            made = OrchestratorError(f"status {status}")
        case _:
            made = InvalidInputError(f"status {status}")
    response = of_error(request, made)
    if response.status_code != status:
        # 405 and the like keep their number: clients act on it.
        body = orjson.loads(response.content) | {"status": status, "title": HTTPStatus(status).phrase}
        response.content = orjson.dumps(body)
        response.status_code = status
    return response


def language_of(request: HttpRequest) -> str:
    """Return the caller's language once they are known, else what the browser prefers."""
    signed = getattr(request, "auth", None)
    known: str | None = getattr(signed, "language", None)
    return known or preferred_language(request.headers.get("accept-language", ""))
