"""Say what the page may load: its own files and nothing else."""

from csp.constants import HEADER
from csp.middleware import CSPMiddleware
from csp.utils import build_policy
from django.http import HttpRequest
from django.http.response import HttpResponseBase

#: Everything is forbidden first, so that a new kind of resource fails closed.
#: `require-trusted-types-for` makes the browser refuse any HTML string that has
#: not been through DOMPurify, whoever forgets to call it.
POLICY: dict[str, list[str]] = {
    "default-src": ["'none'"],
    "script-src": ["'self'"],
    "style-src": ["'self'"],
    "img-src": ["'self'", "data:"],
    "connect-src": ["'self'"],
    "font-src": ["'self'"],
    "base-uri": ["'none'"],
    "form-action": ["'self'"],
    "frame-ancestors": ["'none'"],
    "require-trusted-types-for": ["'script'"],
    "trusted-types": ["dompurify"],
}


def _but(**directives: list[str]) -> dict[str, list[str]]:
    strict = {name: sources for name, sources in POLICY.items() if "trusted-types" not in name}
    return strict | directives


def policy_header() -> str:
    """Return the policy as the value of a `Content-Security-Policy` header."""
    return build_policy(config=POLICY)


#: For pages that are not ours: the admin's theme styles inline and its Alpine evaluates its attributes, Swagger styles
#: inline. Neither runs an inline script, so text of a document or a question that got into a page unescaped would not.
RELAXED: dict[str, dict[str, list[str]]] = {
    "/admin/": _but(**{"script-src": ["'self'", "'unsafe-eval'"], "style-src": ["'self'", "'unsafe-inline'"]}),
    "/api/docs": _but(**{"style-src": ["'self'", "'unsafe-inline'"]}),
}


class PolicyMiddleware(CSPMiddleware):
    """Send the settings' policy, and the relaxed one where a page of somebody else's needs it."""

    def process_response(self, request: HttpRequest, response: HttpResponseBase) -> HttpResponseBase:
        """Return the response with a policy."""
        for prefix, policy in RELAXED.items():
            if request.path_info.startswith(prefix) and HEADER not in response:
                response[HEADER] = build_policy(config=policy)
        return super().process_response(request, response)
