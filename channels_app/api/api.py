"""The API as a whole: its resources, its credentials, and how errors leave it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.http import Http404, HttpRequest, HttpResponse
from ninja import NinjaAPI
from ninja.errors import AuthenticationError, HttpError, ValidationError
from ninja.openapi.docs import Swagger

from channels_app.api import abilities, artifacts, auth, conversations, documents, me, problems, turns
from channels_app.api.authentication import Bearer, Key, Session
from orchestrator.errors import BadFrameError, InvalidInputError, NotFoundError, OrchestratorError, UnauthenticatedError

_DESCRIPTION = """\
Questions over a company's database and documents.

Every error is an `application/problem+json` with `code`, a `detail` that a person can act on, and the correlation id
`cid` (also in `X-Request-ID`, which a caller may set). Lists give `{items, next?}`; `?after=<next>` is the next page.
Somebody else's id answers exactly like one that does not exist.
"""

#: Parts of a validation error's place that are ninja's, not the caller's.
_PLACES = frozenset({"body", "query", "path", "header", "form", "file"})

api = NinjaAPI(
    title="Switchyard",
    version="1",
    description=_DESCRIPTION,
    docs=Swagger(settings={"persistAuthorization": True, "docExpansion": "list"}),
    auth=[Bearer(), Key(), Session()],
    urls_namespace="api",
)
api.add_router("/auth", auth.router)
api.add_router("/me", me.router)
api.add_router("/conversations", conversations.router)
api.add_router("/conversations", turns.conversation_router)
api.add_router("/abilities", abilities.router)
api.add_router("/search", conversations.search_router)
api.add_router("/turns", turns.router)
api.add_router("/artifacts", artifacts.router)
api.add_router("/documents", documents.router)


@api.exception_handler(OrchestratorError)
def on_ours(request: HttpRequest, exc: OrchestratorError) -> HttpResponse:
    """Answer an error of ours."""
    return problems.of_error(request, exc)


@api.exception_handler(AuthenticationError)
def on_nobody(request: HttpRequest, exc: AuthenticationError) -> HttpResponse:
    """Answer a call without credentials."""
    return problems.of_error(request, UnauthenticatedError("no credentials"))


@api.exception_handler(ValidationError)
def on_invalid(request: HttpRequest, exc: ValidationError) -> HttpResponse:
    """Answer a request whose shape is wrong, naming the field."""
    first = exc.errors[0] if exc.errors else {}
    field = place(first.get("loc", ()))
    # Only what is wrong, never the value: it may be a password.
    error = InvalidInputError(f"{field}: {first.get('type')}", field=field, detail_key="error.invalid_field")
    return problems.of_error(request, error)


@api.exception_handler(HttpError)
def on_http(request: HttpRequest, exc: HttpError) -> HttpResponse:
    """Answer what ninja itself refuses: a body that is not JSON."""
    if exc.status_code == 400:
        return problems.of_error(request, BadFrameError(exc.message, frame_code="bad_json"))
    return problems.of_status(request, exc.status_code)


@api.exception_handler(Http404)
def on_missing(request: HttpRequest, exc: Http404) -> HttpResponse:
    """Answer an address that leads nowhere."""
    return problems.of_error(request, NotFoundError("no such address"))


@api.exception_handler(Exception)
def on_unknown(request: HttpRequest, exc: Exception) -> HttpResponse:
    """Answer what nobody thought of: logged with its trace, told without."""
    return problems.of_unknown(request, exc)


def place(parts: Sequence[Any]) -> str:
    """Return the field of a validation error as a caller would write it: `deadline_ms`, `limit`."""
    # ninja puts the kind of parameter first and, for bodies, the name of the view's argument second.
    named = [str(part) for part in parts]
    if named and named[0] in _PLACES:
        named = named[1:]
    if len(named) > 1 and named[0] == "body":
        named = named[1:]
    return ".".join(named) or "body"
