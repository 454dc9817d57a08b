"""Serve the page: a shell that the browser fills from the socket and the HTTP API."""

from pathlib import Path

from csp.constants import HEADER
from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.cache import patch_vary_headers
from django.views.decorators.http import require_safe

from channels_app.web.catalogue import LANGUAGES, best_language, strings
from channels_app.web.csp import policy_header


def _modules() -> tuple[str, ...]:
    """Return every module that the first view imports: named at once, they need no round trip a level of imports."""
    root = Path(__file__).parent / "static"
    found = sorted(path.relative_to(root).as_posix() for path in (root / "web").rglob("*.js"))
    return tuple(name for name in found if name not in _LATER)


#: A classic script of its own, and what is fetched when the first chart is shown.
_LATER = frozenset({"web/js/theme.js", "web/vendor/uplot.js"})
_MODULES = _modules()


@require_safe
async def page(request: HttpRequest) -> HttpResponse:
    """Return the page in the language that the browser asks for.

    The catalogue travels inside the page as a JSON data block, which no
    Content-Security-Policy forbids, so the first paint needs no second request
    and the language switch none at all.
    """
    language = best_language(request.headers.get("Accept-Language", ""))
    response = render(
        request,
        "web/page.html",
        {
            "language": language,
            "modules": _MODULES,
            "strings": strings(language),
            "catalogue": {name: strings(name) for name in LANGUAGES},
            # Where these users were made, whoever tries the product is told their names; production refuses them.
            "development": settings.SWITCHYARD.development_users,
        },
    )
    # Set here and not by django-csp's decorator, which cannot wrap an async view;
    # its middleware leaves a header alone that is already there.
    response[HEADER] = policy_header()
    response["Cache-Control"] = "no-cache"
    patch_vary_headers(response, ["Accept-Language"])
    response["Referrer-Policy"] = "same-origin"
    return response
